// What many units include is there once, whatever part of it each of them completes.
// units: A B C
// link: rel
// count: STRUCT node 1
// count: STRUCT payload 1
// count: TYPEDEF visit_t 1
// count: ENUM (anon) 1
// expect[64]: MEMBER node.payload: *struct payload @64
// expect[32]: MEMBER node.payload: *struct payload @32
// expect-not: FWD
struct node;
typedef void (*visit_t)(struct node *);
enum { FLAG_A = 1, FLAG_B };
struct payload;
struct node { struct node *next; struct payload *payload; visit_t visit; };
#ifdef B
struct payload { struct node *owner; int bytes; } p;
#endif
int
#if defined(A)
a
#elif defined(B)
b
#else
c
#endif
(struct node *n) { return n->next != 0 && FLAG_B; }
