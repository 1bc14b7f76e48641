// Plain members beyond 2 MiB are fine; beyond 512 MiB their offset in bits does not fit, and they are left out rather than put
// elsewhere (W18: the reference writes them at wrapped offsets).
// expect: MEMBER big.beyond_2m: int @25165824
// expect-not: MEMBER big.beyond_512m
// expect: STRUCT big size=536870916
// stderr: members that BTF cannot place, left out
struct big { char gap[3145728]; int beyond_2m; char more[533725180]; int beyond_512m; } *b;
