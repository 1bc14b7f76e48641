// 128-bit integers have 16 bytes and 128 bits.
// machines: arm64 riscv64 s390x - machines of 32 bits have none
// expect: INT __int128 size=16 SIGNED
// expect[gcc]: INT __int128 unsigned size=16 UNSIGNED
// expect[clang]: INT unsigned __int128 size=16 UNSIGNED
// expect: MEMBER wide.a: __int128 @0
struct wide { __int128 a; unsigned __int128 b; } w;
