"""The project's own document against a real kernel, and every rule of its claims against changed records."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import find
from hypothesis import strategies as st

from pyinsmod.cli.laboratory import run_matrix
from pyinsmod.cli.machines import machine_room
from tracer.claims import Claim, Claims, ClaimTest, claims_path, read_claims
from tracer.compare import Observation, Run, Verdict, compare, judge_run
from tracer.selectors import MISSING, Record, Selector, field_of, matches
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

DOCUMENT = Path(__file__).parents[2] / "docs/loading-a-module.md"
CLAIMS = read_claims(DOCUMENT)
LOADERS = ("kmod", "busybox", "pyinsmod")


@pytest.fixture(scope="session")
def runs() -> list[Run]:
    """The whole main job, once: kernel 6.1 and three loaders."""
    with machine_room(None) as room:
        return asyncio.run(run_matrix(CLAIMS, [fetch("6.1")], LOADERS, room, print))


class TestTheMainJob:
    def test_nothing_broke(self, runs: list[Run]) -> None:
        broken = {
            (run.name, experiment): seen.broke
            for run in runs
            for experiment, seen in run.observations.items()
            if seen.broke
        }
        assert broken == {}

    def test_every_claim_gets_a_verdict_from_evidence(self, runs: list[Run]) -> None:
        for verdict in compare(CLAIMS, runs):
            assert verdict.verdict in {"confirmed", "contradicted", "depends"}, verdict.claim.id
            assert verdict.reality
            decided = [one for one in verdict.by_run.values() if one.verdict in {"confirmed", "contradicted"}]
            assert any(one.records for one in decided), verdict.claim.id

    def test_the_loaders_are_what_they_say(self, runs: list[Run]) -> None:
        versions = {run.loader: run.loader_version for run in runs}
        assert versions["kmod"].startswith("kmod")
        assert versions["busybox"].startswith("BusyBox")
        assert versions["pyinsmod"].startswith("pyinsmod")

    @pytest.mark.parametrize("claim", ["order-init-result", "step-12-init", "step-13-aborted", "step-14-silent"])
    def test_all_loaders_agree_where_they_have_no_choice(self, runs: list[Run], claim: str) -> None:
        (verdict,) = (one for one in compare(CLAIMS, runs) if one.claim.id == claim)
        assert {one.verdict for one in verdict.by_run.values()} == {"confirmed"}


# ── Every rule must be able to fail ──────────────────────────────────────────────────────────────────────


def decided(claim: Claim, runs: list[Run]) -> list[tuple[Run, Verdict]]:
    verdicts = [(run, judge_run(claim, run).verdict) for run in runs]
    return [(run, verdict) for run, verdict in verdicts if verdict in {"confirmed", "contradicted"}]


def changed(run: Run, experiment: str, records: list[Record]) -> Run:
    observed: Observation = replace(run.observations[experiment], records=records)
    return replace(run, observations={**run.observations, experiment: observed})


def without(run: Run, test: ClaimTest, *selectors: Selector) -> Run:
    seen = run.observations[test.experiment]
    kept = [one for one in seen.records if not any(matches(selector, one, seen.variables) for selector in selectors)]
    return changed(run, test.experiment, kept)


def with_forged(run: Run, test: ClaimTest, *selectors: Selector) -> Run:
    """Put a record before the end for each selector, later ones later in time."""
    seen = run.observations[test.experiment]
    *records, end = seen.records
    forged = [forge(selector, seen, end["t"] + number) for number, selector in enumerate(selectors)]
    assert all(matches(selector, record, seen.variables) for selector, record in zip(selectors, forged, strict=True))
    return changed(run, test.experiment, [*records, *forged, end])


def forge(selector: Selector, seen: Observation, time: int) -> Record:
    """Change a real record of the kind that is looked for, so that it is what is looked for."""
    record = {**copy.deepcopy(_nearest(selector, seen.records)), "t": time}
    for path, condition in selector.items():
        _put(record, path, _value(condition, seen.variables))
    return record


def _nearest(selector: Selector, records: Sequence[Record]) -> dict[str, Any]:
    """Return the record of that type which has the most of the selector's fields; an empty one if there is none."""
    same = [dict(record) for record in records if record["type"] == selector["type"]]
    if not same:
        return {"text": "", "action": "", "devpath": "", "name": "", "fields": {}}
    return max(same, key=lambda record: sum(field_of(record, path) is not MISSING for path in selector))


def _put(record: dict[str, Any], path: str, value: Any) -> None:  # noqa: ANN401
    first, _, rest = path.partition(".")
    if rest and first:
        inner = record.setdefault(first, {})
        _put(inner, rest, value)
    else:
        record[path] = value


def _value(condition: Any, variables: Any) -> Any:  # noqa: ANN401
    if isinstance(condition, str) and condition[1:] in variables and condition.startswith("$"):
        return variables[condition[1:]]
    if isinstance(condition, list):
        return condition[0]
    if not isinstance(condition, dict):
        return condition
    if "matches" in condition:
        return find(st.from_regex(condition["matches"]), lambda _: True)
    if "equals" in condition:
        return condition["equals"]
    for operator in ("at_least", "ends", "starts"):
        if operator in condition:
            return _value(condition[operator], variables)
    return [condition["has"]] if "has" in condition else ([] if condition.get("exists") else None)


def swapped(run: Run, test: ClaimTest) -> Run:
    """Let what came first in an order come last."""
    seen = run.observations[test.experiment]
    late = max(record.get("t", 0) for record in seen.records) + 1
    first = test.order[0]
    records = [{**record, "t": late} if matches(first, record, seen.variables) else record for record in seen.records]
    return changed(run, test.experiment, records)


def rules(claims: Claims) -> Iterator[Any]:
    for claim in claims.claims:
        for number, test in enumerate(claim.tests):
            for kind in ("see", "any", "never", "order"):
                if getattr(test, kind):
                    yield pytest.param(claim, number, kind, id=f"{claim.id}-{number}-{kind}")


@pytest.mark.parametrize(("claim", "number", "kind"), list(rules(CLAIMS)))
def test_a_changed_record_changes_the_verdict(runs: list[Run], claim: Claim, number: int, kind: str) -> None:
    test = claim.tests[number]
    tried = 0
    for run, verdict in decided(claim, runs):
        if run.observations[test.experiment].inapplicable:
            continue
        alone = replace(claim, tests=(test,))
        if judge_run(alone, run).verdict not in {"confirmed", "contradicted"}:
            continue  # an optional test that shows nothing here
        for other in _variations(run, test, kind, verdict):
            tried += 1
            assert judge_run(alone, other).verdict != judge_run(alone, run).verdict, run.name
    assert tried or test.optional


def _variations(run: Run, test: ClaimTest, kind: str, verdict: Verdict) -> Iterator[Run]:
    """Yield runs in which the one thing this rule looks for is the other way round."""
    alone = judge_run(Claim("x", None, None, "x", "x", (test,)), run).verdict
    if kind == "see" and alone == "confirmed":
        yield from (without(run, test, selector) for selector in test.see)
    elif kind == "see":
        yield with_forged(run, test, *test.see)
    elif kind == "any":
        yield without(run, test, *test.any) if alone == "confirmed" else with_forged(run, test, test.any[0])
    elif kind == "never":
        yield from (with_forged(run, test, selector) for selector in test.never)
    elif kind == "order":
        yield swapped(run, test)
    assert verdict in {"confirmed", "contradicted"}


# ── A wrong sentence must come out contradicted ──────────────────────────────────────────────────────────


def test_wrong_sentences_are_contradicted(tmp_path: Path) -> None:
    """Step 2 with O_RDWR, step 13 with exit() called: copies of the document and its claims, changed to match."""
    text = DOCUMENT.read_text()
    wrong = text.replace('open("mymod.ko", O_RDONLY)', 'open("mymod.ko", O_RDWR)').replace(
        "`.exit()` NOT called", "`.exit()` is called"
    )
    assert wrong.count("O_RDWR") == 1
    document = tmp_path / "wrong.md"
    document.write_text(wrong)
    claims_path(document).write_text(WRONG_CLAIMS)
    done = subprocess.run(
        [sys.executable, "-m", "pyinsmod", "validate", str(document), "--loader", "kmod", "--json", "-"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert {claim["id"]: claim["verdict"] for claim in report["claims"]} == {
        "opens-read-write": "contradicted",
        "exit-is-called": "contradicted",
    }
    assert "O_RDONLY" in report["claims"][0]["reality"]


WRONG_CLAIMS = """
schema = 1

[experiments.load]
modules."mymod.ko" = {}

[experiments.init-fails]
modules."mymod.ko" = { init = { log = "mymod: init", returns = -19 } }

[[claims]]
id = "opens-read-write"
step = 2
quote = 'open("mymod.ko", O_RDWR)'
says = "insmod opens the module file for reading and writing"
tests = [{ experiment = "load", see = [
    { type = "syscall", name = "openat", return_path = { ends = "/mymod.ko" }, "args.flags" = { has = "O_RDWR" } },
], instead = [{ type = "syscall", name = ["open", "openat"], return_path = { ends = "/mymod.ko" } }] }]

[[claims]]
id = "exit-is-called"
step = 13
quote = "`.exit()` is called"
says = "after a failed init the exit function is called"
tests = [{ experiment = "init-fails", given = [
    { type = "kernel_event", name = "initcall_finish", "fields.ret" = -19 },
], see = [{ type = "log", text = { matches = "^mymod: exit" } }] }]
"""
