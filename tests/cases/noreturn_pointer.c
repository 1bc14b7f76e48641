// gcc writes a pointer to a noreturn function as one to a volatile function.
// cc: gcc - clang writes a plain function
// expect: MEMBER o.die: *volatile func(*const char) -> void @0
struct o { void (*die)(const char *) __attribute__((noreturn)); } x;
