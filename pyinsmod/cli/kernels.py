"""What the user calls a kernel (`--kernel K`) → its facts, and where the slow ones of them are kept."""

from __future__ import annotations

import os

from pyinsmod.cli.choices import SEVERAL
from pyinsmod.cli.terminal import note
from pyinsmod.errors import PyinsmodError, UsageError
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.kernel_files import KernelFiles, installed_kernel, kernel_files
from pyinsmod.kernel_facts.other_kernel import OtherKernel, other_kernel
from pyinsmod.lean import TYPE_CHECKING
from vm.cache_folder import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

RUNNING = "running"
PACKAGES = (".deb", ".rpm")

HELP = (
    "a name of 'pyinsmod vm list', an exact release, a folder with kernel headers or an unpacked kernel package,"
    f" a .deb, an .rpm, a boot image, or a Module.symvers; {SEVERAL}"
)


class KernelUnavailable(PyinsmodError):
    """The kernel is known, and cannot be had now."""


def kernel_named(name: str) -> OtherKernel:
    """Return the kernel a user names; one of the store that is not there yet is downloaded.

    Raises:
        UsageError: there is no such kernel.
        KernelUnavailable: it cannot be downloaded or kept.
    """
    if not name:
        raise UsageError("--kernel wants the name of a kernel (pyinsmod vm list shows some)")
    facts_cache = FactsCache(f"{cache_folder()}/facts")
    if name == RUNNING:
        return _running(facts_cache)
    return other_kernel(_files(name), name, facts_cache)


def _running(facts_cache: FactsCache) -> OtherKernel:
    from pyinsmod.kernel_facts import running_kernel
    from pyinsmod.kernel_facts.module_tree import ModuleTree
    from pyinsmod.kernel_facts.paths import KernelPaths

    facts = running_kernel()
    return OtherKernel(facts, ModuleTree(KernelPaths().module_tree(facts.release), facts_cache))


def _files(name: str) -> KernelFiles:
    stored = _in_store(name)
    if stored is not None:
        return stored
    if os.path.exists(name):  # noqa: PTH110 - a name from the command line may be any bytes
        return _files_of_package(name) if name.endswith(PACKAGES) else kernel_files(name)
    installed = installed_kernel(name) if "/" not in name else None
    if installed is not None:
        return installed
    if "/" in name:
        raise UsageError(f"{name}: no such kernel: neither a file nor a folder")
    return _fetched(name)


def _in_store(name: str) -> KernelFiles | None:
    """Return a kernel of the store by its short name or its release; what stands in the store is whole.

    `fetch` also compares its checksum, before a machine boots it, and that takes longer than all the rest here.
    """
    store = f"{cache_folder()}/kernels"
    names = _names(store)
    for known in [name] if name in names else sorted(names):
        files = None if known.startswith(".") else kernel_files(f"{store}/{known}")
        if files is not None and name in (known, files.release):
            return files
    return None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _fetched(name: str) -> KernelFiles:
    from vm.catalogue import KERNELS
    from vm.errors import UnknownKernel, VmError
    from vm.kernel_store import fetch

    if name in KERNELS:
        note(f"fetching kernel {name}")
    try:
        return kernel_files(str(fetch(name).root))
    except UnknownKernel as unknown:
        raise UsageError(f"{unknown}; or name a folder, a package or a boot image") from unknown
    except VmError as failure:
        raise KernelUnavailable(f"kernel {name}: {failure}") from failure


def stored_kernels() -> list[str]:
    """Return the names of all kernels in the store for this architecture, oldest first as far as names tell."""
    from vm.catalogue import KERNELS, native_kernels

    store, native = f"{cache_folder()}/kernels", native_kernels()
    names = [name for name in _names(store) if not name.startswith(".") and (name in native or name not in KERNELS)]
    return sorted(
        names, key=lambda name: [int(word) if word.isdigit() else 0 for word in name.replace("-", ".").split(".")]
    )


def kernel_of_tree(root: str, release: str) -> OtherKernel | None:
    """Return the kernel of that release, if the files beside a tree of modules, this system or the store have it."""
    try:
        files = kernel_files(root)
    except UsageError:
        files = KernelFiles()
    found = files if files.release == release and (files.image or files.config) else None
    found = found or installed_kernel(release) or _in_store(release)
    return None if found is None else other_kernel(found, release, FactsCache(f"{cache_folder()}/facts"))


def unpacked_package(package: str) -> Path:
    """Return the folder in the cache that a package is unpacked in, once for each state of the file.

    Raises:
        UsageError: it is no package, or damaged.
        KernelUnavailable: it cannot be kept.
    """
    from hashlib import blake2b
    from pathlib import Path

    from vm.archive import unpack
    from vm.cache import built_whole, cache_root, insist_on_own, storage_errors_named
    from vm.errors import ArchiveUnreachable, VmError
    from vm.rpm_package import unpack_rpm

    state = os.stat(package)  # noqa: PTH116
    word = f"{os.path.realpath(package)}\0{state.st_size}\0{state.st_mtime_ns}".encode("utf-8", "surrogateescape")
    folder = cache_root() / "debs" / blake2b(word, digest_size=16).hexdigest()
    unpacks = unpack_rpm if package.endswith(".rpm") else unpack
    try:
        insist_on_own(cache_root())
        if not folder.exists():
            with storage_errors_named(), built_whole(folder) as scratch:
                unpacks(Path(package), scratch, leave_out=("usr/share/doc",))
    except ArchiveUnreachable as failure:
        raise UsageError(f"{package}: no package: {failure}") from failure
    except VmError as failure:
        raise KernelUnavailable(f"{package}: {failure}") from failure
    return folder


def _files_of_package(package: str) -> KernelFiles:
    folder = unpacked_package(package)
    try:
        return kernel_files(str(folder))
    except UsageError as failure:
        raise UsageError(str(failure).replace(f"{folder}:", f"{package}:").replace("folder", "package")) from failure
