// The original has the name alone; that there is a clone besides changes nothing about it. Under its full name the clone is there, too.
// cc: gcc - clang makes no such clones
// opt: -O2 - the optimiser does it
// cflags: -fipa-cp-clone --param ipa-cp-eval-threshold=1 --param ipa-cp-unit-growth=1000
// link: rel
// expect: FUNC work(k: int, v: int) -> int
// count: FUNC work 1
// args: --btf_features=+true_signature
// expect: FUNC work(k: int, v: int) -> int
// expect: FUNC work.constprop.0(v: int) -> int
extern int sink(int, int);
__attribute__((noinline)) int work(int k, int v) {
    int r = 0;
    for (int i = 0; i < v; i++) r += sink(k, i) ^ sink(r, k);
    return r;
}
int user(int v) { return work(5, v) + work(5, v + 2) + work(5, v * 2); }
