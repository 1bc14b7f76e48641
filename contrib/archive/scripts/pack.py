"""Compresses what was verified into the archive, reads it back, and sums up. The same input gives the same bytes, in cost.json aside."""

import hashlib
import lzma
import os
import tarfile
from pathlib import Path

import zstandard
from archive import is_package
from step import Failed, read_json, run, sha256, step, write_json

PIECE = 1 << 20
# The last levels before those that need much memory to read, too. zstd's 19 and xz's 6 take about as long.
ZSTD_LEVEL = 19
XZ_LEVEL = 6


def writer(path):
    if path.endswith(".xz"):
        return lzma.open(path, "wb", preset=XZ_LEVEL)
    return zstandard.open(path, "wb", cctx=zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True))


def reader(path):
    return lzma.open(path, "rb") if path.endswith(".xz") else zstandard.open(path, "rb")


class Hashed:
    """A file to write to, and the SHA-256 of what was written."""

    def __init__(self, file):
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data):
        self.digest.update(data)
        self.size += len(data)
        return self.file.write(data)


def pack(path, fill):
    """Writes a compressed file by fill(file), and compares what can be read of it with what was written. Returns what to say about it."""
    with writer(path) as file:
        raw = Hashed(file)
        fill(raw)
    again = hashlib.sha256()
    with reader(path) as file:
        while piece := file.read(PIECE):
            again.update(piece)
    if again.digest() != raw.digest.digest():
        raise Failed(f"{path} cannot be read back")
    return {"bytes": raw.size, "sha256": raw.digest.hexdigest(), "file_bytes": os.path.getsize(path), "file_sha256": sha256(path)}


def write_tar(out, files):
    """In the given order, with nothing of who made them and when."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for path in files:
            member = tarfile.TarInfo(path.name)
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(member, file)


def about(path, types):
    name = path.name.removesuffix(".ko.btf")
    return {"name": name, "bytes": path.stat().st_size, "types": types[name]}


with step(snakemake):
    source, params, output = snakemake.input, snakemake.params, snakemake.output
    base = Path(source.base).read_bytes()
    modules = sorted(Path(source.modules).glob("*.btf"))
    facts, verdicts = read_json(source.facts), read_json(source.verdicts)
    summary = {
        **params.kernel,
        "build_id": facts["build_id"],
        "base": facts["base"],
        "btfgen": run(snakemake.config["btfgen"], "--version").strip(),
        "btfgen_flags": params.flags,
        "verified": {"kernel": verdicts["kernel"], "hazards": verdicts["hazards"]},
        "vmlinux": {"file": Path(output.base).name, **pack(output.base, lambda out: out.write(base)), "types": verdicts["vmlinux_types"]},
        "modules": {
            "file": Path(output.modules).name,
            **pack(output.modules, lambda out: write_tar(out, modules)),
            "count": len(modules),
            "btf_bytes": sum(path.stat().st_size for path in modules),
            "types": sum(verdicts["module_types"].values()),
            "each": [about(path, verdicts["module_types"]) for path in modules],
        },
    }
    write_json(output.summary, summary)
    before = [Path(path) for path in [*([source.fetch] if is_package(params.kernel) else []), *source.costs]]
    costs = {path.stem: read_json(path) for path in before}

# The step's own cost is there only now.
write_json(output.cost, {**costs, "pack": read_json(output.cost)}, indent=1)
