"""Will the module take its parameters? `parse_args` (kernel/params.c), which does not stop at a fault.

Every value is set, and the answer is that of the last bad one. A name nobody knows is no fault: the kernel says so
in its log and goes on.
"""

from __future__ import annotations

import errno

from pyinsmod.checks.special_sections import stray_parameter_names
from pyinsmod.errors import errno_name
from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import TYPE_CHECKING, Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

if TYPE_CHECKING:
    from collections import Counter

    from pyinsmod.parameter_values import Argument, Words
    from pyinsmod.parameters import KernelParameter

NAME, STEP = "parameters", 11

# `unknown_module_param_cb`: every module has these, spelled just so.
MAGIC = frozenset({b"async_probe", b"dyndbg"})

# A string of a megabyte can name half a million; nobody reads of more, and none of them changes the answer.
MOST_UNKNOWN = 20

Known = dict[bytes, "KernelParameter"]


def check_parameters(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a finding for each argument that is refused, ignored, or not what it looks like."""
    if not request.parameters:
        return
    stray = list(stray_parameter_names(image, facts, NAME, STEP))
    yield from stray
    if stray:
        return
    from pyinsmod.parameter_advice import accents
    from pyinsmod.parameter_values import split_arguments
    from pyinsmod.parameters import parameters_of

    known: Known = {}
    for parameter in parameters_of(image):
        known.setdefault(_key(parameter.name.encode("utf-8", "surrogateescape")), parameter)
    arguments, ignored, lone_quote = split_arguments(request.parameters.encode("utf-8", "surrogateescape"))
    if advice := accents(request.parameters):
        yield _finding("warns", *advice)
    line = _Line(image.struct_name or image.name or "", facts, known, arguments)
    for position in range(len(arguments)):
        yield from line.findings(position)
    if lone_quote:
        yield from _lone_quote(facts)
    if ignored:
        yield _finding(
            "warns",
            f"the kernel ignores what stands after '--': '{_text(ignored)}'",
            "leave out the --",
            log=f"{line.module}: parameters '{_text(ignored)}' after `--' ignored",
        )


def _lone_quote(facts: KernelFacts) -> Iterator[Finding]:
    """Yield what `next_arg` makes of a quote at the end: fixed in 6.0, by when kernels also knew more booleans."""
    possible = facts.has("bool-true-false-possible")
    if facts.has("bool-true-false"):
        return
    yield _finding(
        "crashes" if possible is False else "cannot-tell",
        "a double quote stands alone at the end: kernels before 6.0 read far behind the string for it, and crash",
        "leave out the quote, or close it",
    )


def _key(name: bytes) -> bytes:
    """`parameq`: a dash and an underscore are the same in a name."""
    return name.replace(b"-", b"_")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _finding(
    severity: Severity,
    summary: str,
    remedy: str | None = None,
    number: int | None = None,
    *,
    log: str | None = None,
    has: str | None = None,
) -> Finding:
    return Finding(NAME, STEP, severity, summary, errno_name(number) if number else None, has, None, remedy, log)


class _Line:
    """All arguments of a load, and what is known while they are set one by one."""

    def __init__(self, module: str, facts: KernelFacts, known: Known, arguments: list[Argument]) -> None:
        self.module = module
        self._facts = facts
        self._known = known
        self._arguments = arguments
        self._on: set[bytes] = set()
        from collections import Counter

        self._given = Counter(_key(argument.name) for argument in arguments)
        self._seen: Counter[bytes] = Counter()
        self._unknown_names = 0

    def findings(self, position: int) -> Iterator[Finding]:
        """Yield what is to be said of one argument."""
        argument = self._arguments[position]
        parameter = self._known.get(_key(argument.name))
        if parameter is not None:
            yield from self._set(position, argument, parameter)
            yield from self._repeated(argument)
        elif argument.name not in MAGIC and self._unknown_names < MOST_UNKNOWN:
            self._unknown_names += 1
            yield self._unknown(position, argument)

    def _set(self, position: int, argument: Argument, parameter: KernelParameter) -> Iterator[Finding]:
        """`parse_one`: is there a value, may it be set, and does the set function take it?"""
        from pyinsmod.parameter_advice import typography

        if argument.value is None and parameter.needs_value:
            yield self._refused(position, argument, parameter, errno.EINVAL)
            return
        if parameter.hardware:
            locked = self._facts.lockdown.value
            if locked not in (None, "none"):
                yield self._locked_down(argument, parameter, locked)
                return
            if locked is None:
                yield _finding("warns", f"under lockdown nobody may set '{parameter.name}', and lockdown is unknown")
        if parameter.unsafe:
            yield _finding(
                "taints",
                f"setting '{parameter.name}' is called dangerous by the module's author: it taints the kernel (U)",
                log=f"Setting dangerous option {parameter.name} - tainting kernel",
            )
        verdict = self._verdict(position, argument, parameter)
        if verdict is not None:
            yield verdict
        elif argument.value and (advice := typography(argument)):
            yield _finding("warns", *advice)

    def _verdict(self, position: int, argument: Argument, parameter: KernelParameter) -> Finding | None:
        """Return the finding about the value itself; None when it is set without ado."""
        from pyinsmod.parameter_values import Undecided, answer

        key = _key(argument.name)
        if not parameter.settable:
            return _finding(
                "crashes",
                f"'{parameter.name}' has no function to set it, and the kernel calls one without looking",
                f"leave out {parameter.name}",
            )
        try:
            number = answer(parameter, argument.value, self._words(), is_set=key in self._on or parameter.preset)
        except Undecided as letter:
            return _finding(
                "cannot-tell",
                f"whether this kernel takes '{_text(argument.value or b'')}' for a boolean is not known: "
                f"words with '{letter}' came later than 1 and 0, y and n",
                f"1 is yes, 0 is no: pyinsmod FILE {parameter.name}=1",
                errno.EINVAL,
                has=f"{parameter.name}: {parameter.type}",
            )
        if number is None:
            return _finding(
                "cannot-tell",
                f"'{parameter.name}' is set by code of the module itself, which may refuse the value",
                has=f"{parameter.name}: type of its own",
            )
        if number == 0:
            self._on.add(key)
            return None
        return self._refused(position, argument, parameter, number)

    def _words(self) -> Words:
        """Return the words for booleans: see features.py for what is known of them."""
        from pyinsmod.parameter_values import Words

        def decided(feature: str) -> bool | None:
            shown, possible = self._facts.has(feature), self._facts.has(f"{feature}-possible")
            return True if shown else False if possible is False else None

        return Words(decided("bool-true-false"), decided("bool-enable-disable"))

    def _refused(self, position: int, argument: Argument, parameter: KernelParameter, number: int) -> Finding:
        from pyinsmod.parameter_advice import described, refusal

        shown = _text(
            (argument.value or b"").partition(b",")[0] if parameter.array_max is not None else argument.value or b""
        )
        what = "too large" if number == errno.ENOSPC else "invalid"
        return _finding(
            "refuses",
            *refusal(self._arguments, position, parameter, number),
            number,
            log=f"{self.module}: `{shown}' {what} for parameter `{_text(argument.name)}'",
            has=described(parameter),
        )

    def _locked_down(self, argument: Argument, parameter: KernelParameter, lockdown: str) -> Finding:
        return _finding(
            "refuses",
            f"'{parameter.name}' tells the module of hardware, which lockdown '{lockdown}' forbids",
            f"leave out {parameter.name}, or boot without lockdown",
            errno.EPERM,
            log=f"{self.module}: `{_text(argument.value or b'')}' invalid for parameter `{_text(argument.name)}'",
        )

    def _repeated(self, argument: Argument) -> Iterator[Finding]:
        """Say once, at the last one, that a parameter is given more than once."""
        key = _key(argument.name)
        self._seen[key] += 1
        if 1 < self._seen[key] == self._given[key]:
            last = _text(argument.value or b"")
            what = f"'{_text(argument.name)}' is given {self._given[key]} times"
            yield _finding(
                "warns", f"{what}: each is set, and what the last says stays, '{last}'", "leave out the others"
            )

    def _unknown(self, position: int, argument: Argument) -> Finding:
        from pyinsmod.parameter_advice import unknown

        names = [parameter.name for parameter in self._known.values()]
        return _finding(
            "warns",
            *unknown(self._arguments, position, names),
            log=f"{self.module}: unknown parameter '{_text(argument.name)}' ignored",
            has=", ".join(names) or "no parameters",
        )
