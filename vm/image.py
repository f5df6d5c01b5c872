"""The guest image: a Debian userland, the guest's scripts and what the caller adds, as one initramfs.

Built without root from Debian packages (see vm.catalogue) with a merged /usr, as Debian has it. busybox
fills in for every command no other package brings.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from vm import byte_code
from vm.architectures import Architecture
from vm.archive import Suite
from vm.cache import built_whole, cache_root, locked, storage_errors_named
from vm.catalogue import USERLAND_PACKAGES, foreign_programs, userland_suite
from vm.cpio import CpioWriter
from vm.errors import StoreBroken
from vm.kernel_store import Kernel

GUEST_SCRIPTS = Path(__file__).parent / "guest"
PYTHON_FOLDER = "usr/lib/python3/dist-packages"
LEFT_OUT = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/info",
    "var/*",
)
MERGED_FOLDERS = ("bin", "sbin", "lib", "lib64")
EMPTY_FOLDERS = ("proc", "sys", "dev", "run", "root", "tmp", "etc", "var/log", "var/tmp", "usr/local/bin")
APPLET_NAMES = re.compile(rb"(\[\0\[\[\0(?:[\w.+-]+\0)+)\0")
FORMAT = 4  # raise it when this file builds another image from the same inputs
USERLAND_FORMAT = 2  # raise it when this file unpacks another userland from the same packages


@dataclass(frozen=True)
class GuestContent:
    """What the caller puts into the guest beside the userland.

    Attributes:
        python_packages: folders that become importable in the guest.
        left_out: folders and files of these packages, `tracer/report`, that no guest has a use for.
        files: guest path without leading slash → content; executable when below a `bin` folder.
        preload: Python modules the agent imports before the snapshot is taken.
        warm_up: `module:function` of functions the agent calls before the snapshot.
        warm: command name → `module:function`, run as a fork of the agent instead of a new interpreter.
    """

    python_packages: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    warm_up: tuple[str, ...] = ()
    warm: Mapping[str, str] = field(default_factory=dict)


class Image(Protocol):
    """An initramfs: by its key, and as a file when one is wanted."""

    @property
    def key(self) -> str:
        """A name that changes with what is in it."""

    def write(self, target: Path) -> None:
        """Write it."""


@dataclass(frozen=True)
class OwnImage:
    """An image made on this host, of a kernel of its store and of `content`."""

    kernel: Kernel
    content: GuestContent

    @cached_property
    def key(self) -> str:
        """See `image_key`."""
        return image_key(self.content, self.kernel.architecture)

    def write(self, target: Path) -> None:
        """See `write_image`."""
        write_image(target, self.kernel, self.content)


def image_key(content: GuestContent, architecture: Architecture) -> str:
    """Return a name that changes with everything that goes into the image but the packages' versions."""
    digest = hashlib.sha256(repr((FORMAT, _userland_recipe(architecture))).encode())
    digest.update(
        repr((sorted(content.files.items()), content.preload, content.warm_up, sorted(content.warm.items()))).encode()
    )
    for folder in (GUEST_SCRIPTS.parent, *content.python_packages):
        for path, name in _files(folder, content.left_out):
            with open(path, "rb") as file:  # noqa: PTH123 - hundreds of files at every start
                data = file.read()
            digest.update(f"{name} {len(data)}\n".encode())
            digest.update(data)
    return digest.hexdigest()[:16]


def write_image(target: Path, kernel: Kernel, content: GuestContent) -> None:
    """Write the initramfs: userland, guest scripts, `content`, and the kernel's modules and configuration."""
    userland = _userland(kernel.architecture)
    with target.open("wb") as output, CpioWriter(output) as archive:
        archive.tree(userland)
        for name in EMPTY_FOLDERS:
            archive.directory(name)
        archive.character_device("dev/console", 5, 1)
        _add_scripts(archive, content, kernel.architecture)
        compiled = byte_code.fits(userland)
        for package in (GUEST_SCRIPTS.parent, *content.python_packages):
            _add_package(archive, package, content.left_out, compiled=compiled)
        for name, data in content.files.items():
            archive.file(name, data, 0o755 if "bin/" in name else 0o644)
        archive.directory(f"usr/lib/modules/{kernel.release}")
        archive.tree(kernel.modules, f"usr/lib/modules/{kernel.release}/")
        if kernel.configuration:
            archive.file(f"boot/config-{kernel.release}", kernel.configuration.read_bytes())


def _add_package(archive: CpioWriter, package: Path, left_out: tuple[str, ...], *, compiled: bool) -> None:
    for path, name in _files(package, left_out):
        place = f"{PYTHON_FOLDER}/{name}"
        archive.file(place, Path(path).read_bytes())
        code = byte_code.byte_code(Path(path), place) if compiled else None
        if code is not None:
            archive.file(*code)


def _add_scripts(archive: CpioWriter, content: GuestContent, architecture: Architecture) -> None:
    archive.file("init", (GUEST_SCRIPTS / "init").read_bytes(), 0o755)
    archive.file("usr/lib/vm/prepare", (GUEST_SCRIPTS / "prepare").read_bytes(), 0o755)
    for path in sorted((GUEST_SCRIPTS / "etc").iterdir()):
        archive.file(f"etc/{path.name}", path.read_bytes())
    configuration = {
        "channel": architecture.channel,
        "preload": list(content.preload),
        "warm_up": list(content.warm_up),
        "warm": dict(content.warm),
    }
    archive.file("etc/vm-agent.json", json.dumps(configuration).encode())


def _userland(architecture: Architecture) -> Path:
    """Return the unpacked userland, building it on first use."""
    target = cache_root() / "userland" / hashlib.sha256(_userland_recipe(architecture).encode()).hexdigest()[:16]
    with storage_errors_named(), locked(target):
        if not target.exists():
            suite = Suite(userland_suite(architecture), architecture)
            suite.refresh()
            with built_whole(target) as scratch:
                _unpack_userland(suite, architecture, scratch)
    return target


def _userland_recipe(architecture: Architecture) -> str:
    """Return a text that changes with whatever the userland is made of, but for the packages' versions."""
    programs = sorted(foreign_programs(architecture).items())
    suite = userland_suite(architecture)
    return repr((USERLAND_FORMAT, architecture.debian, suite, USERLAND_PACKAGES, programs, LEFT_OUT))


def _unpack_userland(suite: Suite, architecture: Architecture, root: Path) -> None:
    for name in MERGED_FOLDERS:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    suite.unpack(suite.closure(*USERLAND_PACKAGES), root, leave_out=LEFT_OUT)
    from vm import foreign  # needed once, and heavy

    _link_sh(root)
    _link_busybox(root)
    for name, program in foreign_programs(architecture).items():
        foreign.install(name, program, architecture, root)


def _link_sh(root: Path) -> None:
    shell = root / "usr/bin/sh"
    shell.unlink(missing_ok=True)
    shell.symlink_to("dash")


def _link_busybox(root: Path) -> None:
    """Link the applets that no package provides; on Debian a maintainer script would do so.

    Their names stand in the program (libbb/appletlib.c, `applet_names`), which this host need not be able to run.
    """
    applets = _applets((root / "usr/bin/busybox").read_bytes())
    present = {path.name for folder in ("bin", "sbin") for path in (root / "usr" / folder).iterdir()}
    for applet in applets:
        if applet not in present:
            (root / "usr/bin" / applet).symlink_to("busybox")


def _applets(busybox: bytes) -> list[str]:
    """Return the commands that a busybox has: sorted names, each with its end, the first of them `[` and `[[`."""
    names = APPLET_NAMES.search(busybox)
    if names is None:
        raise StoreBroken("the busybox of the guest's userland names no applets")
    return names[1].decode().split("\0")[:-1]


def _files(folder: Path, left_out: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the files below a package's folder: where each is, and its name from the package's own on."""
    found = []
    above = len(str(folder.parent)) + 1
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and f"{where}/{name}"[above:] not in left_out]
        found += [(f"{where}/{name}", f"{where}/{name}"[above:]) for name in names]
    return sorted(one for one in found if one[1] not in left_out)
