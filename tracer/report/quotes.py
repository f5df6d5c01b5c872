"""Where in a document a claim's quote stands."""

from __future__ import annotations

from tracer.claims import Claim
from tracer.report.document_parts import failure_table_start, step_headings


def quoted_span(claim: Claim, text: str) -> tuple[int, int] | None:
    """Return from where to where a claim's quote stands, the newline at its end left out; None when it is nowhere.

    It is looked for from the step's heading on (or the failure table's), and only then from the beginning.
    """
    found = text.find(claim.quote, _search_start(claim, text))
    if found < 0:
        found = text.find(claim.quote)
    return None if found < 0 else (found, found + max(len(claim.quote.rstrip("\n")), 1))


def _search_start(claim: Claim, text: str) -> int:
    if claim.row is not None:
        return failure_table_start(text) or 0
    starts = [heading.start for heading in step_headings(text) if heading.step == claim.step]
    return starts[0] if starts else 0
