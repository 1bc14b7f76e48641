// Variables of all sections, each in the DATASEC of its section: not those of functions, of threads, without a place, or made up. A definition's
// own type counts (W20: the reference takes the size of `extern int open[]`), and of two at one place there is one (W19).
// cflags[gcc]: -fno-toplevel-reorder
// cflags[riscv64]: -msmall-data-limit=0
// link: yes
// ldflags: --defsym=__aeabi_read_tp=0
// expect-not: VAR zeroed
// expect: VAR per_cpu: long
// args: --btf_features=global_var
// expect: VAR zeroed: int static
// expect: VAR counter: int global
// expect[gcc]: VAR table: const [3]const int static
// expect[clang]: VAR table: [3]const int static
// expect: VAR open: [4]int global
// expect: VAR per_cpu: long
// expect-not: VAR local
// expect-not: VAR thread
// expect-not: VAR elsewhere
// expect-not: VAR __UNIQUE_ID
// expect: DATASEC .data size=? { counter @? +4; open @? +16
// expect[64]: DATASEC .data..percpu size=8 { per_cpu @0 +8 }
// expect[32]: DATASEC .data..percpu size=4 { per_cpu @0 +4 }
// expect: DATASEC .bss
// count: VAR counter 1
// args: --btf_features=global_var,layout
// expect[64]: DATASEC .data..percpu size=8 { per_cpu @0 +8 }
// expect[32]: DATASEC .data..percpu size=4 { per_cpu @0 +4 }
// args: --btf_features=var --skip_encoding_btf_vars
// expect-not: VAR
// expect-not: DATASEC
extern int elsewhere;
extern int open[];
static int zeroed;
static const int table[3] = { 1, 2, 3 };
int counter = 7;
int open[4] = { 1 };
__thread int thread = 3;
int __UNIQUE_ID_x = 4;
__attribute__((section(".data..percpu"))) long per_cpu = 5;
int use(int i)
{
	static int local = 9;
	return zeroed++ + table[i] + counter + open[i] + per_cpu + local++ + thread;
}
