// Type units are not supported: better no BTF than one with holes (the reference writes empty structs).
// cc: gcc
// cflags: -fdebug-types-section
// fails: 3 the DWARF has type units, which are not supported: build without -fdebug-types-section
struct s { int a; } x;
