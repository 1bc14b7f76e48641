// Kernels are compiled with -funsigned-char since 6.2: char is then not SIGNED, as the compiler says.
// cflags: -funsigned-char
// expect: INT char size=1 UNSIGNED
// expect-not: INT char size=1 SIGNED
char c[4];
