// Functions of kfunc sets get a tag, with fastcall another; those of other sets and unknown ones do not.
// units: C asm:S
// link: rel
// expect: DECL_TAG "bpf_kfunc" on FUNC bpf_do_it
// expect: DECL_TAG "bpf_kfunc" on FUNC bpf_fast__one
// expect: DECL_TAG "bpf_fastcall" on FUNC bpf_fast__one
// expect-not: DECL_TAG "bpf_fastcall" on FUNC bpf_do_it
// expect-not: DECL_TAG "bpf_kfunc" on FUNC not_kfunc
// expect-not: DECL_TAG "bpf_kfunc" on FUNC listed_elsewhere
// count: DECL_TAG 3
// args: --btf_features=decl_tag,var
// expect-not: DECL_TAG
// args: --btf_features=decl_tag_kfuncs
// expect-not: DECL_TAG
#ifdef __ASSEMBLER__
    .section .BTF_ids, "a"
    .balign 4
// A set: its size, flags (bit 0: kfuncs), then pairs of id and flags.
    .local __BTF_ID__set8__my_kfuncs
    .type __BTF_ID__set8__my_kfuncs, STT_OBJECT
__BTF_ID__set8__my_kfuncs:
    .long 0, 1
    .local __BTF_ID__func__bpf_do_it__11
__BTF_ID__func__bpf_do_it__11:
    .long 0, 0
    .local __BTF_ID__func__bpf_fast__one__12
__BTF_ID__func__bpf_fast__one__12:
    .long 0, 1 << 12
    .size __BTF_ID__set8__my_kfuncs, . - __BTF_ID__set8__my_kfuncs
    .local __BTF_ID__set8__not_kfuncs
__BTF_ID__set8__not_kfuncs:
    .long 0, 0
    .local __BTF_ID__func__not_kfunc__13
__BTF_ID__func__not_kfunc__13:
    .long 0, 0
    .size __BTF_ID__set8__not_kfuncs, . - __BTF_ID__set8__not_kfuncs
    .local __BTF_ID__func__listed_elsewhere__14
__BTF_ID__func__listed_elsewhere__14:
    .long 0
#else
int bpf_do_it(int a) { return a; }
int bpf_fast__one(void) { return 1; }
int not_kfunc(void) { return 2; }
int listed_elsewhere(void) { return 3; }
#endif
