"""What a user names → the files of one kernel: boot image, modules, headers, configuration.

Known layouts: an installed system or an unpacked package (boot/, lib/modules/ or usr/lib/modules/, usr/src/), a
folder lib/modules/RELEASE by itself, a folder of headers, a boot image by itself.
"""

from __future__ import annotations

import os

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.files import is_folder
from pyinsmod.kernel_facts.headers import CONFIGS, EXPORTS, RELEASES, KernelHeaders
from pyinsmod.lean import Iterable, NamedTuple

_IMAGE_NAMES = ("vmlinuz", "vmlinux", "bzImage", "Image.gz")
_MODULE_FOLDERS = ("lib/modules", "usr/lib/modules")


class KernelFiles(NamedTuple):
    """Where the files of a kernel are; the empty string stands for what there is not.

    Attributes:
        release: what they are named by; empty when only the image itself can tell.
        image: vmlinuz, or vmlinux.
        modules: the folder lib/modules/RELEASE.
        headers: the folder that modules are built against.
        config: the build options, when they stand in a file of their own.
    """

    release: str = ""
    image: str = ""
    modules: str = ""
    headers: str = ""
    config: str = ""


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
    image = _first(f"{folder}/{name}" for name in ("arch/x86/boot/bzImage", "arch/arm64/boot/Image.gz"))
    return KernelFiles(
        KernelHeaders(folder).release, image, headers=folder, config=_first(f"{folder}/{name}" for name in CONFIGS)
    )


def _files_of_release(root: str, release: str) -> KernelFiles:
    modules = _first(f"{root}/{folder}/{release}" for folder in _MODULE_FOLDERS)
    beside_modules = [f"{root}/{folder}/{release}" for folder in _MODULE_FOLDERS]
    headers = _first((f"{root}/usr/src/linux-headers-{release}", *_build_folder(root, modules)))
    config = _first((f"{root}/boot/config-{release}", *(f"{folder}/config" for folder in beside_modules)))
    image = _first(
        (
            *(f"{root}/boot/{name}-{release}" for name in _IMAGE_NAMES),
            *(f"{folder}/{name}" for folder in beside_modules for name in _IMAGE_NAMES),
        )
    )
    return KernelFiles(release, image, modules, headers, config or _first(f"{headers}/{name}" for name in CONFIGS))


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
    for name in _names(f"{root}/usr/src"):
        if name.startswith("linux-headers-") and _exists(f"{root}/usr/src/{name}/{EXPORTS}"):
            found.add(name.removeprefix("linux-headers-"))
    return sorted(found)


def _files_beside(image: str) -> KernelFiles:
    """Return a boot image with what stands in the known places around it."""
    if not os.path.isfile(image):  # noqa: PTH113 - see paths.py
        raise UsageError(f"{image}: no such kernel: neither a file nor a folder")
    folder, _, name = os.path.realpath(image).rpartition("/")
    kind, _, release = name.partition("-")
    if kind in _IMAGE_NAMES and release and folder.endswith("/boot"):
        return _files_of_release(folder.removesuffix("/boot"), release)._replace(image=image)
    if name in _IMAGE_NAMES and any(folder.rpartition("/")[0].endswith(f"/{place}") for place in _MODULE_FOLDERS):
        return _files_of_release(*_root_of_modules(folder))._replace(image=image)
    return KernelFiles(image=image)


def _first(paths: Iterable[str]) -> str:
    return next(filter(_exists, paths), "")


def _exists(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - see paths.py


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - see paths.py
    except OSError:
        return []
