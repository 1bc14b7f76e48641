// Type tags of clang on what pointers point to; the one written last stands outermost.
// cc: clang - gcc before 16 has no such tags
// expect: MEMBER s.one: *tag(user) int @0
// expect[64]: MEMBER s.two: *tag(b) tag(a) int @64
// expect[32]: MEMBER s.two: *tag(b) tag(a) int @32
// expect[64]: MEMBER s.nested: *tag(outer) *tag(inner) int @128
// expect[32]: MEMBER s.nested: *tag(outer) *tag(inner) int @64
// args: --btf_features=decl_tag,var
// expect: MEMBER s.one: *int @0
// expect-not: TYPE_TAG
// args: --dialect=type-tag=off
// expect: MEMBER s.one: *int @0
#define TAG(x) __attribute__((btf_type_tag(x)))
struct s { int TAG("user") *one; int TAG("a") TAG("b") *two; int TAG("inner") *TAG("outer") *nested; } x;
