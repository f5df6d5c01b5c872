"""A manual page's source (man(7) macros) as a Markdown document: a heading a section, a line a paragraph.

Small on purpose: macros and escapes that section 2 pages, DocBook and scdoc produce. Each paragraph is one line, so
that a quote never depends on where a formatter broke it. Fonts are dropped, words are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from tracer.manual.escapes import continued, unescaped, without_comment

_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\])+)')
_FONT_MACROS = frozenset(("B", "I", "SM", "SB", "R"))
_ALTERNATING = frozenset(("BR", "BI", "RB", "RI", "IR", "IB"))
_FENCE = "```"


def page_text(source: str) -> str:
    """Return the page as Markdown; what it does not know of the language it leaves out."""
    return _Page().read(source)


class _Page:
    """Reads line by line and keeps what is being put together."""

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._words: list[str] = []
        self._joined = False
        self._tag: str | None = None
        self._awaits_tag = False
        self._depth = 0
        self._verbatim: list[str] | None = None
        self._terms: list[bool] = []

    def read(self, source: str) -> str:
        skipping = False
        for raw in (
            source.replace("\\\n", "").replace("\xa0", " ").splitlines()
        ):  # a backslash at the end joins two lines
            line = without_comment(raw)
            if line.startswith((".ie", ".if", ".el", ".ds", "'")) or (not line.strip() and self._verbatim is None):
                continue
            if line.startswith(".ig"):
                skipping = True
            if skipping:
                skipping = not line.startswith("..")
                continue
            self._line(line)
        self._end_verbatim()
        self._paragraph()
        return "\n".join(self._blocks).strip("\n") + "\n"

    def _line(self, line: str) -> None:
        if not line.startswith("."):
            self._text(unescaped(line), joined=continued(line))
            return
        name, _, rest = line[1:].strip().partition(" ")
        macro = self.MACROS.get(name)
        if name in _FONT_MACROS or name in _ALTERNATING:
            parts = _arguments(rest)
            text = unescaped(("" if name in _ALTERNATING else " ").join(parts))
            if text:
                self._text(text, joined=continued(rest))
        elif macro is not None:
            macro(self, [unescaped(one) for one in _arguments(rest)])

    def _text(self, text: str, *, joined: bool) -> None:
        if self._verbatim is not None:
            if self._joined and self._verbatim:
                self._verbatim[-1] += text
            else:
                self._verbatim.append(text)
        elif self._awaits_tag:
            self._tag, self._awaits_tag = text.strip(), joined
        elif self._joined and self._words:
            self._words[-1] += text
        else:
            self._words.append(text.strip())
        self._joined = joined

    def _paragraph(self) -> None:
        """End the paragraph that is being put together."""
        text = " ".join(word for word in self._words if word)
        indent = "  " * self._depth
        if self._tag is not None:
            bullet = self._tag in {"•", "o", "-", "*"}
            said = text if bullet else f"{self._tag}: {text}".removesuffix(": ")
            self._blocks += [f"{indent}- {said}", ""]
        elif text:
            self._blocks += [f"{indent}{text}", ""]
        self._words, self._tag, self._awaits_tag, self._joined = [], None, False, False

    def _end_verbatim(self) -> None:
        if self._verbatim is not None:
            if any(line.strip() for line in self._verbatim):
                self._blocks += [_FENCE, *self._verbatim, _FENCE, ""]
            self._verbatim = None

    # ── Macros ──

    def _title(self, arguments: list[str]) -> None:
        title, section = (*arguments, "", "")[:2]
        self._blocks += [f"# {title.lower() if title.isupper() else title}({section})", ""]

    def _section(self, arguments: list[str]) -> None:
        self._end_verbatim()
        self._paragraph()
        self._depth, self._terms = 0, []
        self._blocks += [f"## {' '.join(arguments)}", ""]

    def _subsection(self, arguments: list[str]) -> None:
        self._end_verbatim()
        self._paragraph()
        self._blocks += [f"### {' '.join(arguments)}", ""]

    def _end(self, _: list[str]) -> None:
        self._paragraph()

    def _tagged(self, _: list[str]) -> None:
        self._paragraph()
        self._awaits_tag = True

    def _item(self, arguments: list[str]) -> None:
        self._paragraph()
        if arguments and arguments[0]:
            self._tag = arguments[0]

    def _indent(self, _: list[str]) -> None:
        """Indent; a paragraph right before it is the term of what is indented (DocBook, scdoc)."""
        term = " ".join(word for word in self._words if word)
        if term and self._tag is None:
            self._words, self._tag = [], term
            self._terms.append(True)
            return
        self._paragraph()
        self._depth += 1
        self._terms.append(False)

    def _outdent(self, _: list[str]) -> None:
        self._paragraph()
        if self._terms and not self._terms.pop():
            self._depth -= 1

    def _begin_verbatim(self, _: list[str]) -> None:
        self._paragraph()
        self._verbatim = []

    def _finish_verbatim(self, _: list[str]) -> None:
        self._end_verbatim()

    MACROS: ClassVar[Mapping[str, Callable[[_Page, list[str]], None]]] = {
        "TH": _title,
        "SH": _section,
        "SS": _subsection,
        **dict.fromkeys(("PP", "P", "LP", "HP", "sp", "br"), _end),
        "TP": _tagged,
        "IP": _item,
        "RS": _indent,
        "RE": _outdent,
        **dict.fromkeys(("nf", "EX"), _begin_verbatim),
        **dict.fromkeys(("fi", "EE"), _finish_verbatim),
    }


def _arguments(rest: str) -> list[str]:
    return [quoted.replace('""', '"') if quoted or not plain else plain for quoted, plain in _ARGUMENT.findall(rest)]
