// Offsets are from the start of the section, also where it has an address of its own.
// cflags[gcc]: -fno-toplevel-reorder
// link: yes
// ldflags: --defsym percpu_start=0x8000
// expect: DATASEC .data..percpu size=? { first @0 +4; second @? +8 }
#define PERCPU __attribute__((section(".data..percpu"), used))
PERCPU int first = 1;
PERCPU struct { int a, b; } second = { 1, 2 };
