"""The list of kernels that goes in, and the index and the report that come out.

A kernel's name is its path in the archive, ID/VERSION_ID/ARCH/RELEASE."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlparse

COLUMNS = ["id", "version_id", "arch", "release", "source", "sha256"]
# In the order in which a kernel goes through them.
STEPS = ["fetch", "unpack", "base", "modules", "verify", "pack"]
INDEX_COLUMNS = ["build_id", "id", "version_id", "arch", "release", "path", "base_sha256", "modules_sha256"]
REPORT_COLUMNS = ["status", "kernel", "step", "seconds", "cpu_seconds", "peak_memory", "bytes", "message"]


def read_list(path):
    """The kernels of a list, name to columns, in its order. ValueError names the line that is wrong; OSError if there is no list."""
    with open(path, encoding="utf-8") as file:
        lines = [(number, line.rstrip("\n").split("\t")) for number, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
    if not lines or lines[0][1] != COLUMNS:
        raise ValueError(f"{path}: the first line has to name the columns {', '.join(COLUMNS)}, separated by tabs")
    kernels = {}
    for number, fields in lines[1:]:
        try:
            kernel = dict(zip(COLUMNS, fields, strict=True))
        except ValueError:
            raise ValueError(f"{path}:{number}: {len(fields)} columns instead of {len(COLUMNS)}") from None
        for column in COLUMNS[:4]:
            # They become names of folders, and stand in regular expressions and URLs.
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*", kernel[column]):
                raise ValueError(f"{path}:{number}: {column}: `{kernel[column]}` is no such name")
        if not is_package(kernel):
            if kernel["sha256"] != "-":
                raise ValueError(f"{path}:{number}: sha256: has to be - for a folder")
        elif urlparse(kernel["source"]).scheme not in ("http", "https", "file"):
            raise ValueError(f"{path}:{number}: source: `{kernel['source']}` is no URL (http, https, file) and no absolute path")
        elif not re.fullmatch(r"[0-9a-f]{64}", kernel["sha256"]):
            raise ValueError(f"{path}:{number}: sha256: 64 hexadecimal digits are needed for a package")
        name = "/".join(kernel[column] for column in COLUMNS[:4])
        if name in kernels:
            raise ValueError(f"{path}:{number}: {name} was there before: one build of a release only")
        kernels[name] = kernel
    return kernels


def is_package(kernel):
    """Or a folder."""
    return not kernel["source"].startswith("/")


def write_report(kernels, archive, logs):
    """Writes `index.tsv`, of all kernels in the folder `archive`, and `report.tsv`, of those in the list. Returns the rows of the latter."""
    summaries = {str(path.parent.relative_to(archive)): json.loads(path.read_text()) for path in archive.glob("*/*/*/*/summary.json")}
    index = [
        [s["build_id"], *name.split("/"), name, s["vmlinux"]["file_sha256"], s["modules"]["file_sha256"]] for name, s in summaries.items()
    ]
    rows = [outcome(name, name in summaries, archive / name, logs / name) for name in kernels]
    archive.mkdir(parents=True, exist_ok=True)
    write_table(archive / "index.tsv", INDEX_COLUMNS, sorted(index, key=lambda row: row[5]))
    write_table(archive / "report.tsv", REPORT_COLUMNS, rows)
    return rows


def in_words(rows, report):
    """For those who look at the end of the run: how many there are of each, and what failed."""
    count = lambda status: sum(row[0] == status for row in rows)
    text = f"{len(rows)} kernels: {count('done')} done, {count('failed')} failed, {count('open')} open; see {report}"
    return "\n".join([text, *(f"  failed: {row[1]}: {row[2]}: {row[-1]}" for row in rows if row[0] == "failed")])


def remove_leftovers(rows, work):
    """Removes temporary files of kernels that are done: Snakemake does not, if it was killed between the last step and that."""
    for status, name, *_ in rows:
        if status != "done" or not (work / name).is_dir():
            continue
        shutil.rmtree(work / name)
        for folder in Path(name).parents:
            with contextlib.suppress(OSError):
                (work / folder).rmdir()


def outcome(name, done, results, logs):
    """The report's row for one kernel. The newest log says why it failed; one that ends without a word is that of a step that was killed.
    What an earlier run put into the archive stays, but that is no success of this one."""
    found = [log for log in (logs / f"{step}.log" for step in STEPS) if log.exists()]
    if found:
        log = max(found, key=lambda log: log.stat().st_mtime_ns)
        last = log.read_text(errors="replace").rstrip("\n").rpartition("\n")[2]
        if last != "done":
            message = last.removeprefix("error: ") if last.startswith("error: ") else "ended without a message: killed, or out of memory or time"
            return ["failed", name, log.stem, "", "", "", "", message.replace("\t", " ")]
    if not done:
        return ["open", name, "", "", "", "", "", ""]
    cost = json.loads((results / "cost.json").read_text())
    total = lambda key: round(sum(step[key] for step in cost.values()), 2)
    size = sum(entry.stat().st_size for entry in results.iterdir())
    return ["done", name, "", total("seconds"), total("cpu_seconds"), max(step["peak_memory"] for step in cost.values()), size, ""]


def write_table(path, columns, rows):
    """Whole or not at all: loaders may read the index at any time."""
    part = path.with_name(f".{path.name}.part")
    part.write_text("".join("\t".join(map(str, row)) + "\n" for row in [columns, *rows]), encoding="utf-8")
    os.replace(part, path)
