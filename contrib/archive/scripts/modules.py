"""All modules of a kernel, on its base, in one process. One module that cannot be encoded is a kernel that cannot be."""

from pathlib import Path

from step import Failed, run, step

with step(snakemake):
    modules, out = Path(snakemake.input.tree, "modules"), Path(snakemake.output.btf)
    out.mkdir()
    command = [snakemake.config["btfgen"], f"-j{snakemake.threads}", *snakemake.params.flags, "--btf_base", snakemake.input.base]
    run(*command, "--detached-dir", str(out), "--modules-dir", str(modules))
    wanted = {f"{path.name}.btf" for path in modules.iterdir()}
    found = {path.name for path in out.iterdir()}
    if wanted != found:
        raise Failed(f"not one BTF for each module: {', '.join(sorted(wanted ^ found)[:5])}")
    print(f"{len(found)} modules")
