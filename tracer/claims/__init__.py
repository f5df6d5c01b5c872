"""A document's claims: what it says, which experiment shows it, and what must be seen. Read and checked here.

The format is described in docs/claims-format.md. Nothing in it is a verdict: those are computed from records.
"""

from __future__ import annotations

from tracer.claims.model import DEFAULT_FILE, Claim, Claims, ClaimTest, ErrorsOf, Experiment, Problem
from tracer.claims.reader import claims_path, read_claims

__all__ = [
    "DEFAULT_FILE",
    "Claim",
    "ClaimTest",
    "Claims",
    "ErrorsOf",
    "Experiment",
    "Problem",
    "claims_path",
    "read_claims",
]
