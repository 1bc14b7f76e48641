// A function that the linker discarded has an address of 0 in the DWARF and no symbol.
// units: A
// link: yes
// cflags: -ffunction-sections
// ldflags: --gc-sections --undefined=kept -e kept
// expect: FUNC kept(a: int) -> int
// expect-not: FUNC discarded
int kept(int a) { return a; }
int discarded(int a) { return a + 1; }
