#!/usr/bin/env python3
"""Measures btfgen beside its peers: wall time, CPU time and peak memory of whole processes.  (plain Python; see bench.sh)

    bench.py SETUP.json --json OUT [--rows "vmlinux xfs"] [--quick] [--rounds N]

SETUP.json says where programs and kernels are (bench.sh writes it). The tools take turns: each round runs every configuration
of a row once, in an order that rotates, after a first round that does not count. Every run must leave an output that is not empty.
OUT gets all samples, for bench_report.py. Rows are in the table ROWS; to add one, write a function that returns its
configurations.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

FEATURES = "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs"
OPTIONS = [f"--btf_features={FEATURES}", "--lang_exclude=rust"]
PEERS = ["pahole 1.32", "pahole 1.30"]
JOBS = [1, 2]
# For the plot of time against -j. Two is what the rows are about; more than there are cores shows that nothing breaks down.
PLOT_JOBS = [4]
# Modules over the whole range of sizes, for the plot of time against size, beside those that are rows.
SIZES = ["kvm", "drbd", "libnvdimm", "autofs4", "dm-snapshot", "cordic"]


class Failure(Exception):
    pass


class Config:
    """One tool, one way to run it: `commands` are (command line, output that it must leave) and run `at_once` at a time. `copies`
    (from, to) are made before each run and not measured: what is changed in place."""

    def __init__(self, tool, commands, jobs=1, at_once=1, base="own", rounds=None, note="", copies=()):
        self.tool, self.commands, self.jobs, self.at_once, self.base, self.copies = tool, commands, jobs, at_once, base, copies
        self.rounds, self.note, self.samples = rounds, note, []

    def __str__(self):
        at_once = f", {self.at_once} at a time" if self.at_once > 1 else ""
        return f"{self.tool} -j{self.jobs}{at_once}" + ("" if self.base == "own" else f", base of {self.base}")

    def fields(self):
        return {"tool": self.tool, "jobs": self.jobs, "at_once": self.at_once, "base": self.base, "note": self.note,
                "samples": [[round(wall, 4), round(cpu, 4), kib] for wall, cpu, kib in self.samples]}


class Bench:
    def __init__(self, setup, work, quick, rounds):
        self.setup, self.work, self.quick, self.rounds = setup, work, quick, rounds
        self.kernel = Kernel(setup["kernel"])
        self.log = os.path.join(work, "log")
        self.out = os.path.join(work, "out")
        self.own_bases = {}

    # --- command lines --------------------------------------------------------------------------------------------

    def encode(self, tool, jobs, file, base=None, output=None):
        """(command line, output) for one file."""
        output = output or os.path.join(self.out, os.path.basename(file) + ".btf")
        command = [self.setup["btfgen"], "-q"] if tool == "btfgen" else [self.setup["peers"][tool]["program"], "-J"]
        # pahole does not look at .BTF_ids; the row kbuild has the whole step.
        command += ["--no-btf-ids"] if tool == "btfgen" else []
        command += [f"-j{jobs}", *OPTIONS] + (["--btf_base", base] if base else []) + [f"--btf_encode_detached={output}", file]
        return command, [output]

    def encode_together(self, jobs, files, base):
        outputs = [os.path.join(self.out, os.path.basename(file) + ".btf") for file in files]
        return [self.setup["btfgen"], "-q", "--no-btf-ids", f"-j{jobs}", *OPTIONS, "--btf_base", base, "--detached-dir", self.out, *files], outputs

    def base(self, tool, kernel=None):
        """What the tool itself made of the kernel's vmlinux."""
        kernel = kernel or self.kernel
        if tool != "btfgen":
            return kernel.bases[tool]
        if kernel.release not in self.own_bases:
            path = os.path.join(self.work, kernel.release + ".btf")
            run_all(self, [self.encode("btfgen", max(JOBS), kernel.vmlinux, output=path)], 1)
            self.own_bases[kernel.release] = path
        return self.own_bases[kernel.release]

    def configs(self, file, on_base=True, jobs=JOBS, slow=None):
        """The usual ones for one file: each tool on its own base, with each -j. `slow`: rounds for tools that take long."""
        return [
            Config(tool, [self.encode(tool, j, file, self.base(tool) if on_base else None)], j, rounds=(slow or {}).get(tool))
            for tool in ["btfgen", *PEERS] for j in jobs
        ]

    # --- measuring ------------------------------------------------------------------------------------------------

    def measure(self, configs):
        counts = [min(config.rounds or self.rounds, self.rounds) for config in configs]
        for number in range(-1, max(counts)):
            turn = max(number, 0) % len(configs)
            for config, count in list(zip(configs, counts))[turn:] + list(zip(configs, counts))[:turn]:
                # What runs less often than the others takes so long that a first run makes no difference.
                if number >= count or (number < 0 and (config.rounds or self.rounds == 1)):
                    continue
                sample = run_all(self, config.commands, config.at_once, config.copies)
                if number >= 0:
                    config.samples.append(sample)
        for config in configs:
            wall, cpu, kib = (statistics.median(column) for column in zip(*config.samples))
            walls = [sample[0] for sample in config.samples]
            print(f"  {str(config):42} {wall:9.3f} s ({min(walls):.3f} to {max(walls):.3f}), CPU {cpu:9.3f} s, {kib / 1024:6.0f} MiB, "
                  f"{len(config.samples)} runs", flush=True)


def run_all(bench, commands, at_once, copies=()):
    """Runs the commands; (wall, CPU seconds, largest peak of memory in KiB)."""
    shutil.rmtree(bench.out, ignore_errors=True)  # pahole does not truncate an output that is there
    os.mkdir(bench.out)
    for path in [bench.log] + [output for _, outputs in commands for output in outputs]:
        if os.path.exists(path):
            os.unlink(path)
    untouched = {}
    for source, target in copies:
        shutil.copy(source, target)
        untouched[target] = os.path.getsize(target)
    text = b"".join(b"".join(os.fsencode(word) + b"\0" for word in command) + b"\0" for command, _ in commands)
    lines = subprocess.run([bench.setup["measure"], str(at_once), bench.log], input=text, stdout=subprocess.PIPE, check=True).stdout
    *lines, total = lines.decode().splitlines()
    if len(lines) != len(commands):
        raise Failure(f"{len(commands)} commands, {len(lines)} measured")
    cpu, peak = 0.0, 0
    for line in lines:
        number, status, _, user, system, kib = line.split()
        command, outputs = commands[int(number)]
        wrong = [output for output in outputs if not os.path.exists(output) or os.path.getsize(output) == untouched.get(output, 0)]
        if int(status) or wrong:
            raise Failure(f"{failed(int(status))}, {len(wrong)} of {len(outputs)} outputs are missing, empty or untouched: "
                          f"{' '.join(command)[:1000]}\n{tail(bench.log)}")
        cpu += float(user) + float(system)
        peak = max(peak, int(kib))
    return float(total.split()[1]), cpu, peak


def failed(status):
    return f"exit status {os.waitstatus_to_exitcode(status)}" if status else "it said nothing of a failure"


def tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-10:])
    except OSError:
        return ""


# --- kernels --------------------------------------------------------------------------------------------------------


class Kernel:
    def __init__(self, where):
        self.vmlinux, self.release, self.bases = where["vmlinux"], where["release"], where["bases"]
        found = []
        for folder, _, names in os.walk(os.path.realpath(where["modules"])):
            found += [os.path.join(folder, name) for name in names if name.endswith(".ko")]
        # The largest first, so that two that work side by side end together.
        self.modules = sorted(found, key=lambda path: (-os.path.getsize(path), path))
        self.by_name = {os.path.basename(path)[:-3].replace("-", "_"): path for path in self.modules}
        if len(self.by_name) != len(self.modules):
            raise Failure("two modules of one name: their outputs would overwrite each other")

    def module(self, name):
        return self.by_name.get(name.replace("-", "_"))

    def package(self):
        """The version of the Debian package, out of the kernel's own banner."""
        with open(self.vmlinux, "rb") as file:
            banner = re.search(rb"Linux version [^\n\0]* Debian (\S+)", file.read())
        return banner[1].decode() if banner else "unknown"


def debug_info_size(path):
    """Bytes of .debug_info (64-bit ELF of this machine's byte order)."""
    with open(path, "rb") as file:
        header = memoryview(file.read(64))
        at, size, count, names = (int.from_bytes(header[a:b], sys.byteorder) for a, b in [(40, 48), (58, 60), (60, 62), (62, 64)])
        file.seek(at)
        table = memoryview(file.read(size * count))
        rows = [table[i * size:(i + 1) * size] for i in range(count)]
        field = lambda row, a, b: int.from_bytes(row[a:b], sys.byteorder)
        file.seek(field(rows[names], 24, 32))
        strings = file.read(field(rows[names], 32, 40))
        for row in rows:
            name = field(row, 0, 4)
            if strings[name:strings.index(b"\0", name)] == b".debug_info":
                return field(row, 32, 40)
    raise Failure(f"{path}: no .debug_info")


def into_memory(paths):
    """Reads files once, so that no run has to wait for the disk."""
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while file.read(1 << 20):
                pass


# --- rows -----------------------------------------------------------------------------------------------------------
# Each yields {"title", "bytes" of .debug_info, "files", "configs"}.


def row_vmlinux(bench):
    file = bench.kernel.vmlinux
    yield {"title": "vmlinux", "files": [file], "configs": bench.configs(file, False, JOBS + PLOT_JOBS)}


def row_module(name, slow=None):
    def row(bench):
        file = bench.kernel.module(name)
        if not file:
            raise Failure(f"this kernel has no {name}.ko")
        yield {"title": f"{name}.ko", "files": [file], "configs": bench.configs(file, slow=slow)}
    return row


def row_foreign(bench):
    file, configs = bench.kernel.module("xfs"), []
    for tool, other, rounds in [("btfgen", "pahole 1.30", None), ("btfgen", "pahole 1.32", None), ("pahole 1.32", "pahole 1.30", 3),
                                ("pahole 1.30", "pahole 1.32", 3)]:
        for jobs in JOBS:
            configs.append(Config(tool, [bench.encode(tool, jobs, file, bench.base(other))], jobs, base=other, rounds=rounds))
    yield {"title": "xfs.ko, base of another dialect", "files": [file], "configs": configs}


def row_sizes(bench):
    for name in SIZES:
        file = bench.kernel.module(name)
        if not file:
            print(f"  this kernel has no {name}.ko: left out")
            continue
        yield {"title": f"{name}.ko", "files": [file], "configs": bench.configs(file, jobs=[max(JOBS)])}


def one_each(bench, kernel, tool, jobs, rounds=None):
    commands = [bench.encode(tool, jobs, file, bench.base(tool, kernel)) for file in kernel.modules]
    return Config(tool, commands, jobs, at_once=2, rounds=rounds)


def row_each(bench):
    kernel = bench.kernel
    configs = [one_each(bench, kernel, "btfgen", jobs) for jobs in JOBS]
    if not bench.quick:
        configs += [one_each(bench, kernel, tool, jobs, rounds=2) for tool in PEERS for jobs in JOBS]
    yield {"title": f"all {len(kernel.modules):,} modules, one process each, two at a time", "files": kernel.modules, "configs": configs}


def row_modules(bench):
    files = bench.kernel.modules
    configs = [Config("btfgen", [bench.encode_together(jobs, files, bench.base("btfgen"))], jobs) for jobs in JOBS]
    yield {"title": f"all {len(files):,} modules in one process", "files": files, "configs": configs}


def row_amd64(bench):
    kernel = Kernel(bench.setup["full"])
    into_memory(kernel.modules)
    configs = [Config("btfgen", [bench.encode_together(jobs, kernel.modules, bench.base("btfgen", kernel))], jobs) for jobs in JOBS]
    configs += [one_each(bench, kernel, tool, 1, rounds=1) for tool in PEERS]
    title = f"all {len(kernel.modules):,} modules of the full flavour (amd64) in one process"
    yield {"title": title, "files": kernel.modules, "configs": configs}


def row_walk(bench):
    file, configs = bench.kernel.vmlinux, [Config("btfgen", [bench.encode("btfgen", 2, bench.kernel.vmlinux)], 2)]
    for mode in ["skip", "read"]:
        configs.append(Config(f"walk, {mode} attributes", [([bench.setup["walk"], mode, "-j2", file], [])], 2))
    yield {"title": "bare walk over the DIEs of vmlinux", "files": [file], "configs": configs}


# The recipe of Kbuild for a module that was linked (Makefile.modfinal of 7.3): the tree's own gen-btf.sh, or one call of btfgen
# (contrib/kbuild). Its first words stand for what make and the configuration leave in the environment.
RECIPE = """export MAKELEVEL=1 PAHOLE="$1" PAHOLE_FLAGS="$2" RESOLVE_BTFIDS="$3" OBJCOPY=objcopy; shift 3
if [ ! -f "$1" ]; then echo "no vmlinux" >&2; exit 1; else shift; "$@"; fi;"""


def row_kbuild(bench):
    for name in ["xfs", "nf_conntrack", "vsock_loopback"]:
        # As the linker left it: no BTF, ids in the order of their symbols.
        linked, out = os.path.join(bench.work, f"{name}.ko"), os.path.join(bench.out, f"{name}.ko")
        shutil.copy(bench.kernel.module(name), linked)
        subprocess.run([bench.setup["btfgen"], "resolve_btfids", "--link_order", "--btf_base", bench.kernel.vmlinux, linked], check=True)
        subprocess.run(["objcopy", "-R", ".BTF", "-R", ".BTF.base", linked], check=True)
        configs = []
        for tool in ["btfgen", *PEERS]:
            for jobs in JOBS:
                if tool == "btfgen":
                    pahole, step = "unused", [bench.setup["btfgen"], "-q", f"-j{jobs}", *OPTIONS]
                else:
                    pahole, step = bench.setup["peers"][tool]["program"], ["/bin/sh", bench.setup["gen_btf"]]
                flags, base = " ".join([f"-j{jobs}", *OPTIONS]), bench.base(tool)
                command = ["/bin/sh", "-c", RECIPE, "sh", pahole, flags, bench.setup["resolve_btfids"], base, *step, "--btf_base", base, out]
                rounds = 3 if name == "xfs" and tool == "pahole 1.30" else None
                configs.append(Config(tool, [(command, [out])], jobs, rounds=rounds, copies=[(linked, out)]))
        yield {"title": f"Kbuild's whole step for {name}.ko", "files": [linked], "configs": configs}


# Selected with --rows. SLOW ones need much time or another download, and are left out by --quick.
ROWS = {
    "vmlinux": row_vmlinux,
    "xfs": row_module("xfs", slow={"pahole 1.30": 3}),
    "mlx5_core": row_module("mlx5_core"),
    "btrfs": row_module("btrfs"),
    "vsock_loopback": row_module("vsock_loopback"),
    "foreign": row_foreign,
    "each": row_each,
    "modules": row_modules,
    "amd64": row_amd64,
    "walk": row_walk,
    "sizes": row_sizes,
    "kbuild": row_kbuild,
}
SLOW = ["amd64"]


# --- the whole run --------------------------------------------------------------------------------------------------


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", file.read().split("\n\n")[0], re.M))
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) * 1024
    return {
        "cpu": f"{cpu.get('model name', platform.processor())} (family {cpu.get('cpu family', '?')}, model {cpu.get('model', '?')})",
        "cores": len(os.sched_getaffinity(0)), "memory": memory, "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "linux": re.match(r"[0-9.]*[0-9]", os.uname().release)[0], "load": round(os.getloadavg()[0], 1),
    }


def write_json(path, result):
    """Readable, but a configuration on one line."""
    text = json.dumps({**result, "rows": "@"}, indent=1)
    rows = []
    for row in result["rows"]:
        head = json.dumps({key: value for key, value in row.items() if key != "configs"})[:-1]
        rows.append(f'  {head}, "configs": [\n' + ",\n".join("   " + json.dumps(config) for config in row["configs"]) + "\n  ]}")
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text.replace('"@"', "[\n" + ",\n".join(rows) + "\n ]") + "\n")
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("setup", metavar="SETUP.json")
    parser.add_argument("--json", required=True, metavar="OUT")
    parser.add_argument("--rows", default="", help=f"of {' '.join(ROWS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"without {' '.join(SLOW)}, and all modules only by btfgen")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    with open(args.setup, encoding="utf-8") as file:
        setup = json.load(file)
    names = args.rows.split() or [name for name in ROWS if not (args.quick and name in SLOW)]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}: there are {', '.join(ROWS)}")

    with tempfile.TemporaryDirectory(prefix="run-", dir=setup["work"]) as work:
        try:
            bench = Bench(setup, work, args.quick, args.rounds)
            result = {
                "date": datetime.date.today().isoformat(), "complete": not args.rows and not args.quick and args.rounds >= 5,
                "rounds": args.rounds, "machine": machine(), "btfgen": setup["btfgen_version"],
                "peers": {tool: peer["suite"] for tool, peer in setup["peers"].items()},
                "kernel": {"release": bench.kernel.release, "package": bench.kernel.package(), "suite": setup["suite"]},
                "options": OPTIONS, "rows": [],
            }
            into_memory([bench.kernel.vmlinux, *bench.kernel.modules])
            for name in names:
                for row in ROWS[name](bench):
                    size = sum(map(debug_info_size, row["files"]))
                    print(f"{row['title']} ({size / 1e6:.1f} MB of .debug_info)", flush=True)
                    bench.measure(row["configs"])
                    result["rows"].append({"row": name, "title": row["title"], "bytes": size, "files": len(row["files"]),
                                           "configs": [config.fields() for config in row["configs"]]})
                    write_json(args.json, result)
        except (Failure, OSError, subprocess.CalledProcessError) as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUTF8", "1")
    sys.exit(main())
