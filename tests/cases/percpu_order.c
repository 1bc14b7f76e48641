// The entries of the data section stand in the order of their offsets, one per variable, also from several units.
// cflags[gcc]: -fno-toplevel-reorder
// units: A B
// link: yes
// expect[64]: DATASEC .data..percpu size=20 { a1 @0 +4; a2 @4 +4; b1 @8 +8; b2 @16 +4 }
// expect[32]: DATASEC .data..percpu size=16 { a1 @0 +4; a2 @4 +4; b1 @8 +4; b2 @12 +4 }
#define PERCPU __attribute__((section(".data..percpu"), used))

#ifdef A
PERCPU int a1 = 1; PERCPU int a2 = 2;
#else

PERCPU void *b1; PERCPU int b2;
#endif
