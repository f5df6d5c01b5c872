from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tracer.claims import Claim, Claims, ClaimTest, Experiment
from tracer.compare import Observation, Run, compare
from tracer.report.model import Report
from tracer.report.rewrite import rewritten
from tracer.report.step_order import ordered_steps

Maker = Callable[..., Any]

DOCUMENT = """\
### Step 1: Symbols
resolved

### Step 2: Version magic
compared

### Step 3: Memory
allocated
"""
SYMBOL = {"type": "log", "text": {"matches": "Unknown symbol"}}
MAGIC = {"type": "log", "text": {"matches": "version magic"}}
ALLOCATED = {"type": "kernel_call", "name": "module_alloc"}
RESOLVED = {"type": "kernel_call", "name": "resolve_symbol"}
COMPLAINT = ClaimTest("faulty", see=(SYMBOL,), instead=(MAGIC,))


def trace(*records: dict[str, Any]) -> Observation:
    timed = [{"t": number, "pid": 7, **record} for number, record in enumerate(records, 1)]
    return Observation([{"type": "header", "t": 0}, *timed, {"type": "end", "t": 99, "status": 0}])


def log(text: str) -> dict[str, Any]:
    return {"type": "log", "text": text}


def call(name: str) -> dict[str, Any]:
    return {"type": "kernel_call", "name": name, "depth": 1}


def claim(name: str, step: int | None, quote: str, *tests: ClaimTest) -> Claim:
    return Claim(name, step, None, quote, "stored prose", tests)


def judged(kernels: Sequence[tuple[str, Observation, Observation]], *more: Claim) -> Report:
    """Judge by the real rules what some kernels gave: (kernel, sound load, load with two faults)."""
    runs = [Run(name, name, "kmod", "30", {"load": load, "faulty": faulty}) for name, load, faulty in kernels]
    claims = (
        claim("symbols", 1, "resolved", COMPLAINT, ClaimTest("load", see=(RESOLVED,))),
        claim("magic", 2, "compared", ClaimTest("faulty", see=(MAGIC,))),
        claim("memory", 3, "allocated", ClaimTest("load", see=(ALLOCATED,))),
        *more,
    )
    document = Path("d.md")
    experiments = {name: Experiment(name, "", {}) for name in ("load", "faulty")}
    whole = Claims(document, DOCUMENT, experiments, claims)
    return Report(document, DOCUMENT, runs, compare(whole, runs), experiments)


BY_FAULTS = claim("by-faults", None, "### Step 1: Symbols", ClaimTest("faulty", see=(SYMBOL,), never=(MAGIC,)))
BY_TRACE = claim("by-trace", None, "### Step 3: Memory", ClaimTest("load", order=(RESOLVED, ALLOCATED)))
LOAD = trace(call("module_alloc"), call("resolve_symbol"))
FAULTY = trace(log("mymod: version magic 'x' should be 'y'"))


def test_what_nothing_contradicts_keeps_the_documents_order() -> None:
    assert ordered_steps(judged([("6.1", LOAD, FAULTY)]), [1, 2, 3]) == [1, 2, 3]


def test_paired_faults_put_the_step_first_that_the_kernel_complains_of() -> None:
    assert ordered_steps(judged([("6.1", LOAD, FAULTY)], BY_FAULTS), [1, 2, 3]) == [2, 1, 3]


def test_a_trace_puts_the_steps_in_the_order_of_its_records() -> None:
    assert ordered_steps(judged([("6.1", LOAD, FAULTY)], BY_TRACE), [1, 2, 3]) == [3, 1, 2]


def test_a_claim_that_numbers_what_it_puts_in_order_is_taken_at_its_word() -> None:
    numbered = claim("n", None, "Step 3", ClaimTest("load", order=(RESOLVED, ALLOCATED), labels=("step 2", "step 3")))
    assert ordered_steps(judged([("6.1", LOAD, FAULTY)], numbered), [1, 2, 3]) == [1, 3, 2]


def test_an_order_claim_that_shows_nothing_moves_nothing() -> None:
    absent = ClaimTest("load", see=({"type": "uevent"},), never=({"type": "exec"},), order=(RESOLVED, ALLOCATED))
    report = judged([("6.1", LOAD, FAULTY)], claim("n", None, "### Step 1: Symbols", absent))
    assert report.verdicts[-1].verdict == "contradicted"
    assert ordered_steps(report, [1, 2, 3]) == [1, 2, 3]


def test_an_order_that_depends_on_the_kernel_moves_nothing() -> None:
    other = trace(call("resolve_symbol"), call("module_alloc"))
    report = judged([("6.1", LOAD, FAULTY), ("7.2", other, FAULTY)], BY_TRACE)
    assert ordered_steps(report, [1, 2, 3]) == [1, 2, 3]
    text = rewritten(report)
    assert "  - 6.1: in this order: the kernel ran module_alloc(), then the kernel ran resolve_symbol(); so not" in text
    assert "  - 7.2: in this order: the kernel ran resolve_symbol(), then the kernel ran module_alloc()\n" in text


def test_the_list_is_made_of_records_and_says_where_a_step_was() -> None:
    text = rewritten(judged([("6.1", LOAD, FAULTY)], BY_TRACE, BY_FAULTS))
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## Step 1: Version magic (the document's step 2)",
        "## Step 2: Memory (the document's step 3)",
        "## Step 3: Symbols (the document's step 1)",
        "## In which order",
    ]
    assert "- the kernel logged “mymod: version magic 'x' should be 'y'”; so not `resolved`" in text
    assert "- the kernel ran module_alloc()" in text
    assert "stored prose" not in text


def test_what_differs_is_said_for_each() -> None:
    symbol = trace(log("mymod: Unknown symbol x"))
    text = rewritten(judged([("6.1", LOAD, symbol), ("7.2", LOAD, FAULTY)]))
    assert "- depends on the kernel:\n  - 6.1: the kernel logged “mymod: Unknown" in text
    assert "  - 7.2: the kernel logged “mymod: version magic 'x' should be 'y'”; so not `resolved`" in text


def test_a_broken_harness_and_what_was_not_seen_are_no_sentences() -> None:
    text = rewritten(judged([("6.1", LOAD, Observation(broke="the machine was lost"))]))
    assert "lost" not in text
    assert "- not shown by any experiment: `compared`" in text


def test_a_step_without_claims_says_so(report: Report) -> None:
    text = rewritten(Report(report.document, report.text, report.runs, ()))
    assert "## Step 1: The shell starts it\n\nNothing of this was looked for.\n" in text


def test_rows_are_told_by_what_the_document_calls_them(report: Report, verdict: Maker) -> None:
    one = verdict("f", {"6.1/kmod": "contradicted"}, row="F1", quote="Exec format error", reality="it said no")
    text = rewritten(Report(report.document, report.text, report.runs, [one]))
    assert "## Failures\n\n### invalid\n\n- it said no; so not `Exec format error`\n" in text


def test_hostile_text_is_text(hostile_report: Report) -> None:
    text = rewritten(hostile_report)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "<script" not in re.sub(r"``.*?``", "", text)  # inside a code span it is text anyway


def test_a_document_without_steps_is_told_under_its_own_headings(report: Report, verdict: Maker) -> None:
    claims = [
        verdict(name, {"6.1/kmod": "confirmed"}, quote=quote, reality=f"seen {name}")
        for name, quote in (("a", "early"), ("b", "EPERM"), ("c", "ERRORS"))
    ]
    text = rewritten(Report(Path("page.md"), "early\n## ERRORS\n- EPERM: no\n## NOTES\n", report.runs, claims))
    assert text.endswith("\n## Before the first heading\n\n- seen a\n\n## ERRORS\n\n- seen c\n- seen b\n")
