// Types that refer to themselves through typedefs, pointers and prototypes only.
// units: A B
// link: rel
// expect: TYPEDEF step_t = *func(*void) -> next_t
// count: STRUCT ring 1
typedef struct ring { struct ring *(*turn)(struct ring *); struct ring **table; } ring_t;
typedef struct { void *p; } next_t;
typedef next_t (*step_t)(void *);
#ifdef A
ring_t ra; step_t sa;
#else
ring_t rb; step_t sb;
#endif
