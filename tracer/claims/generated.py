"""Claims that follow from a document's list of errors: that it names all there are, and that each occurs."""

from __future__ import annotations

from collections.abc import Sequence

from tracer.claims.model import Claim, ClaimTest, ErrorsOf
from tracer.manual.errnos import entry_of


def about_errors(text: str, errors: Sequence[ErrorsOf], claims: Sequence[Claim]) -> list[Claim]:
    """Return a claim of completeness for each call, and one for each documented errno that no claim quotes."""
    found: list[Claim] = []
    for call, documented in errors:
        test = ClaimTest("", errnos_of=call, errnos=documented)
        says = f"the errors of {call}() are all listed"
        found.append(Claim(f"errors-of-{call}", None, None, "ERRORS", says, (test,)))
        for name in documented:
            entry = entry_of(text, call, name)
            if entry and not any(claim.quote in entry and not claim.broken for claim in claims):
                says = f"{call}() can fail with {name}"
                found.append(Claim(f"error-{call}-{name}", None, None, entry.splitlines()[0], says, ()))
    return found
