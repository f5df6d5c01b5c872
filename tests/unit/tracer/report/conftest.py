"""Hand-made verdicts and runs of the documented shape, ordinary and hostile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tracer.claims import Claim
from tracer.compare import ClaimVerdict, Observation, Run, RunVerdict, Verdict, combined
from tracer.report.model import Report

HOSTILE = "<script>alert(1)</script> \x1b[31mred\x07 | `tick` *star*\nnext line \u202e \udc9b &amp;"

DOCUMENT = """\
# Loading

### Step 1: The shell starts it
```text
execve("insmod")
```
- a program

### Step 2: The file is opened
It is opened
with O_RDONLY.

| Failure | Symptom |
|---------|---------|
| invalid | Exec format error |
| no memory | it fails |
"""


def log(text: str, t: int = 1) -> dict[str, Any]:
    return {"type": "log", "t": t, "sequence": 1, "level": 4, "text": text}


def make_verdict(
    name: str,
    by_run: Mapping[str, Verdict],
    *,
    quote: str = "insmod",
    says: str = "it is so",
    step: int | None = None,
    row: str | None = None,
    reality: str = "it was so",
    records: Sequence[Mapping[str, Any]] = (),
) -> ClaimVerdict:
    claim = Claim(name, step, row, quote, says, ())
    runs = {run: RunVerdict(verdict, reality, tuple(records)) for run, verdict in by_run.items()}
    return ClaimVerdict(claim, combined(list(by_run.values())), reality, runs)


def make_run(loader: str = "kmod", records: Sequence[Mapping[str, Any]] = (), *, broke: str | None = None) -> Run:
    observations = {"load": Observation(records=records, broke=broke)}
    return Run("6.1", "6.1.0-50-amd64", loader, "30", observations)


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def document() -> str:
    return DOCUMENT


@pytest.fixture
def verdict() -> Callable[..., ClaimVerdict]:
    return make_verdict


@pytest.fixture
def run() -> Callable[..., Run]:
    return make_run


@pytest.fixture
def report() -> Report:
    both = ("6.1/kmod", "6.1/busybox")
    exec_record = {"type": "exec", "t": 5, "pid": 7, "path": "/usr/bin/kmod", "argv": ["insmod"]}
    return Report(
        Path("docs/loading.md"),
        DOCUMENT,
        [make_run(), make_run("busybox")],
        [
            make_verdict("row-1", dict.fromkeys(both, "not-observed"), row="F1", quote="Exec format error"),
            make_verdict(
                "exec", dict.fromkeys(both, "confirmed"), step=1, quote="execve", records=[exec_record, log("hello")]
            ),
            make_verdict("open", {both[0]: "contradicted", both[1]: "confirmed"}, step=2, quote="O_RDONLY"),
            make_verdict("whole", {both[0]: "harness-broke", both[1]: "not-applicable"}, quote="Loading"),
        ],
    )


@pytest.fixture
def hostile_report() -> Report:
    """Return a report whose every foreign text is hostile, the document's and the run's names included."""
    hostile_verdicts: list[Verdict] = ["confirmed", "contradicted", "not-observed", "harness-broke"]
    kmod = make_run(HOSTILE, [log(HOSTILE, 9)], broke=HOSTILE)
    return Report(
        Path("docs") / HOSTILE,
        f"### Step 1: {HOSTILE}\n",
        [kmod],
        [
            make_verdict(
                f"{HOSTILE}{number}",
                {kmod.name: one},
                quote=HOSTILE,
                says=HOSTILE,
                step=number,
                reality=HOSTILE,
                records=[log(HOSTILE)],
            )
            for number, one in enumerate(hostile_verdicts)
        ],
    )
