// BTF has no complex numbers. They become bytes of the same size; nothing else suffers (W28: the reference stops here).
// expect: MEMBER z.c: [16]unsigned char @64
// expect: MEMBER z.after: int @192
// expect: STRUCT z size=32
// expect: FUNC conj(v: [16]unsigned char) -> int
// expect: STRUCT untouched size=4 { x: int @0 }
// stderr: base types that BTF does not know, written as integers or bytes
struct z { int before; _Complex double c; int after; } v;
struct untouched { int x; } u;
int conj(_Complex double v) { return (int)v; }
