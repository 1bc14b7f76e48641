// A declaration tag stands on the member that the source tagged, whatever number that has in the end; the tag of a member that is left
// out goes with it. (The bit-field cannot be said: members_cannot_place.c.)
// cc: clang - gcc has no such tags before 16
// expect: DECL_TAG "first" on STRUCT big #0
// expect: DECL_TAG "last" on STRUCT big #2
// expect-not: DECL_TAG "bit"
// expect: DECL_TAG "outer" on STRUCT outer #2
// expect: DECL_TAG "inner" on STRUCT inner #1
// count: DECL_TAG 4
#define TAG(x) __attribute__((btf_decl_tag(x)))
struct big { int first TAG("first"); char gap[3145724]; int bit : 3 TAG("bit"); int last TAG("last"); } *b;
struct outer { int a; struct inner { int b : 3, c : 5 TAG("inner"); } in; int d : 3 TAG("outer"); } *o;
