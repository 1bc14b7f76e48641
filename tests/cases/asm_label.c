// A function whose symbol has another name is described under that name: it is what others see (W12).
// expect: FUNC real_name(a: int) -> int
// expect-not: FUNC source_name
// link: rel
int source_name(int a) asm("real_name");
int source_name(int a) { return a; }
