"""The base of a kernel's modules: encoded of vmlinux's DWARF, or vmlinux's own .BTF. What is said of vmlinux is written down beside it."""

import mmap

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from step import Failed, run, step, write_json

# `uname -m` and the ELF machine, where one follows from the other.
MACHINES = {
    "x86_64": "EM_X86_64",
    "i686": "EM_386",
    "aarch64": "EM_AARCH64",
    "armv7l": "EM_ARM",
    "s390x": "EM_S390",
    "ppc64le": "EM_PPC64",
    "riscv64": "EM_RISCV",
    "loongarch64": "EM_LOONGARCH",
}


def build_id(elf):
    """In hexadecimal digits, as in the notes of /sys/kernel/notes; empty if there is none."""
    for section in elf.iter_sections("SHT_NOTE"):
        for note in section.iter_notes():
            if note["n_name"] == "GNU" and note["n_type"] == "NT_GNU_BUILD_ID":
                return note["n_desc"]
    return ""


def check_identity(path, elf, kernel):
    """A package under a wrong name would put BTF of one kernel into the place of another."""
    machine = MACHINES.get(kernel["arch"])
    if machine and elf["e_machine"] != machine:
        raise Failed(f"vmlinux is for {elf['e_machine']}, not for {kernel['arch']}")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as contents:
        if contents.find(b"Linux version " + kernel["release"].encode() + b" ") < 0:
            raise Failed(f"vmlinux does not call itself `Linux version {kernel['release']}`")


with step(snakemake) as figures:
    vmlinux, params = f"{snakemake.input.tree}/vmlinux", snakemake.params
    try:
        with open(vmlinux, "rb") as file:
            elf = ELFFile(file)
            check_identity(vmlinux, elf, params.kernel)
            dwarf = any(elf.get_section_by_name(name) for name in (".debug_info", ".zdebug_info"))
            shipped = elf.get_section_by_name(".BTF")
            origin = "shipped" if params.base == "shipped" or not dwarf else "dwarf"
            facts = {"build_id": build_id(elf), "base": origin}
            if origin == "shipped":
                if not shipped:
                    raise Failed("vmlinux has no .BTF" if dwarf else "vmlinux has neither DWARF nor .BTF")
                with open(snakemake.output.btf, "wb") as out:
                    out.write(shipped.data())
    except ELFError as error:
        raise Failed(f"vmlinux: {error}") from error
    if origin == "dwarf":
        run(snakemake.config["btfgen"], f"-j{snakemake.threads}", *params.flags, "--btf_encode_detached", snakemake.output.btf, vmlinux)
    write_json(snakemake.output.facts, facts)
