/* The basics that every unit includes: types, lists, atomics, annotations. */
#ifndef KERNEL_H
#define KERNEL_H

typedef signed char s8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;
typedef _Bool bool;
typedef unsigned long size_t;
typedef unsigned int gfp_t;
typedef u16 __be16;
#define NULL ((void *)0)

#define noinline __attribute__((noinline))
#define always_inline inline __attribute__((always_inline))
#define used __attribute__((used))
#define weak __attribute__((weak))
#define packed __attribute__((packed))
#define in_section(name) __attribute__((section(name)))
#define __init in_section(".init.text") used
#define __exit in_section(".exit.text") used

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define offset_of(type, member) __builtin_offsetof(type, member)
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offset_of(type, member)))

typedef struct {
    int counter;
} atomic_t;

typedef struct {
    s64 counter;
} atomic64_t;

typedef struct {
    atomic_t refs;
} refcount_t;

/* With the debugging fields of a lock in a union beside the lock itself. */
typedef struct spinlock {
    union {
        atomic_t val;
        struct {
            u8 locked;
            u8 pending;
        };
        struct {
            u16 locked_pending;
            u16 tail;
        };
    };
} spinlock_t;

struct list_head {
    struct list_head *next, *prev;
};

struct hlist_node {
    struct hlist_node *next, **pprev;
};

struct hlist_head {
    struct hlist_node *first;
};

struct callback_head {
    struct callback_head *next;
    void (*func)(struct callback_head *head);
};
#define rcu_head callback_head

struct rb_node {
    unsigned long parent_and_color;
    struct rb_node *right, *left;
} __attribute__((aligned(sizeof(long))));

#define LIST_HEAD_INIT(name) { &(name), &(name) }

static inline void list_add(struct list_head *entry, struct list_head *head)
{
    entry->next = head->next;
    entry->prev = head;
    head->next->prev = entry;
    head->next = entry;
}

static inline void list_del(struct list_head *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
}

static inline bool list_empty(const struct list_head *head)
{
    return head->next == head;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
    return __atomic_sub_fetch(&r->refs.counter, 1, __ATOMIC_ACQ_REL) == 0;
}

#define list_entry(pointer, type, member) container_of(pointer, type, member)
#define list_for_each(position, head) for (position = (head)->next; position != (head); position = position->next)

/* Symbols for modules: an entry of a table, and the name as a string. */
struct kernel_symbol {
    unsigned long value;
    const char *name;
    const char *namespace;
};

#define EXPORT_SYMBOL(symbol)                                                                      \
    extern __typeof__(symbol) symbol;                                                              \
    static const char __kstrtab_##symbol[] in_section("__ksymtab_strings") used = #symbol;         \
    static const struct kernel_symbol __ksymtab_##symbol in_section("___ksymtab+" #symbol) used =  \
        { (unsigned long)&symbol, __kstrtab_##symbol, NULL }

/* Modules: the loader looks for these two names. */
#define module_init(function) int init_module(void) __attribute__((alias(#function)))
#define module_exit(function) void cleanup_module(void) __attribute__((alias(#function)))
#define MODULE_INFO(tag, text) \
    static const char __modinfo_##tag[] in_section(".modinfo") used = #tag "=" text

/* Per-CPU variables stand in a section of their own, as templates of what each CPU gets. */
#define PER_CPU_SECTION ".data..percpu"
#define DEFINE_PER_CPU(type, name) in_section(PER_CPU_SECTION) __typeof__(type) name
#define DECLARE_PER_CPU(type, name) extern in_section(PER_CPU_SECTION) __typeof__(type) name

extern unsigned long per_cpu_offset[];
#define per_cpu(name, cpu) (*(__typeof__(name) *)((char *)&(name) + per_cpu_offset[cpu]))

void *kmalloc(size_t size, gfp_t flags);
void kfree(const void *object);
int printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
