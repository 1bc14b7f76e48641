// Split DWARF is in another file.
// cflags: -gsplit-dwarf
// fails: 3 its DWARF was split off into linked0.dwo; build without -gsplit-dwarf
struct s { int a; } x;
