// The original has the name alone; that there is a clone besides changes nothing about it.
// cc: gcc
// opt: -O2
// link: rel
// expect: FUNC work(k: int, v: int) -> int
// count: FUNC work 1
extern int sink(int, int);
__attribute__((noinline)) int work(int k, int v) {
    int r = 0;
    for (int i = 0; i < v; i++) r += sink(k, i) ^ sink(r, k);
    return r;
}
int user(int v) { return work(5, v) + work(5, v + 2) + work(5, v * 2); }
