// Variables and their section are never taken from the base.
// base: K
// units: M
// link: rel
// base-expect: DATASEC .data..percpu size=4 { counter @0 +4 }
// expect: VAR counter: int global
// expect: DATASEC .data..percpu size=4 { counter @0 +4 }
__attribute__((section(".data..percpu"))) int counter = 1;
