# What a packager or a newcomer types. Each target sees to what it needs (scripts/setup.sh); downloads for tests go to
# $(BTFGEN_CACHE), by default ~/.cache/btfgen, never into the tree.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
INSTALL ?= install
# For test-kernel, compare and bench: 6.1, 6.12 or 7.3. test-kernel takes those of other architectures: arm64, armhf, s390x, ...; of some
# of them Debian's stable release has the older ones only.
ARCH ?= amd64
KERNEL ?= $(if $(filter armhf i386 s390x,$(ARCH)),6.1,7.3)

bindir = $(PREFIX)/bin
docdir = $(PREFIX)/share/doc/btfgen
target = $(or $(CARGO_TARGET_DIR),target)
# An absolute path, since the scripts change folders.
export BTFGEN = $(abspath $(target))/release/btfgen

.PHONY: all build check demo test test-kernel test-boot test-verify test-kbuild test-resolve test-oneshot test-sources test-faults coverage growth mutations fuzz sanitize properties compare bench deny static doc clean install help

all: build

build:
	@scripts/setup.sh build
	$(CARGO) build --release --locked

# Formatting, lints, and the scripts' syntax.
check:
	@scripts/setup.sh check
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@for script in scripts/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck -x scripts/*.sh .ci/run; else echo "shellcheck is not here: skipped"; fi

# btfgen on a small stand-in kernel and a module; see kernel-fixtures/.
demo:
	@scripts/setup.sh test
	$(CARGO) build --release --locked
	@scripts/demo.sh

# Everything that needs no download.
test:
	@scripts/setup.sh test
	$(CARGO) test --workspace --locked

# A real Debian kernel and all its modules against the reference encoder; SMALL=1: three of its modules.
test-kernel:
	@scripts/setup.sh kernel $(ARCH)
	$(CARGO) build --release --locked
	@scripts/test-kernel.sh $(KERNEL) $(ARCH)

# A real kernel, in an emulator, takes what btfgen made of its modules.
test-boot:
	@scripts/setup.sh boot
	$(CARGO) build --release --locked
	@scripts/test-boot.sh

# The same kernel and `btfgen verify` say the same of thousands of damaged BTFs.
test-verify:
	@scripts/setup.sh boot
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked -p btfgen-mutate --example corpus
	@CORPUS=$(abspath $(target))/release/examples/corpus scripts/test-verify.sh

# Modules and whole kernels built by Kbuild with btfgen. SMALL=1 compiles no kernel but 7.3.
test-kbuild:
	@scripts/setup.sh kbuild
	$(CARGO) build --release --locked
	@scripts/test-kbuild.sh

# `btfgen resolve_btfids` beside the kernel's own, on real modules; RESOLVE=all or a list of names for others than a dozen.
test-resolve:
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	@KERNEL=$(KERNEL) scripts/test-resolve.sh $(RESOLVE)

# All modules in place, in one step, ids and all.
test-oneshot:
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	@KERNEL=$(KERNEL) scripts/test-oneshot.sh

# The same kernel with its DWARF compressed, in a file of its own, and made smaller by dwz.
test-sources:
	@scripts/setup.sh sources
	$(CARGO) build --release --locked
	@KERNEL=$(KERNEL) scripts/test-sources.sh

# kill -9, errors of each system call, full disks, others that write to what is read. FAULTS="small inject": less, and parts of it.
test-faults:
	@scripts/setup.sh faults
	$(CARGO) bench --locked --bench faults -- $(FAULTS)

# Which lines of btf, dwarf and encoder `make test` executes; fails below 90 %.
coverage:
	@scripts/setup.sh coverage
	@scripts/coverage.sh

# How time and memory grow with the input; with the kernel if test-kernel has fetched it. GROWTH=small for a tenth of it.
growth:
	@scripts/setup.sh build
	$(CARGO) bench --locked --bench growth -- $(GROWTH)

# Damaged modules, slices of a kernel and the stand-in kernel, RUNS of them from seed FROM on; CHECKED=1 with checks of overflows.
RUNS ?= 10000
FROM ?= 0
mutations:
	@scripts/setup.sh test
	$(CARGO) bench --locked --bench mutations $(if $(CHECKED),--profile checked) -- $(RUNS) from $(FROM)

# The fuzz targets, each for TIME seconds, or TARGET alone; see the script. New inputs go to target/fuzz/corpus.
TIME ?= 60
fuzz:
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh "$(TARGET)" $(TIME)

# The tests of the unsafe code, and damaged input, with the address sanitizer.
sanitize:
	@scripts/setup.sh test
	@scripts/sanitize.sh

# Random graphs through the deduplication, against the oracle.
GRAPHS ?= 100000
properties:
	@scripts/setup.sh build
	PROPTEST_CASES=$(GRAPHS) $(CARGO) test --release --locked -p btfgen-btf --test dedup properties

# Speed and size beside the reference encoder.
compare:
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	@scripts/compare.sh $(KERNEL)

# The same in full, for docs/performance.md. ROWS="vmlinux xfs", QUICK=1, ROUNDS=9, DOCS=1: see the script.
bench:
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked -p btfgen-dwarf --example bare_walk
	@scripts/bench.sh $(KERNEL)

# What dependencies may be: deny.toml. The advisories need the network: `cargo deny check advisories`.
deny:
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny"; exit 1; }
	$(CARGO) deny --locked check licenses bans sources

# A program that needs no libraries, by default with this machine's C library. TRIPLE=x86_64-unknown-linux-musl where Rust has that target.
TRIPLE ?= $(shell rustc -vV | sed -n 's/^host: //p')
static:
	@scripts/setup.sh build
	RUSTFLAGS="-C target-feature=+crt-static" $(CARGO) build --release --locked --target $(TRIPLE)
	@echo "$(target)/$(TRIPLE)/release/btfgen"

doc:
	@scripts/setup.sh build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

clean:
	$(CARGO) clean

# Does not build, so that it can run as another user than `make`. The links are for Kbuild: PAHOLE=$(bindir)/btfgen-pahole and
# RESOLVE_BTFIDS=$(bindir)/btfgen-resolve_btfids.
install:
	@test -x $(BTFGEN) || { echo "run make first"; exit 1; }
	$(INSTALL) -D -m 755 $(BTFGEN) $(DESTDIR)$(bindir)/btfgen
	ln -sf btfgen $(DESTDIR)$(bindir)/btfgen-pahole
	ln -sf btfgen $(DESTDIR)$(bindir)/btfgen-resolve_btfids
	$(INSTALL) -d $(DESTDIR)$(docdir)
	$(INSTALL) -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(DESTDIR)$(docdir)

help:
	@echo "make            build target/release/btfgen"
	@echo "make demo       see it at work on a small kernel and a module"
	@echo "make test       all tests that need no download"
	@echo "make test-kernel KERNEL=7.3|6.12|6.1   a real kernel and its modules against the reference encoder"
	@echo "make test-kernel ARCH=s390x|arm64|armhf [SMALL=1]   the same of another architecture"
	@echo "make test-boot                          real kernels, emulated, with BTF by btfgen"
	@echo "make test-verify                        such a kernel and btfgen verify say the same of damaged BTF"
	@echo "make test-kbuild                        modules, and kernels, built with btfgen by the Kbuild of 6.1, 6.12 and 7.3"
	@echo "make test-resolve                       resolve_btfids against the kernel's own"
	@echo "make test-oneshot                       all modules in place in one step, with .BTF_ids"
	@echo "make test-faults [FAULTS=small]         kill -9, failing system calls, full disks: no file is lost"
	@echo "make coverage                           lines that make test executes, by crate"
	@echo "make deny                               licences and sources of what is used     make static   no libraries"
	@echo "make compare KERNEL=7.3                 speed and size beside the reference encoder"
	@echo "make bench KERNEL=7.3 [QUICK=1] [ROWS=\"vmlinux xfs\"]   the same in full, writes docs/performance.md"
	@echo "make growth                             how time and memory grow with the input"
	@echo "make mutations [RUNS=200000] [CHECKED=1]   damaged files, in process"
	@echo "make fuzz [TARGET=elf] [TIME=60]        fuzz targets, on the stable toolchain"
	@echo "make sanitize                           the unsafe code with the address sanitizer"
	@echo "make properties [GRAPHS=100000]         random graphs through the deduplication"
	@echo "make check      formatting and lints     make doc    make clean"
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)"
