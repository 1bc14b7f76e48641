"""Takes vmlinux and the modules out of a package, and nothing else: TREE/vmlinux, TREE/modules/*.ko. A folder's files are linked to."""

import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from step import Failed, step

# The longest signature of the formats: a .deb is an `ar` archive.
DEB = b"!<arch>\ndebian-binary"


class Tree:
    """The files of one kernel that are wanted, by their paths in a package."""

    def __init__(self, release, path):
        release = re.escape(release)
        self.vmlinux_path = re.compile(rf"(.*/)?(vmlinux-{release}|{release}/(.*/)?vmlinux)")
        self.module_path = re.compile(rf"(.*/)?{release}/(.*/)?(?P<name>[^/]+\.ko)")
        self.vmlinux = path / "vmlinux"
        self.modules = path / "modules"
        self.modules.mkdir(parents=True)

    def place(self, path):
        """Where the file of that path goes; None if it is not wanted."""
        if self.vmlinux_path.fullmatch(path):
            return self.new(self.vmlinux, path)
        if module := self.module_path.fullmatch(path):
            return self.new(self.modules / module["name"], path)
        return None

    def new(self, place, path):
        if os.path.lexists(place):
            raise Failed(f"a second {place.name}: {path}")
        return place

    def check(self, source):
        if not self.vmlinux.exists():
            raise Failed(f"{source}: no vmlinux of this release")
        count = sum(1 for _ in self.modules.iterdir())
        if count == 0:
            raise Failed(f"{source}: no modules (*.ko) of this release")
        print(f"vmlinux and {count} modules")


def unpack_tar(stream, tree):
    """Reads a tar archive as a stream. Only regular files are looked at, and no name of the archive becomes a path."""
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            if member.isreg() and (place := tree.place(member.name)):
                with place.open("wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file, 1 << 20)
                if place.stat().st_size != member.size:
                    raise Failed(f"{member.name} is cut short")


def unpack_package(package, tree):
    with open(package, "rb") as file:
        if file.read(len(DEB)) != DEB:
            file.seek(0)
            return unpack_tar(file, tree)
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False) as dpkg:
        damage = None
        try:
            unpack_tar(dpkg.stdout, tree)
            # What follows the end of the archive; dpkg-deb would fail to write it.
            while dpkg.stdout.read(1 << 20):
                pass
        except tarfile.TarError as error:
            damage = error
            dpkg.kill()
        said = dpkg.stderr.read().decode(errors="replace").strip()
    # An archive that dpkg-deb found to be damaged ends early: its word counts first.
    if said or dpkg.returncode != 0:
        raise Failed(f"dpkg-deb: {said or f'status {dpkg.returncode}'}")
    if damage:
        raise Failed(f"damaged package: {damage}")


def link_folder(folder, tree):
    if not folder.is_dir():
        raise Failed(f"{folder}: no such folder")
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink() and (place := tree.place(str(path))):
                place.symlink_to(path)


with step(snakemake):
    kernel = snakemake.params.kernel
    tree = Tree(kernel["release"], Path(snakemake.output.tree))
    try:
        if snakemake.input.package:
            unpack_package(snakemake.input.package, tree)
        else:
            link_folder(Path(kernel["source"]), tree)
    except (tarfile.TarError, EOFError) as error:
        raise Failed(f"damaged package: {error}") from error
    tree.check(kernel["source"])
