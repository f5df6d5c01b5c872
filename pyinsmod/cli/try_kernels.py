"""What the user calls a kernel → one that a machine can boot, and what is known of it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pyinsmod.cli.kernels import KernelUnavailable, kernel_named
from pyinsmod.cli.terminal import note
from pyinsmod.elf_format import machine_name
from pyinsmod.errors import MalformedModule, UsageError
from pyinsmod.kernel_facts.kernel_files import KernelFiles, installed_kernel, kernel_files
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.module_image import ModuleImage
from vm.architectures import ARCHITECTURES
from vm.catalogue import DEFAULT_SERIES, KERNELS, kernel_of_series
from vm.catalogue import default_kernel as native_default
from vm.errors import UnknownKernel, VmError
from vm.kernel_store import Kernel, fetch, fetched

NO_FILES = KernelFiles()

_SERIES = re.compile(r"\d+\.\d+")
_IN_FILE_NAMES = re.compile(r"[^\w.+-]")


@dataclass(frozen=True)
class GivenKernel(Kernel):
    """A kernel that is not of the store: its files stand where the user has them."""

    files: KernelFiles = NO_FILES

    @property
    def vmlinuz(self) -> Path:
        """The boot image."""
        return Path(self.files.image)

    @property
    def modules(self) -> Path:
        """The folder of its modules."""
        return Path(self.files.modules)

    @property
    def configuration(self) -> Path | None:
        """The configuration it was built with."""
        return Path(self.files.config) if self.files.config else None


@dataclass(frozen=True)
class TryKernel:
    """A kernel to try modules on: `name` is the user's word for it."""

    name: str
    machine: Kernel
    known: OtherKernel


def try_kernel(name: str) -> TryKernel:
    """Return the kernel of that name, folder or package; one of the catalogue is downloaded if need be.

    Raises:
        UsageError: there is no such kernel, or no machine can boot it.
        KernelUnavailable: it cannot be downloaded.
    """
    stored = _of_store(name)
    if stored is not None:
        return TryKernel(name, stored, kernel_named(name))
    if name in KERNELS:
        return TryKernel(name, _fetched(name), kernel_named(name))
    known = kernel_named(name)
    return TryKernel(name, _given(name, known), known)


def default_kernel(image: ModuleImage) -> str:
    """Return the kernel of the catalogue that the module seems to be built for, else the one of this host.

    Its exact release if that is fetched, else the same series (`6.1`) for the same architecture, the real-time one
    for a real-time module.
    """
    try:
        release = (image.vermagic or "").partition(" ")[0]
        machine = machine_name(image.header.machine)
    except MalformedModule:
        return native_default()
    for name in KERNELS:
        kernel = fetched(name)
        if kernel is not None and kernel.release == release:
            return name
    return _of_its_series(release, machine) or native_default()


def _of_its_series(release: str, machine: str) -> str | None:
    """Return the kernel of the series for that machine, or of the default series if there is none."""
    series = _SERIES.match(release)
    words = [series[0]] if series else []
    words = [f"{words[0]}-rt", *words] if words and "-rt" in release else words
    if machine not in ARCHITECTURES:
        return None
    names = (kernel_of_series(word, machine) for word in (*words, DEFAULT_SERIES))
    return next((name for name in names if name), None)


def _of_store(name: str) -> Kernel | None:
    if name in KERNELS:
        return fetched(name)
    kernels = (fetched(known) for known in KERNELS)
    return next((kernel for kernel in kernels if kernel is not None and kernel.release == name), None)


def _fetched(name: str) -> Kernel:
    note(f"fetching kernel {name}")
    try:
        return fetch(name)
    except UnknownKernel as unknown:
        raise UsageError(str(unknown)) from unknown
    except VmError as failure:
        raise KernelUnavailable(f"kernel {name}: {failure}") from failure


def _given(name: str, known: OtherKernel) -> GivenKernel:
    """Return a kernel by the files the user named; it needs a boot image, and its modules for the machine."""
    files = _files(name, known)
    if not files.image or not files.modules:
        missing = "boot image" if not files.image else "modules"
        raise UsageError(f"{name}: its {missing} are not at hand, and no machine can boot it without them")
    with open(files.image, "rb") as image:  # noqa: PTH123 - a path from the command line may be any bytes
        checksum = hashlib.file_digest(image, "sha256").hexdigest()
    size = sum(path.stat().st_size for path in Path(files.modules).rglob("*") if path.is_file())
    release = known.facts.release
    machine = machine_name(known.facts.machine.value or 0)
    if machine not in ARCHITECTURES:
        raise UsageError(f"{name}: a kernel for {machine}, and there are machines for {' and '.join(ARCHITECTURES)}")
    folder = _IN_FILE_NAMES.sub("_", release)
    return GivenKernel(folder, release, "", Path(files.modules), (), checksum, size >> 20, machine, files)


def _files(name: str, known: OtherKernel) -> KernelFiles:
    if name.endswith(".deb") and known.tree is not None:
        return kernel_files(known.tree.folder)
    if Path(name).exists():
        return kernel_files(name)
    return installed_kernel(name) or NO_FILES
