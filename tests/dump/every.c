/* A little of everything that a header may have to say. */
struct list { struct list *next, **prev; };
union only_declared;
struct only_declared_too;
enum color { RED, GREEN = -3, BLUE = 0x7fffffff };
enum unsigned_color { LAST = 0xffffffffu };
enum wide { WIDE = 1ull << 63, NARROW = 1 };
enum deep { DEEP = -1ll - 0x7fffffffffffffffll };
enum { LOOSE, LOOSE_TOO };
enum bytes { BYTE = 200 } __attribute__((packed));
typedef enum { TYPEDEF_A, TYPEDEF_B } enum_t;
typedef struct { int a; } anonymous_t;
typedef struct list list_t, *list_p;
typedef int matrix[3][4];
typedef int function_t(struct list *, ...);
typedef function_t *(*returns_t)(void (*)(void), const char *const *, matrix *);
struct empty { };
struct packed { char a; int b; long long c; } __attribute__((packed));
struct packed_bits { char a; int b: 12; unsigned long long c: 44; char d: 7; } __attribute__((packed));
struct aligned { char a; } __attribute__((aligned(64)));
struct cache_lines { int a; int b __attribute__((aligned(64))); struct aligned c; char d; };
struct page { char a; int b __attribute__((aligned(4096))); };
struct padding { int a: 3; int: 5; int b: 4; int: 0; char c; long: 0; char d; short: 9; };
struct only_padding { int: 7; };
struct straddling { unsigned a: 20, b: 20, c: 24; unsigned long long d: 40, e: 30; };
struct flags { _Bool a: 1, b: 1; enum color c: 32; enum_t d: 2; };
struct flexible { int count; struct list entries[]; };
struct flexible_in_union { union { char a[0]; struct { struct { } none; short b[0]; }; }; };
struct nested {
	struct { union { int x; struct { short y, z; }; } deep[2]; } named;
	union { struct { int p: 1, q: 2; }; int all; };
	struct { enum { INSIDE, INSIDE_TOO } e; } with_values;
};
struct pointers {
	int (*array_of)[3], *array[3], (*(*function)(int))[2];
	void (*handlers[2])(struct only_declared_too *, union only_declared *, struct pointers *);
	const volatile void *const volatile p;
	char *restrict r;
	function_t *f;
	returns_t g;
	list_p self;
};
struct first { struct second *s; };
struct second { struct first f; struct third *t; };
struct third { void (*f)(struct second, struct third *); struct second s[2]; };
struct floats { float f; double d; long double l; };
struct after_long_double { char c; long double l; char d; };
typedef __builtin_va_list va_list;
struct with_va_list { char c; va_list args; char d; };
typedef _Bool bool;
struct keywords { int class, private, template, this; bool boolean; };
#ifdef __SIZEOF_INT128__
typedef unsigned __int128 u128;
struct wide_integers { char a; __int128 b; char c; u128 d __attribute__((packed)); };
#endif
