"""The document itself, word for word, with the verdicts under the lines they are about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tracer.claims.quotes import quoted_span
from tracer.compare import ClaimVerdict, Run
from tracer.document_parts import Line, lines_of
from tracer.report.grouping import reality
from tracer.report.markdown_text import inline
from tracer.report.model import GLYPHS, VERDICTS, Report

_ANNOTATION = re.compile(rf"> - [{re.escape(''.join(GLYPHS.values()))}] \*\*(?:{'|'.join(VERDICTS)})\*\* .*")
#: Ends the quotation, else Markdown would take the document's next line for a part of it.
_END = ">"


def annotated_document(report: Report) -> str:
    """Return the document with a quotation after each line (or code block, or table) that a claim quotes."""
    lines = lines_of(report.text)
    notes: dict[int, list[ClaimVerdict]] = {}
    for verdict in report.verdicts:
        notes.setdefault(_line_of(verdict, report.text, lines), []).append(verdict)
    parts = [_block(notes.get(-1, []), report.runs, "\n") if -1 in notes else ""]
    for number, line in enumerate(lines):
        parts.append(line.text)
        if number in notes:
            parts.append(_block(notes[number], report.runs, line.text))
    return "".join(parts)


def without_annotations(text: str) -> str:
    """Return the document that was annotated, byte for byte."""
    kept: list[str] = []
    inside = False
    for line in lines_of(text):
        bare = line.text.removesuffix("\n")
        if _ANNOTATION.fullmatch(bare):
            inside = True
        elif inside and bare == _END:
            inside = False
            if not line.text.endswith("\n"):  # the document's last line had no newline, and was given one
                kept[-1:] = [last.removesuffix("\n") for last in kept[-1:]]
        else:
            kept.append(line.text)
    return "".join(kept)


def _block(verdicts: Sequence[ClaimVerdict], runs: Sequence[Run], after: str) -> str:
    body = "\n".join([*(_note(verdict, runs) for verdict in verdicts), _END])
    return f"{body}\n" if after.endswith("\n") else f"\n{body}"


def _note(verdict: ClaimVerdict, runs: Sequence[Run]) -> str:
    head = f"> - {GLYPHS[verdict.verdict]} **{verdict.verdict}**"
    return f"{head} {inline(verdict.claim.says)} — in reality: {inline(reality(verdict, runs))}"


def _line_of(verdict: ClaimVerdict, text: str, lines: Sequence[Line]) -> int:
    """Return the number of the line after which a claim's verdict stands; -1 in an empty document."""
    span = quoted_span(verdict.claim, text)
    end = len(text) if span is None else span[1]
    number = sum(line.start < end for line in lines) - 1
    return lines[number].last_of_block if lines else -1
