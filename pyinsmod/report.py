"""A block to paste into an issue tracker: what was asked, what was foretold, what the kernel said. Pure.

Markdown. Everything that is data stands in fences longer than any run of backticks in it, and is escaped. No host
name and no path goes in, beyond the file's own name and what every Linux system has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from pyinsmod import __version__
from pyinsmod.agreement import Agreement, in_words
from pyinsmod.elf_format import machine_name
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction
from pyinsmod.text import printable, shortened

# Folders of every system; a path below any other one may tell who somebody is.
ANYBODYS = ("/proc", "/sys", "/lib/modules", "/usr/lib/modules", "/boot", "/dev/kmsg")

# So many lines of each kind; an oops has hundreds, and its first ones count.
MOST_LINES = 60

_PATH = re.compile(r"(?<![\w./])/(?:[^\s/'\"`:,;()]+/)+[^\s'\"`:,;()]*")


class Case(NamedTuple):
    """One load or prediction. `answer` is the kernel's in words, None where it was not asked."""

    command: Sequence[str]
    file: str
    facts: KernelFacts | None = None
    image: ModuleImage | None = None
    prediction: Prediction | None = None
    findings: Sequence[Finding] = ()
    answer: str | None = None
    log: Sequence[str] = ()
    agreement: Agreement | None = None


def report(case: Case, hostname: str = "") -> str:
    """Return the block, ending in a newline; `hostname` is taken out of the kernel's log."""
    parts = [
        ("pyinsmod report", _asked(case)),
        ("Kernel", _kernel(case.facts)),
        ("Module", _module(case.image)),
        ("Findings", _findings(case.findings)),
        ("Kernel log", (_without(hostname, line) for line in case.log)),
    ]
    blocks = [(title, [_clean(line, case.file) for line in lines][:MOST_LINES]) for title, lines in parts]
    fence = fence_for("\n".join(line for _, lines in blocks for line in lines))
    return "\n".join(_block(title, lines, fence) for title, lines in blocks if lines)


def fence_for(text: str) -> str:
    """Return a fence of backticks that nothing in the text can close (CommonMark, fenced code blocks)."""
    return "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))


def _block(title: str, lines: Sequence[str], fence: str) -> str:
    return "\n".join((f"**{title}**", "", f"{fence}text", *lines, fence, ""))


def _asked(case: Case) -> Iterator[str]:
    yield f"command     {' '.join(case.command)}"
    yield f"pyinsmod    {__version__}"
    yield f"prediction  {in_words(case.prediction) if case.prediction else 'none made'}"
    yield f"answer      {case.answer or 'the kernel was not asked'}"
    if case.agreement:
        words = {True: "they agree", False: "THEY DIFFER", None: "the prediction left it open"}
        yield f"agreement   {words[case.agreement.agrees]}"


def _kernel(facts: KernelFacts | None) -> Iterator[str]:
    if facts is None:
        return
    machine = facts.machine.value
    yield f"release     {facts.release}{f', {machine_name(machine)}' if machine else ''}"
    yield f"vermagic    {_quoted(facts.vermagic.value)}"
    yield f"            from {facts.vermagic.source}"
    exports = facts.exports
    yield f"exports     {'unknown' if exports.value is None else len(exports.value)}"
    yield f"            from {exports.source}"
    for name in ("sig_enforce", "lockdown", "security_modules", "compression"):
        fact = getattr(facts, name)
        if fact.value not in (None, "", ()):
            yield f"{name:11} {', '.join(fact.value) if isinstance(fact.value, tuple) else fact.value}"


def _module(image: ModuleImage | None) -> Iterator[str]:
    """Yield the module's facts, as far as a damaged file has them."""
    if image is None:
        return
    facts: dict[str, Callable[[], object]] = {
        "name": lambda: _quoted(image.struct_name),
        "size": lambda: f"{len(image.data)} bytes, sha256 {sha256(image.data).hexdigest()}",
        "compression": lambda: image.compression or "none",
        "machine": lambda: machine_name(image.header.machine),
        "vermagic": lambda: _quoted(image.vermagic),
        "licence": lambda: _quoted(image.modinfo_value("license")),
        "depends": lambda: _quoted(image.modinfo_value("depends")),
        "sections": lambda: len(image.sections),
        "symbols": lambda: f"{len(image.undefined_symbols)} undefined",
        "versions": lambda: len(image.versions),
        "exports": lambda: len(image.exports),
        "signed": lambda: "yes" if image.signed else "no",
    }
    for name, read in facts.items():
        try:
            yield f"{name:11} {read()}"
        except MalformedModule as error:
            yield f"{name:11} unreadable: {error}"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        errno = f" {finding.errno}" if finding.errno else ""
        yield f"step {finding.step}, {finding.check}: {finding.severity}{errno}: {finding.summary}"
        if finding.module_has is not None:
            yield f"    module: {finding.module_has}"
        if finding.kernel_has is not None:
            yield f"    kernel: {finding.kernel_has}"


def _quoted(text: str | None) -> str:
    return "none" if text is None else f"'{text}'"


def _clean(line: str, file: str) -> str:
    """Return a line that shows nothing of the machine it comes from and cannot steer a terminal or Markdown."""
    line = line.replace(file, file.rpartition("/")[2]) if file else line
    return printable(shortened(_PATH.sub(_name_only, line)))


def _name_only(path: re.Match[str]) -> str:
    return path[0] if path[0].startswith(ANYBODYS) else "…/" + path[0].rpartition("/")[2]


def _without(hostname: str, line: str) -> str:
    return re.sub(rf"\b{re.escape(hostname)}\b", "HOST", line) if hostname else line
