// C++ never stops a run. What C has is as in C; references are pointers, classes structs; what BTF has no word for keeps its size. All of it is
// counted (W28: one reference ends the reference's run). ENUM64's sign is found through typedefs (W23), and a member without a type is of an empty struct (W16).
// machines: native - gcc for others comes without C++
// units: C c++:PLUS
// link: rel
// expect: ENUM64 wide size=8 signed { POSITIVE=1 }
// expect: ENUM64 wide_unsigned size=8 { ONE=1 }
// expect: STRUCT derived size=64
// expect: MEMBER derived.reference: *const struct base @128
// expect: MEMBER derived.rvalue: *int @192
// expect: MEMBER derived.to_member: [8]unsigned char @256
// expect: MEMBER derived.complex: [16]unsigned char @320
// expect: MEMBER derived.nothing: struct
// expect: FUNC c_name(d: *struct derived) -> int
// expect: FUNC in_c(a: int) -> int
// expect-not: MEMBER base.shared
// expect: STRUCT shared_with_c size=16 { a: int @0; next: *struct shared_with_c @64 }
// count: STRUCT shared_with_c 1
// stderr: types that only other languages have, written as pointers, unions or bytes
// stderr: base types that BTF does not know, written as integers or bytes
// args: --lang_exclude=c++,c++03,c++11,c++14
// expect: FUNC in_c(a: int) -> int
// expect-not: STRUCT derived
// args: --lang=c++,c++03,c++11,c++14
// expect: STRUCT derived size=64
// expect-not: FUNC in_c
struct shared_with_c { int a; struct shared_with_c *next; };
#ifdef PLUS
typedef long my_long;
typedef unsigned long my_unsigned;
enum wide : my_long { POSITIVE = 1 } w;
enum wide_unsigned : my_unsigned { ONE = 1 } wu;
struct base { virtual int f(int) const; int b; static int shared; };
struct derived : base {
	int f(int) const override;
	const base &reference;
	int &&rvalue;
	int base::*to_member;
	__complex__ double complex;
	decltype(nullptr) nothing;
	derived(base &b, int &&r) : reference(b), rvalue(static_cast<int &&>(r)) {}
};
int base::f(int x) const { return x + b; }
int derived::f(int x) const { return rvalue + reference.b + x; }
template <class T, int N> struct array { T items[N]; array *self; };
namespace inner { array<shared_with_c, 3> items; }
extern "C" int c_name(derived *d) { return d->f(3) + inner::items.items[1].a; }
#else
struct shared_with_c s;
int in_c(int a) { return a + s.a; }
#endif
