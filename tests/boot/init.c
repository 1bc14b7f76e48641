/*
 * The first and only process of the kernel that scripts/test-boot.sh boots. Follows /plan, line by line, and reports on the
 * second serial port: `ok` or `FAILED`, a tab, what was checked, a tab, details; the last line is `end`, a tab, and the
 * number of lines before it. Nothing here comes from libbpf: BTF is read, and programs are assembled, by hand.
 *
 *   base FILE                the running kernel's BTF is FILE
 *   btf NAME FILE            BPF_BTF_LOAD takes FILE
 *   module NAME [ERRNO]      /m/NAME.ko loads (or its init fails with ERRNO, after its BTF was looked at), sysfs shows /m/NAME.btf
 *   resolve NAME             BPF_BTF_LOAD takes /m/NAME.btf and its base, joined: that resolves every reference
 *   kfuncs NAME MINIMUM      each function tagged bpf_kfunc can be called by some type of program
 *   conntrack                what nf_conntrack's flags say: a program must give back what it looked up
 *   fou                      a program that calls a kfunc of `fou` passes the verifier whole
 *   fentry                   programs attach to functions of `af_key`, run, and read a struct that only this module has
 *   corrupt NAME             /m/NAME.ko is refused in each of some damaged forms, and taken undamaged
 *
 * For scripts/test-verify.sh, which wants the kernel's answers and judges by itself:
 *
 *   blobs DIR                BPF_BTF_LOAD of each file: `blob`, name, error number (0: taken), the log's last line about a type, its last line
 *   modules DIR              insmod of each file: `insmod`, name, error number, what the log says of BTF, in one line
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* linux/bpf.h and linux/btf.h of old systems lack some of these. */
#define CMD_PROG_LOAD 5
#define CMD_BTF_LOAD 18
#define CMD_BTF_GET_FD_BY_ID 19
#define CMD_OBJ_GET_INFO_BY_FD 15
#define CMD_MAP_CREATE 0
#define CMD_MAP_LOOKUP 1
#define CMD_BTF_GET_NEXT_ID 23
#define CMD_LINK_CREATE 28
#define PSEUDO_MAP_FD 1
#define PSEUDO_KFUNC_CALL 2

enum { K_INT = 1, K_PTR, K_ARRAY, K_STRUCT, K_UNION, K_ENUM, K_FWD, K_TYPEDEF, K_VOLATILE, K_CONST, K_RESTRICT, K_FUNC,
       K_FUNC_PROTO, K_VAR, K_DATASEC, K_FLOAT, K_DECL_TAG, K_TYPE_TAG, K_ENUM64 };

struct header {
    uint16_t magic;
    uint8_t version, flags;
    uint32_t hdr_len, type_off, type_len, str_off, str_len;
};
struct type {
    uint32_t name_off, info, size_or_type;
    uint32_t more[];
};
struct member {
    uint32_t name_off, type, offset;
};

struct blob {
    uint8_t *data;
    size_t len;
};
struct btf {
    struct blob blob;
    const struct header *header;
    const struct btf *base;
    uint32_t start_id, count; /* own types: start_id .. start_id + count - 1 */
    uint32_t start_str;
    const struct type **types;
};

/* --- reporting -------------------------------------------------------------------------------------------------------- */

static FILE *report;
static unsigned lines;

__attribute__((format(printf, 3, 4))) static void result(int ok, const char *what, const char *format, ...)
{
    char detail[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    for (char *c = detail; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    fprintf(report, "%s\t%s\t%s\n", ok ? "ok" : "FAILED", what, detail);
    fflush(report);
    lines++;
}
static void kernel_says(const char *text) /* a line in the kernel's log */
{
    int fd = open("/dev/kmsg", O_WRONLY);
    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0)
            perror("/dev/kmsg");
        close(fd);
    }
}

/* --- files and BTF ---------------------------------------------------------------------------------------------------- */

static struct blob slurp(const char *path)
{
    struct blob blob = {NULL, 0};
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0)
        return blob;
    fstat(fd, &st);
    size_t room = st.st_size + 1, had;
    blob.data = malloc(room);
    for (;;) {
        if (blob.len == room)
            blob.data = realloc(blob.data, room *= 2);
        had = read(fd, blob.data + blob.len, room - blob.len);
        if (had == 0 || had == (size_t)-1)
            break;
        blob.len += had;
    }
    close(fd);
    return blob;
}
static int same(struct blob a, struct blob b) { return a.data && b.data && a.len == b.len && !memcmp(a.data, b.data, a.len); }

static unsigned kind(const struct type *t) { return t->info >> 24 & 31; }
static unsigned vlen(const struct type *t) { return t->info & 0xffff; }

/* Words that follow the three of each type. */
static unsigned extra(const struct type *t)
{
    switch (kind(t)) {
    case K_INT: case K_VAR: case K_DECL_TAG: return 1;
    case K_ARRAY: return 3;
    case K_STRUCT: case K_UNION: case K_DATASEC: case K_ENUM64: return 3 * vlen(t);
    case K_ENUM: case K_FUNC_PROTO: return 2 * vlen(t);
    default: return 0;
    }
}
static struct btf *parse(struct blob blob, const struct btf *base)
{
    const struct header *h = (void *)blob.data;
    if (!blob.data || blob.len < sizeof *h || h->magic != 0xeb9f || (size_t)h->hdr_len + h->type_off + h->type_len > blob.len)
        return NULL;
    struct btf *btf = calloc(1, sizeof *btf);
    btf->blob = blob, btf->header = h, btf->base = base;
    btf->start_id = base ? base->start_id + base->count : 1;
    btf->start_str = base ? base->start_str + base->header->str_len : 0;
    const uint8_t *at = blob.data + h->hdr_len + h->type_off, *end = at + h->type_len;
    btf->types = malloc(sizeof *btf->types * (h->type_len / 12 + 1));
    while (at < end) {
        const struct type *t = (void *)at;
        btf->types[btf->count++] = t;
        at += sizeof *t + 4 * extra(t);
    }
    return at == end ? btf : NULL;
}
static const struct type *type_of(const struct btf *btf, uint32_t id)
{
    if (btf->base && id < btf->start_id)
        return type_of(btf->base, id);
    return id < btf->start_id || id >= btf->start_id + btf->count ? NULL : btf->types[id - btf->start_id];
}
static const char *string_of(const struct btf *btf, uint32_t off)
{
    if (btf->base && off < btf->start_str)
        return string_of(btf->base, off);
    return off - btf->start_str < btf->header->str_len
        ? (char *)btf->blob.data + btf->header->hdr_len + btf->header->str_off + (off - btf->start_str) : "?";
}
static uint32_t find(const struct btf *btf, unsigned of_kind, const char *name) /* among btf's own types */
{
    for (uint32_t i = 0; i < btf->count; i++)
        if (kind(btf->types[i]) == of_kind && !strcmp(string_of(btf, btf->types[i]->name_off), name))
            return btf->start_id + i;
    return 0;
}
/* Bit offset of a member; its number through `index`. */
static int member(const struct btf *btf, uint32_t id, const char *name, uint32_t *type, int *index)
{
    const struct type *t = type_of(btf, id);
    if (!t || (kind(t) != K_STRUCT && kind(t) != K_UNION))
        return -1;
    const struct member *m = (void *)t->more;
    for (unsigned i = 0; i < vlen(t); i++)
        if (!strcmp(string_of(btf, m[i].name_off), name)) {
            if (type)
                *type = m[i].type;
            if (index)
                *index = i;
            return t->info >> 31 ? m[i].offset & 0xffffff : m[i].offset;
        }
    return -1;
}

static struct btf *base; /* of the running kernel */

static struct btf *module_btf(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "/sys/kernel/btf/%s", name);
    struct blob blob = slurp(path);
    return blob.data && base ? parse(blob, base) : NULL;
}

/* --- bpf(2) ----------------------------------------------------------------------------------------------------------- */

#define LOG_SIZE (1 << 20)
static char log_text[LOG_SIZE];
/* As large as any kernel's: unknown fields are zero. */
union wide {
    uint8_t bytes[256];
    struct {
        uint32_t type, insn_cnt;
        uint64_t insns, license;
        uint32_t log_level, log_size;
        uint64_t log_buf;
        uint32_t kern_version, flags;
        char name[16];
        uint32_t ifindex, expected_attach_type, prog_btf_fd, func_info_rec_size;
        uint64_t func_info;
        uint32_t func_info_cnt, line_info_rec_size;
        uint64_t line_info;
        uint32_t line_info_cnt, attach_btf_id, attach_btf_obj_fd, core_relo_cnt;
        uint64_t fd_array, core_relos;
        uint32_t core_relo_rec_size;
    } prog;
    struct {
        uint64_t btf, log_buf;
        uint32_t size, log_size, log_level;
    } btf;
    struct {
        uint32_t type, key_size, value_size, entries;
    } map;
    struct {
        uint32_t fd, pad;
        uint64_t key, value;
    } element;
    struct {
        uint32_t id, next_id;
    } id;
    struct {
        uint32_t fd, len;
        uint64_t info;
    } info;
    struct {
        uint32_t prog_fd, target_fd, attach_type;
    } link;
};
#define SIZE_OF(part) (sizeof(((union wide *)0)->part))

static int bpf(int command, union wide *attr, size_t size) { return syscall(SYS_bpf, command, attr, size); }

static int load_btf(const void *data, size_t len, int level)
{
    union wide attr = {{0}};
    attr.btf.btf = (uintptr_t)data, attr.btf.size = len;
    log_text[0] = 0;
    if (level)
        attr.btf.log_buf = (uintptr_t)log_text, attr.btf.log_size = LOG_SIZE, attr.btf.log_level = level;
    return bpf(CMD_BTF_LOAD, &attr, 32);
}
static const char *log_tail(void) /* the last two lines */
{
    size_t len = strlen(log_text);
    unsigned newlines = 0;
    while (len > 0 && newlines < 3)
        if (log_text[--len] == '\n')
            newlines++;
    return log_text + len;
}
/* The file descriptor of a module's BTF, as a loader finds it: by walking the ids. */
static int btf_fd(const char *name)
{
    union wide attr = {{0}};
    for (uint32_t id = 0;;) {
        memset(&attr, 0, sizeof attr);
        attr.id.id = id;
        if (bpf(CMD_BTF_GET_NEXT_ID, &attr, 16))
            return -1;
        id = attr.id.next_id;
        memset(&attr, 0, sizeof attr);
        attr.id.id = id;
        int fd = bpf(CMD_BTF_GET_FD_BY_ID, &attr, 16);
        if (fd < 0)
            continue;
        char found[64] = "";
        struct {
            uint64_t btf;
            uint32_t size, id;
            uint64_t name;
            uint32_t name_len, kernel_btf;
        } info = {.name = (uintptr_t)found, .name_len = sizeof found};
        memset(&attr, 0, sizeof attr);
        attr.info.fd = fd, attr.info.len = sizeof info, attr.info.info = (uintptr_t)&info;
        if (!bpf(CMD_OBJ_GET_INFO_BY_FD, &attr, 16) && info.kernel_btf && !strcmp(found, name))
            return fd;
        close(fd);
    }
}

struct program {
    struct bpf_insn insns[32];
    unsigned count;
    union wide attr;
};
static void emit(struct program *p, uint8_t code, unsigned dst, unsigned src, int16_t off, int32_t imm)
{
    p->insns[p->count++] = (struct bpf_insn){.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm};
}
#define MOV_REG(d, s) emit(p, BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define MOV_IMM(d, i) emit(p, BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD_IMM(d, i) emit(p, BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) emit(p, BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, s, o) emit(p, BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_IMM(size, d, o, i) emit(p, BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define KFUNC(id) emit(p, BPF_JMP | BPF_CALL, 0, PSEUDO_KFUNC_CALL, 1, id)
#define EXIT() emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int load_program(struct program *p, unsigned type)
{
    p->attr.prog.type = type;
    p->attr.prog.insns = (uintptr_t)p->insns, p->attr.prog.insn_cnt = p->count;
    p->attr.prog.license = (uintptr_t) "GPL";
    p->attr.prog.log_level = 1, p->attr.prog.log_buf = (uintptr_t)log_text, p->attr.prog.log_size = LOG_SIZE;
    log_text[0] = 0;
    return bpf(CMD_PROG_LOAD, &p->attr, SIZE_OF(prog));
}

/* --- modules ---------------------------------------------------------------------------------------------------------- */

static int log_fd = -1; /* /dev/kmsg, at what was not read yet */

/* Whether the log, since it was asked last, holds a line with both strings. */
static int log_has(const char *a, const char *b)
{
    char line[8192];
    int found = 0;
    for (;;) {
        ssize_t len = read(log_fd, line, sizeof line - 1);
        if (len < 0 && errno == EPIPE)
            continue;
        if (len <= 0)
            return found;
        line[len] = 0;
        if (strstr(line, a) && strstr(line, b))
            found = 1;
    }
}
static void do_module(const char *name, int expected)
{
    char path[200], sysfs[200], what[200], in_brackets[100];
    snprintf(what, sizeof what, "module %s", name);
    snprintf(path, sizeof path, "/m/%s.ko", name);
    snprintf(sysfs, sizeof sysfs, "/sys/kernel/btf/%s", name);
    snprintf(in_brackets, sizeof in_brackets, "[%s]", name);
    log_has("", "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return result(0, what, "%s: %s", path, strerror(errno));
    int error = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
    close(fd);
    if (error != expected)
        return result(0, what, "loads with \"%s\", expected \"%s\"", strerror(error), strerror(expected));
    if (expected) {
        /* The kernel reads a module's BTF before it calls the init function, and with initcall_debug it says when it does. */
        if (!log_has("calling ", in_brackets))
            return result(0, what, "refused (%s) before its init was called", strerror(error));
        return result(1, what, "its BTF was taken, its init then says \"%s\", as expected", strerror(error));
    }
    snprintf(path, sizeof path, "/m/%s.btf", name);
    struct blob file = slurp(path), shown = slurp(sysfs);
    if (!shown.data)
        result(0, what, "loads, but there is no %s", sysfs);
    else if (!same(file, shown))
        result(0, what, "%s (%zu bytes) is not the file's .BTF (%zu bytes)", sysfs, shown.len, file.len);
    else
        result(1, what, "%zu bytes of BTF", shown.len);
    free(file.data);
    free(shown.data);
}
/* Numbers of types and strings go on from base to module: one after the other they are one valid BTF. */
static struct blob joined(struct blob own)
{
    const struct header *a = base->header, *b = (void *)own.data;
    struct blob out = {NULL, sizeof *a + a->type_len + b->type_len + a->str_len + b->str_len};
    struct header h = {.magic = 0xeb9f, .version = 1, .hdr_len = sizeof h, .type_len = a->type_len + b->type_len,
                       .str_off = a->type_len + b->type_len, .str_len = a->str_len + b->str_len};
    uint8_t *to = out.data = malloc(out.len);
    to = mempcpy(to, &h, sizeof h);
    to = mempcpy(to, base->blob.data + a->hdr_len + a->type_off, a->type_len);
    to = mempcpy(to, own.data + b->hdr_len + b->type_off, b->type_len);
    to = mempcpy(to, base->blob.data + a->hdr_len + a->str_off, a->str_len);
    mempcpy(to, own.data + b->hdr_len + b->str_off, b->str_len);
    return out;
}
static void take_btf(const char *what, struct blob blob, const char *taken)
{
    int fd = load_btf(blob.data, blob.len, 0);
    if (fd < 0) {
        int error = errno;
        load_btf(blob.data, blob.len, 1); /* for its log, as far as that has room */
        result(0, what, "%s: %s", strerror(error), log_tail());
    } else {
        result(1, what, "%s, %zu bytes", taken, blob.len);
        close(fd);
    }
}
static void do_resolve(const char *name)
{
    char path[200], what[200];
    snprintf(what, sizeof what, "references of %s", name);
    snprintf(path, sizeof path, "/m/%s.btf", name);
    struct blob own = slurp(path);
    if (!own.data || own.len < sizeof(struct header))
        return result(0, what, "no %s", path);
    struct blob all = joined(own);
    take_btf(what, all, "all resolved");
    free(all.data);
    free(own.data);
}
static void do_btf(const char *name, const char *path)
{
    char what[200];
    snprintf(what, sizeof what, "BPF_BTF_LOAD of %s", name);
    struct blob blob = slurp(path);
    take_btf(what, blob, "taken");
    /* A byte that is wrong: the last type's kind. */
    struct btf *btf = parse(blob, NULL);
    if (!btf)
        return result(0, what, "not BTF");
    ((struct type *)btf->types[btf->count - 1])->info |= 31u << 24;
    int fd = load_btf(blob.data, blob.len, 0);
    result(fd < 0 && errno == EINVAL, "BPF_BTF_LOAD of the same with a wrong byte", "%s", fd < 0 ? strerror(errno) : "taken!");
    close(fd);
    free(blob.data);
}

/* --- programs --------------------------------------------------------------------------------------------------------- */

static const struct { unsigned type, attach; const char *name, *ops; } program_types[] = {
    {BPF_PROG_TYPE_SCHED_CLS, 0, "tc", NULL},
    {BPF_PROG_TYPE_XDP, 0, "xdp", NULL},
    {BPF_PROG_TYPE_STRUCT_OPS, 0, "struct_ops", "tcp_congestion_ops"},
    {BPF_PROG_TYPE_SYSCALL, 0, "syscall", NULL}, /* sleepable */
};

/* 1: callable; 0: not allowed; -1: something else is wrong. */
static int try_kfunc(unsigned which, int fd, uint32_t id, const char *name)
{
    struct program program = {.count = 0}, *p = &program;
    char call[200];
    int fds[2] = {0, fd}, index = 0;
    for (unsigned r = 2; r <= 5; r++)
        MOV_IMM(r, 0);
    KFUNC(id);
    MOV_IMM(0, 0);
    EXIT();
    p->attr.prog.fd_array = (uintptr_t)fds;
    p->attr.prog.expected_attach_type = program_types[which].attach;
    p->attr.prog.flags = program_types[which].type == BPF_PROG_TYPE_SYSCALL ? 1 << 4 /* BPF_F_SLEEPABLE */ : 0;
    if (program_types[which].ops) {
        uint32_t ops = find(base, K_STRUCT, program_types[which].ops);
        member(base, ops, "cong_avoid", NULL, &index);
        p->attr.prog.attach_btf_id = ops, p->attr.prog.expected_attach_type = index;
    }
    int prog = load_program(p, program_types[which].type);
    if (prog >= 0) {
        close(prog);
        return 1;
    }
    /* The verifier came to the call, and complains at most about what is passed. */
    snprintf(call, sizeof call, "call %s#", name);
    if (!strstr(log_text, call))
        return -1;
    return !strstr(log_text, "is not allowed");
}
static void do_kfuncs(const char *name, unsigned minimum)
{
    char what[200], by[600] = "";
    snprintf(what, sizeof what, "kfuncs of %s", name);
    struct btf *btf = module_btf(name);
    int fd = btf_fd(name);
    if (!btf || fd < 0)
        return result(0, what, "no BTF of it in the kernel");
    unsigned count = 0, counts[sizeof program_types / sizeof *program_types] = {0};
    for (uint32_t i = 0; i < btf->count; i++) {
        const struct type *tag = btf->types[i];
        if (kind(tag) != K_DECL_TAG || strcmp(string_of(btf, tag->name_off), "bpf_kfunc"))
            continue;
        const struct type *func = type_of(btf, tag->size_or_type);
        if (!func || kind(func) != K_FUNC)
            return result(0, what, "a bpf_kfunc tag is not at a function");
        const char *kfunc = string_of(btf, func->name_off);
        int callable = 0;
        for (unsigned which = 0; which < sizeof program_types / sizeof *program_types && callable != 1; which++) {
            callable = try_kfunc(which, fd, tag->size_or_type, kfunc);
            if (callable == 1)
                counts[which]++;
        }
        if (callable != 1)
            return result(0, what, "%s: %s", kfunc, log_tail());
        count++;
    }
    for (unsigned which = 0; which < sizeof program_types / sizeof *program_types; which++)
        if (counts[which])
            snprintf(by + strlen(by), sizeof by - strlen(by), ", %u by %s", counts[which], program_types[which].name);
    /* The same question must be answered with no for a function that is none. */
    for (uint32_t i = 0; i < btf->count; i++) {
        if (kind(btf->types[i]) != K_FUNC)
            continue;
        int tagged = 0;
        for (uint32_t j = 0; j < btf->count; j++)
            tagged |= kind(btf->types[j]) == K_DECL_TAG && btf->types[j]->size_or_type == btf->start_id + i;
        if (tagged)
            continue;
        if (try_kfunc(0, fd, btf->start_id + i, string_of(btf, btf->types[i]->name_off)) == 1)
            return result(0, what, "%s is no kfunc and can be called", string_of(btf, btf->types[i]->name_off));
        break;
    }
    result(count >= minimum, what, "%u of at least %u%s", count, minimum, by);
    close(fd);
}
static int look_up(const struct btf *btf, int fd, int give_back)
{
    struct program program = {.count = 0}, *p = &program;
    int fds[2] = {0, fd};
    MOV_REG(2, 10);
    ADD_IMM(2, -16);
    STORE_IMM(BPF_DW, 2, 0, 0);
    STORE_IMM(BPF_DW, 2, 8, 0);
    MOV_IMM(3, 12); /* an IPv4 tuple */
    MOV_REG(4, 10);
    ADD_IMM(4, -32);
    STORE_IMM(BPF_DW, 4, 0, 0);
    STORE_IMM(BPF_DW, 4, 8, 0);
    MOV_IMM(5, 12); /* struct bpf_ct_opts */
    KFUNC(find(btf, K_FUNC, "bpf_skb_ct_lookup"));
    if (give_back) {
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0);
        MOV_REG(1, 0);
        KFUNC(find(btf, K_FUNC, "bpf_ct_release"));
    }
    MOV_IMM(0, 0);
    EXIT();
    p->attr.prog.fd_array = (uintptr_t)fds;
    return load_program(p, BPF_PROG_TYPE_SCHED_CLS);
}
static void do_conntrack(void)
{
    const char *what = "a tc program that calls bpf_skb_ct_lookup of nf_conntrack";
    struct btf *btf = module_btf("nf_conntrack");
    int fd = btf_fd("nf_conntrack");
    if (!btf || fd < 0)
        return result(0, what, "no BTF of nf_conntrack");
    int prog = look_up(btf, fd, 1);
    if (prog < 0)
        return result(0, what, "%s: %s", strerror(errno), log_tail());
    close(prog);
    prog = look_up(btf, fd, 0);
    if (prog >= 0)
        return result(0, what, "passes the verifier even without bpf_ct_release: KF_ACQUIRE is lost");
    if (!strstr(log_text, "Unreleased reference"))
        return result(0, what, "without bpf_ct_release it should be an unreleased reference, is: %s", log_tail());
    result(1, what, "passes the verifier, and without bpf_ct_release it does not");
}
static void do_fou(void)
{
    const char *what = "a tc program that calls bpf_skb_get_fou_encap of fou";
    struct btf *btf = module_btf("fou");
    int fds[2] = {0, btf_fd("fou")};
    if (!btf || fds[1] < 0)
        return result(0, what, "no BTF of fou");
    struct program program = {.count = 0}, *p = &program;
    MOV_REG(2, 10);
    ADD_IMM(2, -8);
    STORE_IMM(BPF_DW, 2, 0, 0);
    KFUNC(find(btf, K_FUNC, "bpf_skb_get_fou_encap"));
    MOV_IMM(0, 0);
    EXIT();
    p->attr.prog.fd_array = (uintptr_t)fds;
    int prog = load_program(p, BPF_PROG_TYPE_SCHED_CLS);
    if (prog < 0)
        return result(0, what, "%s: %s", strerror(errno), log_tail());
    result(1, what, "passes the verifier");
    close(prog);
}

/* A program at a function of af_key that stores one number from its arguments; returns the map. */
static int attach(const char *what, const struct btf *btf, int fd, const char *func, unsigned argument, int field)
{
    union wide attr = {{0}};
    attr.map.type = BPF_MAP_TYPE_ARRAY, attr.map.key_size = 4, attr.map.value_size = 8, attr.map.entries = 1;
    int map = bpf(CMD_MAP_CREATE, &attr, 64);
    uint32_t id = find(btf, K_FUNC, func);
    if (map < 0 || !id) {
        result(0, what, id ? "no map: %s" : "no function %s%s", id ? strerror(errno) : func, "");
        return -1;
    }
    struct program program = {.count = 0}, *p = &program;
    LOAD(BPF_DW, 6, 1, 8 * argument);
    if (field >= 0)
        LOAD(BPF_W, 6, 6, field); /* the verifier checks by the BTF that there is such a field */
    STORE_IMM(BPF_W, 10, -4, 0);
    MOV_REG(2, 10);
    ADD_IMM(2, -4);
    emit(p, BPF_LD | BPF_DW | BPF_IMM, 1, PSEUDO_MAP_FD, 0, map);
    emit(p, 0, 0, 0, 0, 0);
    emit(p, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1, 0);
    STORE(BPF_DW, 0, 6, 0);
    MOV_IMM(0, 0);
    EXIT();
    p->attr.prog.expected_attach_type = BPF_TRACE_FENTRY;
    p->attr.prog.attach_btf_id = id, p->attr.prog.attach_btf_obj_fd = fd;
    int prog = load_program(p, BPF_PROG_TYPE_TRACING);
    if (prog < 0) {
        result(0, what, "BPF_PROG_LOAD: %s: %s", strerror(errno), log_tail());
        return -1;
    }
    memset(&attr, 0, sizeof attr);
    attr.link.prog_fd = prog, attr.link.attach_type = BPF_TRACE_FENTRY;
    if (bpf(CMD_LINK_CREATE, &attr, 64) < 0) {
        result(0, what, "BPF_LINK_CREATE: %s", strerror(errno));
        return -1;
    }
    return map;
}
static uint64_t value(int map)
{
    union wide attr = {{0}};
    uint32_t key = 0;
    uint64_t number = 0;
    attr.element.fd = map, attr.element.key = (uintptr_t)&key, attr.element.value = (uintptr_t)&number;
    bpf(CMD_MAP_LOOKUP, &attr, 32);
    return number;
}
static void do_fentry(void)
{
    const char *creates = "fentry at pfkey_create of af_key", *dumps = "fentry at pfkey_do_dump of af_key";
    struct btf *btf = module_btf("af_key");
    int fd = btf_fd("af_key");
    if (!btf || fd < 0)
        return result(0, creates, "no BTF of af_key");
    uint32_t sock = find(btf, K_STRUCT, "pfkey_sock"), dump = 0;
    int outer = member(btf, sock, "dump", &dump, NULL), inner = member(btf, dump, "msg_portid", NULL, NULL);
    int created = attach(creates, btf, fd, "pfkey_create", 2, -1);
    int dumped = outer < 0 || inner < 0 ? -1 : attach(dumps, btf, fd, "pfkey_do_dump", 0, (outer + inner) / 8);
    if (outer < 0 || inner < 0)
        result(0, dumps, "no pfkey_sock.dump.msg_portid");
    int s = socket(AF_KEY, SOCK_RAW, 2 /* PF_KEY_V2 */);
    if (s < 0)
        return result(0, creates, "socket: %s", strerror(errno));
    if (created >= 0)
        result(value(created) == 2, creates, "its argument `protocol` was %llu", (unsigned long long)value(created));
    struct {
        uint8_t version, type, error, satype;
        uint16_t len, reserved;
        uint32_t seq, pid;
    } message = {2, 10 /* SADB_DUMP */, 0, 0, sizeof message / 8, 0, 1, 471147};
    if (write(s, &message, sizeof message) != sizeof message)
        return result(0, dumps, "write: %s", strerror(errno));
    if (dumped >= 0)
        result(value(dumped) == 471147, dumps, "pfkey_sock.dump.msg_portid, of the module alone, was %llu",
               (unsigned long long)value(dumped));
    close(s);
}

/* --- damage ----------------------------------------------------------------------------------------------------------- */

static struct blob section(struct blob elf, const char *name)
{
    struct blob none = {NULL, 0};
    if (elf.len < sizeof(Elf64_Ehdr))
        return none;
    Elf64_Ehdr *h = (void *)elf.data;
    Elf64_Shdr *s = (void *)(elf.data + h->e_shoff);
    const char *names = (char *)elf.data + s[h->e_shstrndx].sh_offset;
    for (unsigned i = 0; i < h->e_shnum; i++)
        if (!strcmp(names + s[i].sh_name, name))
            return (struct blob){elf.data + s[i].sh_offset, s[i].sh_size};
    return none;
}
static const struct {
    const char *name;
    int by_resolving; /* insmod does not follow references */
} damages[] = {{"wrong magic", 0}, {"unknown kind", 0}, {"name beyond the strings", 0}, {"types cut off", 0},
               {"last string not ended", 0}, {"reference to a type that is not there", 1}, {"function without prototype", 1}};

static int damage(unsigned which, struct blob own) /* 0 if that cannot be done to this BTF */
{
    struct btf *btf = parse(own, base);
    struct header *h = (void *)own.data;
    struct type *first = btf && btf->count ? (void *)btf->types[0] : NULL;
    if (!first)
        return 0;
    switch (which) {
    case 0: h->magic ^= 1; return 1;
    case 1: first->info |= 31u << 24; return 1;
    case 2: first->name_off = btf->start_str + h->str_len; return 1;
    case 3: h->type_len -= 4; return 1;
    case 4: own.data[h->hdr_len + h->str_off + h->str_len - 1] = 'x'; return 1;
    }
    for (uint32_t i = 0; i < btf->count; i++) {
        struct type *t = (void *)btf->types[i];
        if (which == 5 && (kind(t) == K_PTR || kind(t) == K_FUNC_PROTO))
            return t->size_or_type = btf->start_id + btf->count + 7, 1;
        if (which == 6 && kind(t) == K_FUNC)
            return t->size_or_type = find(base, K_STRUCT, "task_struct"), 1;
    }
    return 0;
}
static void do_corrupt(const char *name)
{
    char path[200], what[200];
    snprintf(path, sizeof path, "/m/%s.ko", name);
    kernel_says("btfgen-test: damaged BTF from here on");
    for (unsigned which = 0; which < sizeof damages / sizeof *damages; which++) {
        struct blob elf = slurp(path), own = section(elf, ".BTF");
        snprintf(what, sizeof what, "refused: %s with %s", name, damages[which].name);
        if (!own.data || !damage(which, own)) {
            result(0, what, "the damage cannot be done");
        } else if (damages[which].by_resolving) {
            struct blob all = joined(own);
            int fd = load_btf(all.data, all.len, 0);
            free(all.data);
            result(fd < 0 && errno == EINVAL, what, "BPF_BTF_LOAD: %s", fd < 0 ? strerror(errno) : "taken!");
            close(fd);
        } else {
            int error = syscall(SYS_init_module, elf.data, elf.len, "") ? errno : 0;
            result(error == EINVAL, what, "insmod: %s", error ? strerror(error) : "loaded!");
            if (!error)
                syscall(SYS_delete_module, name, O_NONBLOCK);
        }
        free(elf.data);
    }
    do_module(name, 0);
}

/* --- questions, for scripts/test-verify.sh --------------------------------------------------------------------------- */

static void escaped(const char *text, size_t len) /* in one line, without tabs */
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\t')
            fputs("\\t", report);
        else if (text[i] == '\\' || text[i] < ' ' || text[i] > '~')
            fprintf(report, "\\x%02x", (unsigned char)text[i]);
        else
            fputc(text[i], report);
}
static int no_dot(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void answer_blob(const char *name, struct blob blob)
{
    int fd = load_btf(blob.data, blob.len, 0), error = fd < 0 ? errno : 0;
    fprintf(report, "blob\t%s\t%d\t", name, error);
    if (fd >= 0) {
        close(fd);
        fputs("\t\n", report);
        return;
    }
    /* Once more for the log, whose end is kept. */
    fd = load_btf(blob.data, blob.len, 1);
    if (fd >= 0)
        close(fd);
    size_t len = strnlen(log_text, LOG_SIZE);
    while (len > 0 && log_text[len - 1] == '\n')
        len--;
    size_t last = len, type;
    while (last > 0 && log_text[last - 1] != '\n')
        last--;
    for (type = last; type > 0 && log_text[type] != '[';)
        for (type--; type > 0 && log_text[type - 1] != '\n';)
            type--;
    escaped(log_text + type, strchrnul(log_text + type, '\n') - (log_text + type));
    fputc('\t', report);
    escaped(log_text + last, len - last);
    fputc('\n', report);
}
static void answer_module(const char *name, struct blob elf)
{
    static char line[8192], said[1 << 16];
    size_t len = 0;
    log_has("", "");
    int error = syscall(SYS_init_module, elf.data, elf.len, "") ? errno : 0;
    for (;;) {
        ssize_t got = read(log_fd, line, sizeof line - 1);
        if (got < 0 && errno == EPIPE)
            continue;
        if (got <= 0)
            break;
        line[got] = 0;
        /* The kernel prints a line of its BTF verifier piece by piece. */
        char *text = strchrnul(line, ';'), *end = strchrnul(text, '\n');
        if (!strncmp(text, ";BPF: ", 6) && len + (end - text) < sizeof said) {
            memcpy(said + len, text + 6, end - text - 6);
            len += end - text - 6;
        }
    }
    fprintf(report, "insmod\t%s\t%d\t", name, error);
    escaped(said, len);
    fputc('\n', report);
    if (error)
        return;
    struct blob info = section(elf, ".gnu.linkonce.this_module");
    if (info.data)
        syscall(SYS_delete_module, (char *)info.data + 24, O_NONBLOCK); /* struct module: state, list, name */
}
static void do_all(const char *dir, void (*answer)(const char *, struct blob))
{
    struct dirent **entries;
    int count = scandir(dir, &entries, no_dot, alphasort);
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        struct blob blob = slurp(path);
        answer(entries[i]->d_name, blob);
        free(blob.data);
        lines++;
    }
    fflush(report);
}

/* --- the plan --------------------------------------------------------------------------------------------------------- */

int main(void)
{
    char line[400], word[4][150];
    mkdir("/dev", 0755), mkdir("/proc", 0755), mkdir("/sys", 0755);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    int fd = open("/dev/ttyS1", O_WRONLY | O_NOCTTY);
    struct termios raw;
    tcgetattr(fd, &raw);
    cfmakeraw(&raw);
    tcsetattr(fd, TCSANOW, &raw);
    report = fdopen(fd, "w");
    FILE *plan = fopen("/plan", "r");
    log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    base = parse(slurp("/sys/kernel/btf/vmlinux"), NULL);
    if (!base)
        result(0, "/sys/kernel/btf/vmlinux", "not there or not read");
    while (base && plan && fgets(line, sizeof line, plan)) {
        int words = sscanf(line, "%149s %149s %149s %149s", word[0], word[1], word[2], word[3]);
        const char *verb = word[0];
        if (words == 2 && !strcmp(verb, "base")) {
            struct blob file = slurp(word[1]);
            result(same(base->blob, file), "the running kernel's BTF is the base", "%zu and %zu bytes", base->blob.len, file.len);
        } else if (words == 3 && !strcmp(verb, "btf")) {
            do_btf(word[1], word[2]);
        } else if (words >= 2 && !strcmp(verb, "module")) {
            do_module(word[1], words > 2 ? atoi(word[2]) : 0);
        } else if (words == 2 && !strcmp(verb, "resolve")) {
            do_resolve(word[1]);
        } else if (words == 3 && !strcmp(verb, "kfuncs")) {
            do_kfuncs(word[1], atoi(word[2]));
        } else if (words == 1 && !strcmp(verb, "conntrack")) {
            do_conntrack();
        } else if (words == 1 && !strcmp(verb, "fou")) {
            do_fou();
        } else if (words == 1 && !strcmp(verb, "fentry")) {
            do_fentry();
        } else if (words == 2 && !strcmp(verb, "corrupt")) {
            do_corrupt(word[1]);
        } else if (words == 2 && !strcmp(verb, "blobs")) {
            do_all(word[1], answer_blob);
        } else if (words == 2 && !strcmp(verb, "modules")) {
            do_all(word[1], answer_module);
        } else if (words > 0) {
            result(0, line, "not understood");
        }
    }
    fprintf(report, "end\t%u\n", lines);
    fflush(report);
    tcdrain(fd);
    sync();
    reboot(RB_AUTOBOOT); /* ends the emulator, which runs with -no-reboot, and needs no ACPI */
    for (;;)
        pause();
}
