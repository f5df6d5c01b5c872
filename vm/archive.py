"""Packages of Debian's archive through an apt of our own: nothing of the host's apt is touched or needed.

Each suite gets its own configuration, lists and cache below the project's cache folder. apt verifies
signatures and checksums; dpkg-deb unpacks; nothing is installed. The archive's address is read from the
host's apt sources (`apt-get indextargets` understands all their formats), or taken from the environment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vm.architectures import ARCHITECTURES, Architecture
from vm.cache import cache_root, locked
from vm.errors import ArchiveUnreachable, MissingTool

MIRROR_VARIABLE = "PYINSMOD_DEBIAN_MIRROR"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Suites that are no distribution by themselves → the one their packages' dependencies are looked for in.
COMPLETED_BY = {"experimental": "sid"}
# Suites by the other name that mirrors have them under: one of the two may be there while the other is still written.
ALSO_CALLED = {"bullseye": "oldoldstable", "bookworm": "oldstable", "trixie": "stable"}
DEBIAN_SUITE = re.compile(r"(?:bullseye|bookworm|trixie|forky|duke|sid|(?:old){0,2}stable|testing|unstable)$")

APT_CONFIGURATION = """\
Dir::State "{root}";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc "{root}/etc";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/etc/sources.list.d";
APT::Architecture "{architecture}";
APT::Architectures "{architecture}";
APT::Default-Release "{suite}";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "30";
"""

# Release files of rolling suites expire within days; a frozen mirror is still signed, and that is checked.
SOURCES = """\
Types: deb
URIs: {mirror}
Suites: {suites}
Components: main
Architectures: {architecture}
Signed-By: {keyring}
Check-Valid-Until: no
"""


class Suite:
    """One suite of the archive, e.g. `bookworm`, as an isolated apt of one architecture sees it."""

    def __init__(self, name: str, architecture: Architecture = ARCHITECTURES["x86_64"]) -> None:
        self.name = name
        self._architecture = architecture.debian
        self._root = cache_root() / "apt" / f"{name}-{architecture.debian}"

    def refresh(self) -> None:
        """Fetch the suite's package lists; raise ArchiveUnreachable when the archive cannot be had.

        When a name leads to another suite one day, apt does not take it: it knows the suite by its code name.
        """
        mirror = debian_mirror()
        with locked(self._root):
            try:
                self._update(mirror, self.name)
            except ArchiveUnreachable:
                if self.name not in ALSO_CALLED:
                    raise
                with contextlib.suppress(ArchiveUnreachable):
                    return self._update(mirror, ALSO_CALLED[self.name])
                raise

    def _update(self, mirror: str, name: str) -> None:
        self._configure(mirror, name)
        self._apt("apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any")

    def closure(self, *packages: str) -> list[str]:
        """Return `packages` and all they depend on, as the names apt would download."""
        listing = self._apt("apt-get", "install", "--print-uris", "--yes", *packages)
        return sorted({line.split()[1].partition("_")[0] for line in listing.splitlines() if line.startswith("'")})

    def unpack(self, packages: Iterable[str], root: Path, *, leave_out: tuple[str, ...] = ()) -> list[str]:
        """Download packages, verified by apt, and unpack them below `root`; return the names of the .deb files.

        Those lie in `root` meanwhile: whoever removes it after an accident removes all.

        Raises:
            ArchiveUnreachable: the archive cannot give them, or see `unpack`.
            OSError: the disk is full.
        """
        downloads = root / ".debs"
        downloads.mkdir(parents=True)
        try:
            self._apt("apt-get", "-q", "download", *packages, folder=downloads)
            files = sorted(downloads.glob("*.deb"))
            for file in files:
                unpack(file, root, leave_out=leave_out)
        finally:
            shutil.rmtree(downloads)
        return [file.name for file in files]

    def _configure(self, mirror: str, name: str) -> None:
        for part in (
            "lists/partial",
            "cache/archives/partial",
            "etc/sources.list.d",
            "etc/apt.conf.d",
            "etc/preferences.d",
        ):
            (self._root / part).mkdir(parents=True, exist_ok=True)
        (self._root / "status").touch()
        values = {
            "root": self._root,
            "architecture": self._architecture,
            "suite": self.name,
            "suites": " ".join(filter(None, (name, COMPLETED_BY.get(self.name)))),
            "mirror": mirror,
            "keyring": KEYRING,
        }
        (self._root / "apt.conf").write_text(APT_CONFIGURATION.format(**values))
        (self._root / "etc/sources.list.d/debian.sources").write_text(SOURCES.format(**values))

    def _apt(self, *command: str, folder: Path | None = None) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self._root / "apt.conf"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            _raise_if_full(done.stderr, self._root)
            complaints = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["E: no reason given"]
            raise ArchiveUnreachable(
                f"Debian's archive, suite {self.name}: {complaints[0].removeprefix('E: ')}"
                f" (address from the host's apt sources; {MIRROR_VARIABLE} overrides it)"
            )
        return done.stdout


def debian_mirror() -> str:
    """Return the address of a Debian archive: `$PYINSMOD_DEBIAN_MIRROR`, else the host's own apt source."""
    chosen = os.environ.get(MIRROR_VARIABLE)
    if chosen:
        return chosen
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise MissingTool("kernels come as Debian packages and this host has no apt: use the Vagrantfile (see README)")
    if not KEYRING.exists():
        raise MissingTool("Debian's archive keys are missing: sudo apt-get install debian-archive-keyring")
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    for line in listing.splitlines():
        uri, _, suite = line.partition(" ")
        if DEBIAN_SUITE.match(suite) and "security" not in uri:
            return uri
    raise ArchiveUnreachable(f"no Debian archive among this host's apt sources: set {MIRROR_VARIABLE} to one's address")


def unpack(package: Path, root: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Unpack a .deb below `root`, keeping symlinked folders (merged /usr).

    Raises:
        OSError: the disk is full.
        ArchiveUnreachable: it is damaged, or would write outside `root` through a link that an earlier package left.
    """
    _refuse_ways_out(package, root)
    options = [f"--exclude=./{pattern}" for pattern in leave_out]
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as archive:
        extraction = subprocess.run(
            ["tar", "-x", "--no-same-owner", "--keep-directory-symlink", *options, "-C", str(root)],
            stdin=archive.stdout, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        complaint = archive.stderr.read() if archive.stderr else b""
    if archive.returncode or extraction.returncode:
        words = (extraction.stderr or complaint).decode(errors="replace").strip()
        _raise_if_full(words, root)
        reason = words.splitlines()[-1] if words else "no reason given"
        raise ArchiveUnreachable(f"{package.name} could not be unpacked: {reason}")


def _raise_if_full(words: str, place: Path) -> None:
    """Raise what the system would have raised, if a program says that its disk is full."""
    if os.strerror(errno.ENOSPC) in words:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place))


def _refuse_ways_out(package: Path, root: Path) -> None:
    """Raise for a member below a link that leads out of `root`: of links in the same package tar takes care itself."""
    inside = f"{root.resolve()}/"
    links = [path for path in root.rglob("*") if path.is_symlink() and not f"{path.resolve()}/".startswith(inside)]
    ways_out = [f"{path.relative_to(root)}/" for path in links if path.is_dir()]
    if not ways_out:
        return
    for name in _members(package):
        way = next(filter(name.startswith, ways_out), None)
        if way is not None:
            raise ArchiveUnreachable(f"{package.name} could not be unpacked: {way!r} leads out of its folder")


def _members(package: Path) -> Iterator[str]:
    """Yield the names in a .deb as they are, folders with a slash.

    A listing for people (`dpkg-deb --contents`) has its own way with what cannot be printed.
    """
    with subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as unpacking:
        # A damaged one is for tar to complain of.
        with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=unpacking.stdout, mode="r|") as members:
            for member in members:
                yield posixpath.normpath(member.name) + "/" * member.isdir()
        unpacking.kill()
