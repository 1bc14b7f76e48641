// A bit-field beyond 2 MiB cannot be said (W18: the reference gives up, or writes another member's offset). The plain members
// stay right.
// expect: MEMBER big.first: int @0
// expect: MEMBER big.last: int @?
// expect-not: MEMBER big.bit
// expect: STRUCT big size=3145736
// stderr: members that BTF cannot place, left out
struct big { int first; char gap[3145724]; int bit : 3; int last; } *b;
