// Declaration tags of clang: on structs, members, unions, typedefs, functions, parameters and variables.
// cc: clang - gcc before 16 has no such tags
// expect: DECL_TAG "s1" on STRUCT s
// expect: DECL_TAG "s2" on STRUCT s
// expect: DECL_TAG "m" on STRUCT s #1
// expect: DECL_TAG "u" on UNION u
// expect: DECL_TAG "t" on TYPEDEF t
// expect: DECL_TAG "f" on FUNC f
// expect: DECL_TAG "p" on FUNC f #1
// expect: DECL_TAG "v" on VAR v
// count: DECL_TAG 8
// args: --btf_features=var,type_tag
// expect-not: DECL_TAG
#define TAG(x) __attribute__((btf_decl_tag(x)))
struct s { int a; int b TAG("m"); } TAG("s1") TAG("s2");
union u { int a; } TAG("u");
typedef int t TAG("t");
struct s s; union u u; t tt;
__attribute__((section(".data..percpu"))) int v TAG("v") = 1;
TAG("f") int f(int a, int b TAG("p")) { return a + b + v; }
