"""Facts of the running kernel that take long to find out, kept for the time of its life: /run/pyinsmod/facts.

Only root reads and writes the file, it is trusted only if nobody else could have, and it holds for one boot and one
set of loaded modules. Whatever is wrong with it, the facts are found out anew: it is a matter of time, never of truth.

The file is a head, which is summed, and behind it the tables of the kernel's exports as they are: half a megabyte, of
which one module's check looks at some kilobytes, and so they are not summed.
"""

from __future__ import annotations

import marshal
from zlib import crc32

from pyinsmod.kernel_facts.facts import Fact
from pyinsmod.kernel_facts.files import read
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import (
    Any,
    Callable,
    Mapping,
    NamedTuple,
    TypeAlias,
    cached_property,
    os,
    stat,
)

Producers: TypeAlias = Mapping[str, Callable[[], Fact[Any]]]
Plain: TypeAlias = Mapping[str, tuple[Any, str]]
Revived: TypeAlias = Mapping[str, Callable[[Any], Any]]
Places: TypeAlias = Mapping[str, tuple[str, ...]]

MAGIC = b"pyinsmod facts 4\n"
CHECKSUM_SIZE = SIZE_SIZE = 4
FILE = "facts"
# What is longer stands behind the head, and in it as this word with its place and length.
LONGEST_IN_HEAD = 4096
BEHIND = "\0behind"
# Stands for the value of what is unknown, with the state of the places that might make it known.
UNKNOWN = "\0unknown"

# What decides how facts are read from the kernel: facts are no older than these files.
_READERS = (
    *("config.py", "export_lookup.py", "exported.py", "feature_lookup.py", "features.py", "ksymtab.py"),
    *("symbol_names.py", "symbol_table.py"),
)


class Store(NamedTuple):
    """The file in its folder, which must be `owner`'s alone."""

    folder: str
    owner: int

    def read(self, key: object) -> Plain | None:
        """Return what was written for this key; None when there is nothing that can be trusted."""
        try:
            folder = self._opened_folder()
            try:
                file = self._opened(FILE, os.O_RDONLY, folder)
            finally:
                os.close(folder)
            try:
                return _unpacked(_mapped(file), key)
            finally:
                os.close(file)
        except (OSError, ValueError):  # ValueError: an empty file
            return None

    def write(self, key: object, facts: Plain) -> None:
        """Write the file whole or not at all; where that is not possible, nothing is kept."""
        from pyinsmod.kernel_facts.remembering import packed, write_in  # once for each boot

        write_in(self.folder, FILE, packed(key, facts), self._opened_folder)

    def _opened_folder(self) -> int:
        return self._opened(self.folder, os.O_RDONLY | os.O_DIRECTORY, None)

    def _opened(self, path: str, flags: int, folder: int | None) -> int:
        """Open what is the owner's and nobody else's; raise PermissionError for anything else."""
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        state = os.fstat(descriptor)
        if state.st_uid != self.owner or state.st_mode & 0o077 or not (folder is None or stat.S_ISREG(state.st_mode)):
            os.close(descriptor)
            raise PermissionError(path)
        return descriptor


class Keeper:
    """Facts found in the store, or found out when they are asked for, and written when the one who asked says so.

    Args:
        revived: fact → what makes its value again of plain built-in types. Such a value has `to_plain`; what comes
            without it is from a poorer source (kptr_restrict, lockdown), and not kept: the next run may see more.
            It raises OSError for what cannot be made again.
        unknown_until: fact → files or folders. While they stay as they are it stays unknown, once it was; others
            are looked for anew.
    """

    def __init__(
        self,
        store: Store,
        paths: KernelPaths,
        producers: Producers,
        revived: Revived,
        unknown_until: Places | None = None,
    ) -> None:
        self._store = store
        self._paths = paths
        self._producers = producers
        self._revived = revived
        self._unknown_until = unknown_until or {}
        self._written: Mapping[str, tuple[Any, str]] = {}

    def facts(self) -> Producers:
        """Return what finds each fact here."""
        return {name: self._getter(name) for name in self._producers}

    def _getter(self, name: str) -> Callable[[], Fact[Any]]:
        return lambda: self._fact(name)

    @cached_property
    def _key(self) -> object | None:
        return circumstances(self._paths)

    @cached_property
    def _known(self) -> dict[str, Fact[Any]]:
        """What the store has."""
        self._written = (None if self._key is None else self._store.read(self._key)) or {}
        known = {}
        for name, (value, source) in self._written.items():
            try:
                known[name] = Fact(self._again(name, value), source)
            except OSError:
                continue
        return known

    def _again(self, name: str, plain: Any) -> Any:
        """Return the value that was kept as plain built-in types; raise OSError when it is to be looked for anew."""
        if isinstance(plain, tuple) and plain[:1] == (UNKNOWN,):
            if plain[1:] != self._states(name):
                raise FileNotFoundError(name)
            return None
        return self._revived[name](plain) if name in self._revived else plain

    def _fact(self, name: str) -> Fact[Any]:
        if name not in self._known:
            self._known[name] = self._producers[name]()
        return self._known[name]

    def write(self) -> None:
        """Write what is known now, if that is more than before and modules have neither come nor gone."""
        if "_known" not in vars(self):  # nobody asked
            return
        plain = {name: (self._plain(name, fact.value), fact.source) for name, fact in self._known.items()}
        plain = {name: kept for name, kept in plain.items() if kept[0] is not None}
        if self._key is not None and plain != self._written and circumstances(self._paths) == self._key:
            self._store.write(self._key, plain)
            self._written = plain

    def _plain(self, name: str, value: Any) -> object:
        if value is None and name in self._unknown_until:
            return UNKNOWN, *self._states(name)
        if name not in self._revived:
            return value
        return value.to_plain() if hasattr(value, "to_plain") else None

    def _states(self, name: str) -> tuple[tuple[int, ...], ...]:
        return tuple(_state_of(place) for place in self._unknown_until.get(name, ()))


def circumstances(paths: KernelPaths) -> object | None:
    """Return what the facts hold for: this boot, the modules that are loaded and where, and who reads them."""
    boot = read(f"{paths.proc}/sys/kernel/random/boot_id").value
    listed = read(paths.modules).value
    if not boot or listed is None:
        return None
    modules = []
    for line in listed.splitlines():
        words = line.split()  # name size references users state address [taints]
        modules.append((words[0], words[5] if len(words) > 5 else b""))
    own = __file__.rpartition("/")[0]
    return boot, tuple(modules), tuple(_state_of(f"{own}/{name}") for name in _READERS)


def _state_of(path: str) -> tuple[int, ...]:
    try:
        state = os.stat(path)
    except OSError:
        return ()
    return state.st_ino, state.st_size, state.st_mtime_ns


def _mapped(file: int) -> memoryview:
    """Return a file, of which a check looks at few pages; nobody ever changes it in its place."""
    from mmap import PROT_READ, mmap

    return memoryview(mmap(file, 0, prot=PROT_READ))


def _unpacked(raw: memoryview, key: object) -> Plain | None:
    start = len(MAGIC) + CHECKSUM_SIZE + SIZE_SIZE
    size = int.from_bytes(raw[start - SIZE_SIZE : start], "little")
    head, behind = raw[start : start + size], raw[start + size :]
    if raw[: start - SIZE_SIZE] != MAGIC + crc32(head).to_bytes(CHECKSUM_SIZE, "little"):
        return None
    try:
        written_for, facts = marshal.loads(head)  # noqa: S302 - root's own file, and its checksum is right
        return _with_long(facts, behind) if written_for == key else None
    except (ValueError, EOFError, TypeError):
        return None


def _with_long(value: Any, behind: memoryview) -> Any:
    """Return a value with long bytes put back into it; raise ValueError where the file ends before them."""
    if isinstance(value, tuple):
        if value[:1] == (BEHIND,):
            _, at, size = value
            if at + size > len(behind):
                raise ValueError("the file is cut short")
            return behind[at : at + size]
        return tuple(_with_long(each, behind) for each in value)
    return {name: _with_long(each, behind) for name, each in value.items()} if isinstance(value, dict) else value
