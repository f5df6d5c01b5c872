"""What a user names → the files of one kernel: boot image, modules, headers, configuration.

Known layouts: an installed system or an unpacked package (boot/, lib/modules/ or usr/lib/modules/, usr/src/), a
folder lib/modules/RELEASE by itself, a folder of headers, a boot image or a list of exports (Module.symvers) by itself.
Debian, Fedora and openSUSE have their own places for headers and for that list.
"""

from __future__ import annotations

import os

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts import Fact
from pyinsmod.kernel_facts.files import is_folder, read_unpacked
from pyinsmod.kernel_facts.headers import CONFIGS, EXPORTS, RELEASES, KernelHeaders, export_line
from pyinsmod.lean import Iterable, NamedTuple

_IMAGE_NAMES = ("vmlinuz", "vmlinux", "bzImage", "Image.gz")
_BUILT_IMAGES = ("arch/x86/boot/bzImage", "arch/arm64/boot/Image.gz", "arch/riscv/boot/Image")
_MODULE_FOLDERS = ("lib/modules", "usr/lib/modules")
# Debian: linux-headers-RELEASE, Fedora: kernels/RELEASE.
_HEADER_FOLDERS = ("usr/src/linux-headers-", "usr/src/kernels/")
# openSUSE: linux-VERSION-obj/ARCHITECTURE/FLAVOUR, which says its release inside.
_BUILD_FOLDERS = "/usr/src/linux-*-obj/*/*"
_LONGEST_LINE = 1000
_PACKINGS = ("", ".gz", ".xz", ".zst")


class KernelFiles(NamedTuple):
    """Where the files of a kernel are; the empty string stands for what there is not.

    Attributes:
        release: what they are named by; empty when only the image itself can tell.
        image: vmlinuz, or vmlinux.
        modules: the folder lib/modules/RELEASE.
        headers: the folder that modules are built against.
        config: the build options, when they stand in a file of their own.
        symvers: what it exports, when that stands elsewhere than in the headers.
    """

    release: str = ""
    image: str = ""
    modules: str = ""
    headers: str = ""
    config: str = ""
    symvers: str = ""

    @property
    def exports(self) -> str:
        """The list of exports, wherever it stands."""
        return self.symvers or (f"{self.headers}/{EXPORTS}" if self.headers else "")


def kernel_files(path: str) -> KernelFiles:
    """Return the files of the kernel that a path names.

    Raises:
        UsageError: it names none, or more than one; the text says what to name instead.
    """
    if not is_folder(path):
        return _files_beside(path)
    path = path.rstrip("/") or "/"
    if any(_exists(f"{path}/{name}") for name in (EXPORTS, *RELEASES)):
        return _files_of_headers(path)
    if any(_exists(f"{path}/{name}") for name in ("modules.order", "modules.dep", "modules.builtin")):
        root, release = _root_of_modules(path)
        return _files_of_release(root, release)._replace(modules=path)
    releases = _releases_below(path)
    if not releases:
        raise UsageError(f"{path}: no kernel in this folder: no boot image, modules or headers")
    if len(releases) > 1:
        raise UsageError(f"{path}: several kernels are in this folder: {', '.join(releases)}; name a folder of one")
    return _files_of_release("" if path == "/" else path, releases[0])


def installed_kernel(release: str, root: str = "") -> KernelFiles | None:
    """Return the files of a kernel that is installed on this system; None when there are none of that release."""
    files = _files_of_release(root, release)
    return files if files.image or files.modules or files.headers else None


def _files_of_headers(folder: str) -> KernelFiles:
    """Headers, or the folder a kernel was built in: that one has its boot image as well."""
    image = _first(f"{folder}/{name}" for name in _BUILT_IMAGES)
    return KernelFiles(
        KernelHeaders(folder).release, image, headers=folder, config=_first(f"{folder}/{name}" for name in CONFIGS)
    )


def _files_of_release(root: str, release: str) -> KernelFiles:
    modules = _first(f"{root}/{folder}/{release}" for folder in _MODULE_FOLDERS)
    beside_modules = [f"{root}/{folder}/{release}" for folder in _MODULE_FOLDERS]
    headers = _first(
        (
            *(f"{root}/{folder}{release}" for folder in _HEADER_FOLDERS),
            *(folder for folder in _build_folders(root) if KernelHeaders(folder).release == release),
            *_build_folder(root, modules),
        )
    )
    config = _first((f"{root}/boot/config-{release}", *(f"{folder}/config" for folder in beside_modules)))
    image = _first(
        (
            *(f"{root}/boot/{name}-{release}" for name in _IMAGE_NAMES),
            *(f"{folder}/{name}" for folder in beside_modules for name in _IMAGE_NAMES),
        )
    )
    listed = (f"{root}/boot/symvers-{release}", *(f"{folder}/symvers" for folder in beside_modules))
    symvers = _first(f"{name}{packing}" for name in listed for packing in _PACKINGS)
    if headers and _exists(f"{headers}/{EXPORTS}"):
        symvers = ""
    config = config or (_first(f"{headers}/{name}" for name in CONFIGS) if headers else "")
    return KernelFiles(release, image, modules, headers, config, symvers)


def _build_folders(root: str) -> list[str]:
    from glob import escape, glob

    return sorted(glob(escape(root) + _BUILD_FOLDERS))  # noqa: PTH207 - see paths.py


def _build_folder(root: str, modules: str) -> tuple[str, ...]:
    """Return the link to the headers. In an unpacked package it leads out, to another kernel's perhaps."""
    link = f"{modules}/build"
    return (link,) if modules and (not root or not os.path.islink(link)) else ()  # noqa: PTH114 - see paths.py


def _root_of_modules(folder: str) -> tuple[str, str]:
    """Split …/lib/modules/RELEASE into the root, without its /usr, and the release."""
    whole = os.path.realpath(folder)
    base, _, release = whole.rpartition("/")
    for place in reversed(_MODULE_FOLDERS):
        if base.endswith(f"/{place}"):
            return base.removesuffix(f"/{place}"), release
    return whole, release


def _releases_below(root: str) -> list[str]:
    """Return the releases that modules, boot images or headers are named by, in order."""
    found = {name for folder in _MODULE_FOLDERS for name in _names(f"{root}/{folder}")}
    for name in _names(f"{root}/boot"):
        kind, dash, release = name.partition("-")
        if dash and kind in _IMAGE_NAMES:
            found.add(release)
    for folder in _HEADER_FOLDERS:
        place, _, prefix = folder.rpartition("/")
        for name in _names(f"{root}/{place}"):
            if name.startswith(prefix) and _exists(f"{root}/{place}/{name}/{EXPORTS}"):
                found.add(name.removeprefix(prefix))
    found.update(KernelHeaders(folder).release for folder in _build_folders(root))
    found.discard("")
    return sorted(found)


def _files_beside(file: str) -> KernelFiles:
    """Return a boot image, or a list of exports, with what stands in the known places around it."""
    if not os.path.isfile(file):  # noqa: PTH113 - see paths.py
        raise UsageError(f"{file}: no such kernel: neither a file nor a folder")
    folder, _, name = os.path.realpath(file).rpartition("/")
    if name.startswith("System.map"):
        raise UsageError(f"{file}: names and addresses, no versions; name the vmlinux or {EXPORTS} that belongs to it")
    kind, _, release = name.partition("-")
    listing = _is_list_of_exports(file, name)
    of_it = KernelFiles(symvers=file) if listing else KernelFiles(image=file)
    if kind in (*_IMAGE_NAMES, "symvers") and release and folder.endswith("/boot"):
        around = _files_of_release(folder.removesuffix("/boot"), _unsuffixed(release) if listing else release)
    elif any(folder.rpartition("/")[0].endswith(f"/{place}") for place in _MODULE_FOLDERS):
        around = _files_of_release(*_root_of_modules(folder))
    elif name == EXPORTS or (name in _IMAGE_NAMES and _exists(f"{folder}/{EXPORTS}")):
        around = _files_of_headers(folder)
    else:
        return of_it
    return around._replace(symvers=file) if listing else around._replace(image=file)


def _is_list_of_exports(file: str, name: str) -> bool:
    """Tell whether a file is a Module.symvers by its first line, packed only if it is called like one.

    Raises:
        UsageError: it is called like one and is none.
    """
    called = "symvers" in name
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - see paths.py
            head = opened.read(_LONGEST_LINE)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    content = read_unpacked(file) if called else Fact(head, file)
    line = (content.value or b"")[:_LONGEST_LINE].partition(b"\n")[0].decode("utf-8", "replace")
    found = export_line(line) is not None
    if called and not found:
        raise UsageError(f"{file}: lists no exported symbols" if content.value is not None else content.source)
    return found


def _unsuffixed(release: str) -> str:
    return release.removesuffix(next(filter(release.endswith, _PACKINGS[1:]), ""))


def _first(paths: Iterable[str]) -> str:
    return next(filter(_exists, paths), "")


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - see paths.py


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - see paths.py
    except OSError:
        return []
