"""The kernel store: Debian kernels by short name, fetched once, unpacked, never installed on the host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from vm.architectures import ARCHITECTURES, Architecture
from vm.archive import Suite
from vm.cache import built_whole, cache_root, locked, storage_errors_named
from vm.catalogue import KERNELS
from vm.errors import StoreBroken, UnknownKernel

MANIFEST = "manifest.json"
# Image and modules; since 7.2 the image is in `binary`, and the configuration in `base`.
KERNEL_PACKAGES = re.compile(r"linux-(?:image|base|binary|modules)-\d")


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel of the store.

    Attributes:
        name: short name of the catalogue, `6.1`.
        release: what `uname -r` says when it runs.
        version: version of the Debian packages it came from.
        root: folder the packages were unpacked into.
        packages: the packages' file names.
        vmlinuz_sha256: checksum of the boot image, as unpacked.
        modules_mib: size of the modules, which a guest's memory has to hold.
        machine: what it runs on, as `uname -m` says there.
    """

    name: str
    release: str
    version: str
    root: Path
    packages: tuple[str, ...]
    vmlinuz_sha256: str
    modules_mib: int
    machine: str = "x86_64"

    @property
    def architecture(self) -> Architecture:
        """What it runs on."""
        return ARCHITECTURES[self.machine]

    @property
    def vmlinuz(self) -> Path:
        """The boot image."""
        return find_vmlinuz(self.root)

    @property
    def modules(self) -> Path:
        """The folder `lib/modules/RELEASE` (below /usr in newer packages)."""
        return next(self.root.glob(f"**/lib/modules/{self.release}"))

    @property
    def configuration(self) -> Path | None:
        """The configuration it was built with, where Debian puts it (beside the modules since 7.2)."""
        candidates = (f"boot/config-{self.release}", f"usr/lib/modules/{self.release}/config")
        return next((path for path in (self.root / candidate for candidate in candidates) if path.exists()), None)


def fetched(name: str) -> Kernel | None:
    """Return a kernel if it is in the store, whole, with its configuration; None when it has to be fetched."""
    root = _folder(name)
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        kernel = Kernel(**{**manifest, "root": root, "packages": tuple(manifest["packages"])})
        whole = _sha256(kernel.vmlinuz) == kernel.vmlinuz_sha256 and _filled(kernel.configuration)
    except (OSError, ValueError, TypeError, KeyError, StoreBroken):
        return None
    return kernel if whole else None


def fetch(name: str, *, newest: bool = False) -> Kernel:
    """Return a kernel by short name or exact release, downloading it when it is not in the store.

    Args:
        name: a name of the catalogue, or the release of a kernel that was fetched before.
        newest: ask the archive again even if the store has one.

    Raises:
        UnknownKernel: there is no such name; the text lists those there are.
        ArchiveUnreachable: the archive could not give it.
        StoreBroken: the cache folder cannot be written.
    """
    name = _short_name(name)
    with storage_errors_named(), locked(_folder(name)):
        kernel = None if newest else fetched(name)
        return kernel or _download(name)


def _short_name(name: str) -> str:
    if name in KERNELS:
        return name
    for known in KERNELS:
        kernel = fetched(known)
        if kernel and kernel.release == name:
            return known
    raise UnknownKernel(f"unknown kernel '{name}': there are {', '.join(KERNELS)} (see pyinsmod vm list)")


def _download(name: str) -> Kernel:
    source = KERNELS[name]
    suite = Suite(source.suite, ARCHITECTURES[source.architecture])
    suite.refresh()
    packages = [package for package in suite.closure(source.package) if KERNEL_PACKAGES.match(package)]
    with built_whole(_folder(name)) as scratch:
        debs = suite.unpack(packages, scratch, leave_out=("usr/share/doc",))
        _index_modules(scratch)
        kernel = _describe(name, scratch, debs)
        manifest = {**asdict(kernel), "root": ""}
        (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1))
    complete = fetched(name)
    if complete is None:
        raise StoreBroken(f"kernel {name} was unpacked into {_folder(name)} and cannot be read back")
    return complete


def _index_modules(root: Path) -> None:
    """Have the modules' dependencies listed here, where there is depmod: an emulated guest takes minutes for many."""
    depmod = shutil.which("depmod", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    for modules in root.glob("**/lib/modules/*"):
        if depmod and modules.is_dir():
            subprocess.run([depmod, "-b", modules.parents[2], modules.name], capture_output=True, check=False)


def _describe(name: str, root: Path, debs: list[str]) -> Kernel:
    vmlinuz = find_vmlinuz(root)
    modules = next(folder for folder in root.glob("**/lib/modules/*") if folder.is_dir())
    version = debs[0].split("_")[1].replace("%3a", ":")
    size = sum(path.stat().st_size for path in modules.rglob("*") if path.is_file())
    return Kernel(
        name, modules.name, version, root, tuple(debs), _sha256(vmlinuz), size >> 20, KERNELS[name].architecture
    )


def find_vmlinuz(root: Path) -> Path:
    """Return the boot image of an unpacked kernel; since 7.2 Debian keeps it beside the modules."""
    for pattern in ("boot/vmlinu[xz]-*", "usr/lib/modules/*/vmlinu[xz]*", "lib/modules/*/vmlinu[xz]*"):
        for path in sorted(root.glob(pattern)):
            return path
    raise StoreBroken(f"{root} holds no vmlinuz")


def _folder(name: str) -> Path:
    return cache_root() / "kernels" / name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _filled(path: Path | None) -> bool:
    return path is not None and path.stat().st_size > 0
