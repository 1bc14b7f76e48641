"""Asks `btfgen verify` about the base and each module, by the rules of the kernel that they are for. One that is refused fails the kernel."""

import json
import re
from pathlib import Path

from step import Failed, run, step, write_json

# Older kernels do not read what btfgen writes by default; tools do, by the rules of 6.1.
OLDEST_RULES = (6, 1)


def rules(release):
    """As `--kernel` takes it: 6.12 for 6.12.117+deb13-amd64."""
    version = re.match(r"(\d+)\.(\d+)", release)
    if not version:
        raise Failed(f"the release {release} does not begin with a version")
    return "{}.{}".format(*max(tuple(map(int, version.groups())), OLDEST_RULES))


def verdicts(output, files):
    """The JSON lines of `btfgen verify`, one for each of `files`, all accepted."""
    lines = [json.loads(line) for line in output.splitlines()]
    if [line["file"] for line in lines] != files:
        raise Failed("btfgen verify did not say something of each file")
    for line in lines:
        if line["verdict"] != "accepted":
            raise Failed(f"btfgen verify: {line['file']}: {line['verdict']}: {json.dumps(line.get('violations', line.get('error')))[:500]}")
    return lines


with step(snakemake):
    kernel = rules(snakemake.params.release)
    base, modules = Path(snakemake.input.base).absolute(), Path(snakemake.input.modules)
    command = [snakemake.params.btfgen, "verify", "--json", "--kernel", kernel]
    names = sorted(path.name for path in modules.glob("*.btf"))
    of_base = verdicts(run(*command, str(base)), [str(base)])
    of_modules = verdicts(run(*command, "--btf_base", str(base), *names, cwd=modules), names)
    types = {line["file"].removesuffix(".ko.btf"): line["types"] for line in of_modules}
    write_json(snakemake.output.verdicts, {"kernel": kernel, "vmlinux_types": of_base[0]["types"], "module_types": types})
    print(f"vmlinux and {len(names)} modules are accepted by the rules of Linux {kernel}")
