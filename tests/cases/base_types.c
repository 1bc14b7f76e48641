// Base types keep the compiler's name, size and signedness. Plain char is SIGNED or not, never CHAR; bool is BOOL.
// machines: native - sizes, signs of char and types that there are differ; for others see machine_types
// expect: INT char size=1 SIGNED
// expect: INT signed char size=1 SIGNED
// expect: INT unsigned char size=1 UNSIGNED
// expect: INT _Bool size=1 BOOL
// expect: INT int size=4 SIGNED
// expect: INT unsigned int size=4 UNSIGNED
// expect[gcc]: INT short int size=2 SIGNED
// expect[gcc]: INT short unsigned int size=2 UNSIGNED
// expect[gcc]: INT long int size=8 SIGNED
// expect[gcc]: INT long unsigned int size=8 UNSIGNED
// expect[gcc]: INT long long int size=8 SIGNED
// expect[gcc]: INT long long unsigned int size=8 UNSIGNED
// expect[clang]: INT short size=2 SIGNED
// expect[clang]: INT unsigned short size=2 UNSIGNED
// expect[clang]: INT long size=8 SIGNED
// expect[clang]: INT unsigned long size=8 UNSIGNED
// expect[clang]: INT long long size=8 SIGNED
// expect[clang]: INT unsigned long long size=8 UNSIGNED
// expect: STRUCT all size=48 { c: char @0; sc: signed char @8; uc: unsigned char @16; b: _Bool @24
// count: INT 12
struct all {
    char c; signed char sc; unsigned char uc; _Bool b;
    short s; unsigned short us; int i; unsigned int u;
    long l; unsigned long ul; long long ll; unsigned long long ull;
};
struct all a;
