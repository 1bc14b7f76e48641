// Variables that the kernel's build makes up are none of interest; nor are those without a size.
// link: rel
// expect: VAR real: int global
// expect-not: VAR __UNIQUE_ID
// expect-not: VAR __exitcall_
// expect-not: VAR empty
#define PERCPU __attribute__((section(".data..percpu"), used))
struct empty { };
PERCPU int real = 1;
PERCPU int __UNIQUE_ID_x1 = 2;
PERCPU int __exitcall_y = 3;
PERCPU struct empty empty;
