// 70,000 enumerators: more than kernels before 7.x can read. Those that fit are there, and btfgen says so (W18: the reference keeps 4,464
// of them without a word).
// cc: gcc - clang takes long, for the same
// dwarf: 5 - one is enough, it takes long
// stderr: enumerators that BTF cannot hold, left out or cut
// count: ENUM many 1
#define V(a) v##a,
#define V10(a) V(a##0) V(a##1) V(a##2) V(a##3) V(a##4) V(a##5) V(a##6) V(a##7) V(a##8) V(a##9)
#define V100(a) V10(a##0) V10(a##1) V10(a##2) V10(a##3) V10(a##4) V10(a##5) V10(a##6) V10(a##7) V10(a##8) V10(a##9)
#define V1000(a) V100(a##0) V100(a##1) V100(a##2) V100(a##3) V100(a##4) V100(a##5) V100(a##6) V100(a##7) V100(a##8) V100(a##9)
#define V10000(a) V1000(a##0) V1000(a##1) V1000(a##2) V1000(a##3) V1000(a##4) V1000(a##5) V1000(a##6) V1000(a##7) V1000(a##8) V1000(a##9)
enum many { V10000(1) V10000(2) V10000(3) V10000(4) V10000(5) V10000(6) V10000(7) } m;
