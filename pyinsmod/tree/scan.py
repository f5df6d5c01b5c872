"""The first pass over a tree: each file once, whatever the number of kernels.

What comes of a file is plain values, so that it can be sent from one process to another.
"""

from __future__ import annotations

import os
import stat
from errno import ENOENT

from pyinsmod.checks import findings_of
from pyinsmod.compression import compression_of
from pyinsmod.elf_format import MAGIC
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.module_tree import crcs_of
from pyinsmod.lean import TYPE_CHECKING, Any, NamedTuple, Sequence, TypeAlias
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.tree.exported import exports_of
from pyinsmod.tree.quick import CLEAN, Answer, Key, answer
from pyinsmod.tree.signed import Signatures
from pyinsmod.tree.sources import Bytes, FileBytes, MemoryBytes
from pyinsmod.tree.sweep import Sound, sound_module
from pyinsmod.tree.target import Target

if TYPE_CHECKING:
    from pyinsmod.checks.patch_tests import Tests

# So many bytes tell whether a file is compressed.
MAGIC_SIZE = 6
_IMPORT = b"\0import_ns="
Plain: TypeAlias = tuple[Any, ...]


class Row(NamedTuple):
    """What the first pass makes of one file.

    Attributes:
        name: the module's name; None for what is none.
        exports: what it exports, each as the fields of a TreeExport.
        imports: the namespaces it imports.
        vermagic: its version magic, where it is known.
        answers: for each kernel what `quick` says, None where it does not know.
        undefined: strong undefined symbols, where some answer is not known.
        fault: what is wrong with a file that could not be looked at.
    """

    name: bytes | None
    exports: tuple[Plain, ...] = ()
    answers: tuple[Answer | None, ...] = ()
    imports: tuple[bytes, ...] = ()
    vermagic: bytes = b""
    undefined: tuple[bytes, ...] = ()
    fault: Finding | None = None

    @classmethod
    def from_plain(cls, plain: Plain) -> Row:
        """Make it again from what `to_plain` returned."""
        name, exports, answers, imports, vermagic, undefined, fault = plain
        made = tuple([None if each is None else Answer(*each) if each else CLEAN for each in answers])
        found = None if fault is None else Finding(*fault)
        return cls(name, exports, made, imports, vermagic, undefined, found)

    @classmethod
    def joined(cls, parts: Sequence[Row]) -> Row:
        """Make it of the answers of several kernels, each a row by itself."""
        first = next((part for part in parts if part.fault), parts[0])
        if first.fault or len(parts) == 1:
            return first
        answers = tuple([answer for part in parts for answer in part.answers])
        undefined = next((part.undefined for part in parts if part.undefined), ())
        return first._replace(answers=answers, undefined=undefined)

    def part(self, place: int) -> Row:
        """Return it with the answer of one kernel only."""
        if len(self.answers) < 2:
            return self
        answer = self.answers[place]
        return self._replace(answers=(answer,), undefined=self.undefined if answer is None else ())

    def to_plain(self) -> Plain:
        """Return it as built-in types only."""
        answers = tuple([None if each is None else () if each is CLEAN else tuple(each) for each in self.answers])
        fault = None if self.fault is None else tuple(self.fault)
        return (
            self.name,
            self.exports,
            answers,
            self.imports,
            self.vermagic,
            self.undefined,
            fault,
        )


class Scanned(NamedTuple):
    """What comes of some files.

    Attributes:
        rows: one of each, as `Row.to_plain` has it.
        said: (number of the kernel, key) with what the check says, each finding as its fields.
    """

    rows: list[Plain]
    said: list[tuple[tuple[int, Key], tuple[Plain, ...]]]


class Scanner:
    """Looks at files, in one process: what it found out about one module serves for the next."""

    def __init__(self, targets: Sequence[Target], *, relocations: bool = True) -> None:
        self._targets = targets
        self._relocations = relocations
        self._tests: list[Tests] = []
        if relocations:
            from pyinsmod.checks.patch_tests import Tests
            from pyinsmod.tree.followed import usual_for  # as big as all the rest

            self._tests = [Tests.of(target.facts) for target in targets]
            self._usual_for = usual_for
        self._signatures = Signatures()
        # (number of the kernel, key) → what the check says.
        self._said: dict[tuple[int, Key], tuple[Plain, ...]] = {}

    def batch(self, files: Sequence[str]) -> Scanned:
        """Return the rows of some files, and what checks say for the keys that came up for the first time."""
        before = len(self._said)
        rows = [self.row(file).to_plain() for file in files]
        return Scanned(rows, list(self._said.items())[before:])

    def batch_of(self, contents: Sequence[bytes]) -> Scanned:
        """Return the same for the contents of files, with what checks say for all keys that come up in them."""
        rows = list(map(self.row_of, contents))
        pairs = {(number, key) for row in rows for number, each in enumerate(row.answers) if each for key in each.keys}
        return Scanned([row.to_plain() for row in rows], [(pair, self._said[pair]) for pair in pairs])

    def row_of(self, content: bytes) -> Row:
        """Return what comes of a file's contents."""
        try:
            if compression_of(content[:MAGIC_SIZE]):
                content = bytes(read_image(content).data)
            return self._looked_at(MemoryBytes(content))
        except MalformedModule as error:
            return Row(None, fault=Finding("file", 3, "cannot-tell", str(error)))

    def row(self, file: str) -> Row:
        """Return what comes of a file."""
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            return _unreadable(file, error)
        try:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return _no_regular_file(state.st_mode)
            source: Bytes = FileBytes(descriptor, state.st_size, whole=self._relocations)
            magic = source.piece(0, MAGIC_SIZE)
            if magic[: len(MAGIC)] != MAGIC and compression_of(magic):
                source = MemoryBytes(bytes(read_image(source.whole()).data))
            return self._looked_at(source)
        except OSError as error:
            return _unreadable(file, error)
        except MalformedModule as error:
            return Row(None, fault=Finding("file", 3, "cannot-tell", str(error)))
        finally:
            os.close(descriptor)

    def _looked_at(self, source: Bytes) -> Row:
        sound = sound_module(source)
        exports = None if sound is None else exports_of(source, sound)
        if sound is None or exports is None:
            return _odd(ModuleImage(source.whole()), len(self._targets))
        names = frozenset([export[0] for export in exports])
        answers = tuple(answer(source, sound, target, names, self._signatures) for target in self._targets)
        if self._relocations and any(map(_goes_on, answers)):
            answers = self._relocated(source.whole(), sound, answers)
        for number, each in enumerate(answers):
            for key in each.keys if each else ():
                if (number, key) not in self._said:
                    self._said[number, key] = self._ask(source, number, key)
        undefined = tuple(name for name in sound.undefined if name not in sound.weak) if None in answers else ()
        imports = sound.modinfo.split(_IMPORT)[1:] if _IMPORT in sound.modinfo else ()
        spaces = tuple(each.partition(b"\0")[0] for each in imports)
        return Row(sound.name, exports, answers, spaces, sound.vermagic, undefined)

    def _relocated(self, content: bytes, sound: Sound, answers: tuple[Answer | None, ...]) -> tuple[Answer | None, ...]:
        """Return the answers that hold when relocations and the tables that are followed are looked at as well."""
        usual = self._usual_for(content, sound, self._tests)
        return tuple(
            each if not _goes_on(each) or usual[tests] else None
            for each, tests in zip(answers, self._tests, strict=True)
        )

    def _ask(self, source: Bytes, number: int, key: Key) -> tuple[Plain, ...]:
        """Ask the check itself. A line of the log has the name of this module in it, and goes for no other."""
        image = ModuleImage(source.whole())
        found = findings_of(str(key[0]), image, self._targets[number].facts, LoadRequest())
        return tuple(tuple(each._replace(log=None)) for each in found)


def _goes_on(answer: Answer | None) -> bool:
    """Tell whether the kernel comes to the relocations, as far as is known."""
    return answer is not None and not any(key[0] == "elf" for key in answer.keys)


def _unreadable(file: str, error: OSError) -> Row:
    """A file that cannot be read is one of which nothing can be told: the kernel will read it with other rights."""
    if error.errno == ENOENT and os.path.islink(file):  # noqa: PTH114 - see paths.py
        return Row(None, fault=Finding("file", 2, "cannot-tell", "cannot be read: a link to nothing"))
    return Row(None, fault=Finding("file", 2, "cannot-tell", f"cannot be read: {error.strerror}"))


def _no_regular_file(mode: int) -> Row:
    from pyinsmod.module_file import KINDS  # with ctypes behind it

    kind = KINDS.get(stat.S_IFMT(mode), "not a regular file")
    return Row(
        None,
        fault=Finding(
            "file", 5, "refuses", kind, errno="EINVAL", module_has=kind, kernel_has="reads regular files only"
        ),
    )


def _odd(image: ModuleImage, targets: int) -> Row:
    """Return what can be told of a module that is not sound for certain, or none at all."""
    try:
        name = (image.name or "").encode("utf-8", "surrogateescape")
        wanted = tuple(_raw(symbol.name) for symbol in image.undefined_symbols if not symbol.weak)
        crcs = crcs_of(image)
        exports = tuple(
            (_raw(each.name), crcs.get(each.name), each.gpl, _raw(each.namespace or "")) for each in image.exports
        )
        return Row(name, exports, (None,) * targets, undefined=wanted)
    except MalformedModule:
        known = image.known_name
        return Row(None if known is None else _raw(known), answers=(None,) * targets)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
