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
datadir = $(PREFIX)/share
docdir = $(datadir)/doc/btfgen
# Debian's packages have theirs in /usr/share/zsh/vendor-completions.
ZSHDIR ?= $(datadir)/zsh/site-functions
target = $(or $(CARGO_TARGET_DIR),target)
# An absolute path, since the scripts change folders.
export BTFGEN = $(abspath $(target))/release/btfgen
# Manual pages and completions, as below /usr/share; written by the program itself.
share = $(abspath $(target))/share
programs = btfgen btfgen-pahole btfgen-resolve_btfids

.PHONY: all build deb test-deb test-report uninstall check demo test test-cases test-kernel test-boot test-verify test-kbuild test-resolve test-oneshot test-sources test-archive test-dump test-inspect test-faults coverage growth mutations fuzz sanitize properties compare bench deny static package doc clean install help

all: build

build:
	@scripts/setup.sh build
	$(CARGO) build --release --locked
	@rm -rf $(share)
	$(BTFGEN) generate $(share)

# Formatting, lints, and the scripts' syntax.
check:
	@scripts/setup.sh check
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@for script in scripts/*.sh contrib/archive/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck -x scripts/*.sh contrib/archive/*.sh .ci/run; else echo "shellcheck is not here: skipped"; fi

# btfgen on a small stand-in kernel and a module; see kernel-fixtures/.
demo:
	@scripts/setup.sh test
	$(CARGO) build --release --locked
	@scripts/demo.sh

# Everything that needs no download.
test:
	@scripts/setup.sh test
	$(CARGO) test --workspace --locked

# The C cases beside the reference encoder.
test-cases:
	@scripts/setup.sh test
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	@scripts/test-cases.sh

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

# stats, diff, why and merge on real kernels, beside gdb and btfmin.py.
test-inspect:
	@scripts/setup.sh kernel
	$(CARGO) build --release --locked
	@scripts/test-inspect.sh

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

# The workflow of contrib/archive: three kernels, killed and resumed, and packages with all sorts of faults. SMALL=1: without the kernels.
test-archive:
	@scripts/setup.sh archive
	$(CARGO) build --release --locked
	@scripts/test-archive.sh

# `btfgen dump` beside bpftool; its C headers beside DWARF, as gcc and clang lay them out. KERNELS=7.3: not of all three.
test-dump:
	@scripts/setup.sh dump
	$(CARGO) build --release --locked
	$(CARGO) build --release --locked -p btfgen-dwarf --example layouts
	@LAYOUTS=$(abspath $(target))/release/examples/layouts scripts/test-dump.sh $(KERNELS)
	DUMP_FROM=1000 DUMP_ROUNDS=30 $(CARGO) test --locked -p btfgen --test dump random

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

# What crates.io would get, built from the packages themselves.
package:
	@scripts/setup.sh build
	$(CARGO) package --workspace --exclude btfgen-mutate --locked

doc:
	@scripts/setup.sh build
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

clean:
	$(CARGO) clean

# Does not build, so that it can run as another user than `make`. The links are for Kbuild: PAHOLE=$(bindir)/btfgen-pahole and
# RESOLVE_BTFIDS=$(bindir)/btfgen-resolve_btfids.
install:
	@test -x $(BTFGEN) && test -d $(share) || { echo "run make first"; exit 1; }
	$(INSTALL) -D -m 755 $(BTFGEN) $(DESTDIR)$(bindir)/btfgen
	ln -sf btfgen $(DESTDIR)$(bindir)/btfgen-pahole
	ln -sf btfgen $(DESTDIR)$(bindir)/btfgen-resolve_btfids
	$(INSTALL) -d $(DESTDIR)$(docdir)/docs
	$(INSTALL) -m 644 docs/*.md $(DESTDIR)$(docdir)/docs
	$(INSTALL) -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(DESTDIR)$(docdir)
	$(INSTALL) -d $(DESTDIR)$(datadir)/man/man1 $(DESTDIR)$(datadir)/bash-completion/completions $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(datadir)/fish/vendor_completions.d
	$(INSTALL) -m 644 $(share)/man/man1/* $(DESTDIR)$(datadir)/man/man1
	$(INSTALL) -m 644 $(share)/bash-completion/completions/* $(DESTDIR)$(datadir)/bash-completion/completions
	$(INSTALL) -m 644 $(share)/zsh/site-functions/* $(DESTDIR)$(ZSHDIR)
	$(INSTALL) -m 644 $(share)/fish/vendor_completions.d/* $(DESTDIR)$(datadir)/fish/vendor_completions.d

# What `make install` with the same PREFIX and DESTDIR has put there; folders stay, which others may use.
uninstall:
	rm -f $(DESTDIR)$(bindir)/btfgen $(DESTDIR)$(bindir)/btfgen-pahole $(DESTDIR)$(bindir)/btfgen-resolve_btfids
	rm -f $(DESTDIR)$(datadir)/man/man1/btfgen.1 $(DESTDIR)$(datadir)/man/man1/btfgen-*.1
	rm -f $(addprefix $(DESTDIR)$(datadir)/bash-completion/completions/,$(programs)) $(addprefix $(DESTDIR)$(ZSHDIR)/_,$(programs))
	rm -f $(addsuffix .fish,$(addprefix $(DESTDIR)$(datadir)/fish/vendor_completions.d/,$(programs)))
	rm -rf $(DESTDIR)$(docdir)

# The page of `btfgen report` for that kernel, in a headless Chromium.
test-report:
	@scripts/setup.sh report
	$(CARGO) build --release --locked
	@KERNEL=$(KERNEL) scripts/test-report.sh

# A package for this machine's Debian or Ubuntu, in $(target)/debian.
deb: build
	@scripts/setup.sh deb
	@scripts/make-deb.sh $(target)/debian

# That package, linted, installed, run and removed in a small Debian of its own.
test-deb: build
	@scripts/setup.sh test-deb
	@scripts/test-deb.sh

help:
	@echo "make            build target/release/btfgen"
	@echo "make demo       see it at work on a small kernel and a module"
	@echo "make test       all tests that need no download"
	@echo "make test-kernel KERNEL=7.3|6.12|6.1   a real kernel and its modules against the reference encoder"
	@echo "make test-kernel ARCH=s390x|arm64|armhf [SMALL=1]   the same of another architecture"
	@echo "make test-boot                          real kernels, emulated, with BTF by btfgen"
	@echo "make test-verify                        such a kernel and btfgen verify say the same of damaged BTF"
	@echo "make test-inspect                       stats, diff, why and merge beside gdb and btfmin.py"
	@echo "make test-kbuild                        modules, and kernels, built with btfgen by the Kbuild of 6.1, 6.12 and 7.3"
	@echo "make test-resolve                       resolve_btfids against the kernel's own"
	@echo "make test-report                        the page of btfgen report in a headless browser"
	@echo "make test-oneshot                       all modules in place in one step, with .BTF_ids"
	@echo "make test-archive [SMALL=1]             the workflow of contrib/archive: killed, resumed, faulty packages"
	@echo "make test-dump                          dump against bpftool, and its C headers against DWARF"
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
	@echo "make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)     make uninstall"
	@echo "make deb        a Debian package     make test-deb   that package, installed and run"
