// A variable that was declared without a size first: the definition's type counts (W20: the reference loses it). A flexible
// initialiser is part of the variable.
// cflags[gcc]: -fno-toplevel-reorder
// link: rel
// expect: VAR table: [4]int global
// expect: VAR flex: struct flex global
// expect: DATASEC .data..percpu size=? { table @0 +16; flex @16 +16 }
#define PERCPU __attribute__((section(".data..percpu")))
struct flex { int n; int items[]; };
extern PERCPU int table[];
PERCPU int table[4] = { 1, 2, 3, 4 };
PERCPU struct flex flex = { 3, { 1, 2, 3 } };
