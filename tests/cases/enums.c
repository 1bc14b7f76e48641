// Up to 4 bytes an ENUM, else an ENUM64. Signed when a value is negative.
// expect: ENUM plain size=4 { A=0, B=1, C=100 }
// expect: ENUM negative size=4 signed { N=-1, Z=0, MIN=-2147483648 }
// expect: ENUM top size=4 { TOP=4294967295 }
// expect: ENUM packed size=1 { P=1, Q=200 }
// expect: ENUM packed_negative size=1 signed { PN=-128, PP=127 }
// expect: ENUM64 wide size=8 { W=4294967296, V=1 }
// expect: ENUM64 wide_negative size=8 signed { WN=-4294967297, WP=1 }
// expect: ENUM64 mixed size=8 signed { MN=-1, MP=4294967295 }
// expect: ENUM64 top64 size=8 { T64=18446744073709551615 }
// expect: ENUM64 bottom size=8 signed { LOWEST=-9223372036854775808 }
// expect: ENUM (anon) size=4 { ANON=7 }
enum plain { A, B, C = 100 } a;
enum negative { N = -1, Z, MIN = -2147483647 - 1 } b;
enum top { TOP = 0xffffffffu } c;
enum packed { P = 1, Q = 200 } __attribute__((packed)) d;
enum packed_negative { PN = -128, PP = 127 } __attribute__((packed)) e;
enum wide { W = 0x100000000ull, V = 1 } f;
enum wide_negative { WN = -0x100000001ll, WP = 1 } g;
enum mixed { MN = -1, MP = 0xffffffffll } h;
enum top64 { T64 = 0xffffffffffffffffull } i;
enum bottom { LOWEST = -9223372036854775807ll - 1 } j;
enum { ANON = 7 } k;
// Without the feature, as the reference writes it: size 8, values cut to 32 bits, never signed.
// args: --btf_features=var,float,decl_tag,type_tag
// expect: ENUM wide size=8 { W=0, V=1 }
// expect: ENUM negative size=4 { N=4294967295, Z=0, MIN=2147483648 }
// expect-not: ENUM64
