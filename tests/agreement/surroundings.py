"""What a machine's memory is made to be before a file is loaded once more, to see whether its answer stays the same.

What is read beside the file or beside the module is not the file's: if one and the same file is answered differently,
then no prediction from the file can be right, and that has been shown.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from pyinsmod.cli.reality import Attempt, Reality
from tests.agreement.case import Case
from tests.agreement.cases import Bench
from tracer.experiments.donor import Role
from tracer.experiments.init_code import Exit, Init
from tracer.experiments.module_spec import ModuleSpec

PROGRAM = Path(__file__).with_name("guest_memory.py")
GUEST_PATH = "/root/guest_memory.py"
PAGE = 4096
# Zeros of the large modules, in KiB; the first ones find room between areas that stand fast, the last ones do not.
_LARGE = (128, 128, 256, 512, 256, 128, 3072, 3072)
_TEETH = range(len(_LARGE))
# How far the code of others reaches: together they fill what modules have of a large page of code, where they share it.
_CODE = (*3 * (0x80000,), *5 * (0x10000,), *7 * (0x4000,))
# Those whose place is given free again: how many pages of data more than the least they have.
_SMALL = {"small": 0, "wide": 3}
_BY_TURNS = ",".join(f"{{small}}{number},large{number}" for number in _TEETH)
_THESE = ",".join(f"{{small}}{number}" for number in _TEETH)


def _names(kind: str, count: int) -> str:
    return ",".join(f"{kind}{number}" for number in range(count))


def _gaps(small: str) -> tuple[str, str]:
    return f"insert={_BY_TURNS.format(small=small)}", f"remove={_THESE.format(small=small)}"


# What earlier answers are called: the same kernel was booted another time then.
EARLIER = "earlier"

# Beside what is read: the copy of the file that the kernel works on, or the module's own memory; or what decides is how
# far the kernel is from the module.
Beside = Literal["file", "module", "distance"]


class Surroundings(NamedTuple):
    """One way to fill the memory.

    Attributes:
        name: unique; the answers are kept by it.
        beside: which memory it changes.
        words: what `guest_memory.py` is to do; `{pages}` stands for the pages of the file, its guard page included.
        says: the same, for people.
        parameters: words for the kernel's command line, which make it another machine.
    """

    name: str
    beside: Beside
    words: tuple[str, ...]
    says: str
    parameters: str = ""


SURROUNDINGS = (
    Surroundings("filled", "file", ("filled=2",), "every hole is taken, so that nothing stands behind the file"),
    Surroundings("thick", "file", ("filled=3",), "the same, by areas of twice the size"),
    Surroundings("zeros", "file", ("comb={pages},",), "16 MiB of zeros stand behind the file"),
    Surroundings("letters", "file", ("comb={pages},A",), "16 MiB of the letter A stand behind the file"),
    Surroundings(
        "addresses", "file", ("comb={pages},address",), "16 MiB of addresses of the kernel's code stand there"
    ),
    Surroundings("headers", "file", ("comb={pages},header",), "the same, and read as section headers they are of code"),
    Surroundings("pushed", "file", ("pushed",), "the file stands before the window to the devices' configuration"),
    Surroundings("ring", "file", ("pushed", "behind"), "the same, and a ring buffer of zeros stands behind the window"),
    Surroundings(
        "both", "file", (*_gaps("wide"), "comb={pages},"), "zeros behind the file, and others' data behind the module"
    ),
    Surroundings("after", "module", ("insert=large7",), "the module stands behind one with 3 MiB of zeros"),
    Surroundings("gaps", "module", _gaps("small"), "the module stands where others were, between some with much data"),
    Surroundings("wide gaps", "module", _gaps("wide"), "the same, and each place is three pages wider"),
    Surroundings("one odd", "module", (*_gaps("wide"), "insert=odd0"), "the same, and one more took a part of it"),
    Surroundings("two odd", "module", (*_gaps("wide"), "insert=odd0,odd1"), "the same, and two took a part of it"),
    Surroundings(
        "before data",
        "module",
        (
            *("insert=wide0,small0,wide1,small1,wide2", "remove=small0,small1", "insert=odd0,odd1"),
            *("remove=wide0", "insert=small2", "remove=wide1"),
        ),
        "each part of the module stands right before other ones' data",
    ),
    Surroundings(
        "new block",
        "module",
        (f"insert={_names('code', len(_CODE))}", f"block={_names('small', 16)}"),
        "where modules share large pages of code, those that there are are full",
    ),
    # Nothing is drawn then: modules are put right before the kernel (`module_init_limits`, arch/arm64).
    Surroundings(
        "near", "distance", (), "the kernel was booted with nokaslr, so that modules are near to it", "nokaslr"
    ),
)


class Fillers:
    """The other modules, made once for a kernel."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._made: dict[str, bytes] = {}

    def files(self, surroundings: Surroundings) -> dict[str, bytes]:
        """Return the files these surroundings want in the guest: path → content."""
        files = {GUEST_PATH: PROGRAM.read_bytes()}
        for word in surroundings.words:
            what, _, names = word.partition("=")
            if what in ("insert", "block"):
                files |= {f"/root/{name}.ko": self._module(name) for name in names.split(",")}
        return files

    def attempt(self, surroundings: Surroundings, attempt: Attempt) -> Attempt:
        """Return the attempt with the memory filled before."""
        if not surroundings.words:
            return attempt
        pages = -(-len(attempt.content) // PAGE) + 1
        words = (word.format(pages=pages) for word in surroundings.words)
        filling = ("python3", "-IS", GUEST_PATH, *words)
        return replace(attempt, files=self.files(surroundings), prepare=(filling,))

    def _module(self, name: str) -> bytes:
        if name not in self._made:
            spec = ModuleSpec(name, Init(log=None), Exit(log=None))
            role: Role = "parametrised" if name.startswith("odd") else "plain"  # more addresses in its data
            self._made[name] = self._bench.built(role, faults_of(name), spec)
        return self._made[name]


def faults_of(name: str) -> tuple[str, ...]:
    """Return what makes a sound module one of the others: its data has more pages, the odd ones' text too."""
    kind = name.rstrip("0123456789")
    number = int(name.removeprefix(kind))
    if kind == "large":
        return (_zeros(_LARGE[number] * 1024),)
    if kind == "code":
        return (_text(_CODE[number]),)
    if kind == "odd":
        return (_zeros(2 * PAGE), _text(0x10000))
    return (_zeros(_SMALL[kind] * PAGE),)


def _text(size: int) -> str:
    return f"section-field:.exit.text.align={size:#x}"


def _zeros(size: int) -> str:
    return f"section-field:.bss.size={size:#x}"


def key_in(surroundings: Surroundings, case: Case, release: str) -> str:
    """Return by what an answer in these surroundings is kept: never that of the machine as it stands."""
    return f"{case.key(release)} in {surroundings.name}"


def is_answer(reality: Reality) -> bool:
    """Tell whether it is the kernel's answer to the file: a slow host is silent, too, and other things crash."""
    if reality.outcome == "crashed-kernel":
        return any("load_module" in line or "init_module" in line for line in reality.log)
    return reality.outcome != "hung" and reality.complaint is None
