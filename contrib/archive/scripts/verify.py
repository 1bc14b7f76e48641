"""Asks `btfgen verify` about the base and each module, by the rules of the kernel that they are for. One that is refused fails the kernel."""

import json
import re
from pathlib import Path

from step import Failed, run, step, write_json

# Older kernels do not read what btfgen writes by default; tools do, by the rules of 6.1.
OLDEST_RULES = (6, 1)
# The exit code of `btfgen verify` if a kernel would refuse something.
REFUSED = 11


def rules(release):
    """As `--kernel` takes it: 6.12 for 6.12.117+deb13-amd64."""
    version = re.match(r"(\d+)\.(\d+)", release)
    if not version:
        raise Failed(f"the release {release} does not begin with a version")
    return "{}.{}".format(*max(tuple(map(int, version.groups())), OLDEST_RULES))


def verdicts(files, *command, cwd=None):
    """The JSON objects that `btfgen verify` says, one for each of `files`, all of which a kernel would accept."""
    lines = [json.loads(line) for line in run(*command, *files, cwd=cwd, fine=(0, REFUSED)).splitlines()]
    if [line["file"] for line in lines] != files:
        raise Failed("btfgen verify did not say something of each file")
    for line in lines:
        if line["verdict"] != "accepted":
            first = line["violations"][0]
            raise Failed(f"btfgen verify: {Path(line['file']).name} is {line['verdict']}: {first['log']}: {first['broken_if']} ({first['rule']})")
    return lines


with step(snakemake):
    kernel = rules(snakemake.params.release)
    base, modules = Path(snakemake.input.base).absolute(), Path(snakemake.input.modules)
    command = [snakemake.config["btfgen"], "verify", "--json", "--kernel", kernel]
    names = sorted(path.name for path in modules.glob("*.btf"))
    of_base = verdicts([str(base)], *command)
    of_modules = verdicts(names, *command, "--btf_base", str(base), cwd=modules)
    types = {line["file"].removesuffix(".ko.btf"): line["types"] for line in of_modules}
    hazards = sum(len(line["hazards"]) for line in of_base + of_modules)
    write_json(snakemake.output.verdicts, {"kernel": kernel, "hazards": hazards, "vmlinux_types": of_base[0]["types"], "module_types": types})
    print(f"vmlinux and {len(names)} modules are accepted by the rules of Linux {kernel}")
