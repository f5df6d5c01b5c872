"""True claims come out confirmed; the same turned round, one for each kind and step, come out contradicted.

All are judged from real records of kernel 6.1 and kmod: those of the project's own document. A claim is turned round
by what it says, never by its verdict: seen becomes never seen, never becomes seen, an order is reversed, and an
error, a result, a status becomes another one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyinsmod.cli.laboratory import run_matrix
from pyinsmod.cli.machines import machine_room
from tracer.claims import Claim, ClaimTest, read_claims
from tracer.compare import Run, judge_run
from tracer.selectors import Selector
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

DOCUMENT = Path(__file__).parents[2] / "docs/loading-a-module.md"
CLAIMS = read_claims(DOCUMENT)
END: Selector = {"type": "end"}
ANOTHER = {"errno": "EXDEV", "return": 77, "status": 77}  # what none of the experiments gives


@pytest.fixture(scope="module")
def run() -> Run:
    with machine_room(None) as room:
        (one,) = asyncio.run(run_matrix(CLAIMS, [fetch("6.1")], ["kmod"], room, print))
    return one


def turned_round(claim: Claim) -> Iterator[tuple[str, Claim]]:
    """Yield the kind of turning and the false claim."""
    for test in claim.tests:
        for kind, false in _turned(test):
            yield kind, replace(claim, tests=(false,))


def _turned(test: ClaimTest) -> Iterator[tuple[str, ClaimTest]]:
    bare = ClaimTest(test.experiment, given=test.given, given_any=test.given_any)
    for selector in test.see:
        yield "seen", replace(bare, see=(END,), never=(selector,))
        for field in ANOTHER.keys() & selector.keys():
            yield f"another {field}", replace(bare, see=({**selector, field: ANOTHER[field]},))
        if "matches" in (selector["text"] if isinstance(selector.get("text"), dict) else {}):
            yield "another text", replace(bare, see=({**selector, "text": {"matches": "^nothing says this$"}},))
    if test.any:
        yield "any", replace(bare, see=(END,), never=test.any)
    for selector in test.never:
        yield "never", replace(bare, see=(selector,))
    for earlier, later in itertools.pairwise(test.order):
        yield "order", replace(bare, order=(later, earlier))


def test_true_claims_are_confirmed(run: Run) -> None:
    confirmed = [claim.id for claim in CLAIMS.claims if judge_run(claim, run).verdict == "confirmed"]
    assert len(confirmed) >= 60
    # Of step 3 and of some others a loader may do differently; those say so themselves.
    assert len({claim.step for claim in CLAIMS.claims if claim.id in confirmed and claim.step}) >= 13


def test_every_true_claim_turned_round_is_contradicted(run: Run) -> None:
    kinds: Counter[str] = Counter()
    steps: set[object] = set()
    for claim in CLAIMS.claims:
        if judge_run(claim, run).verdict != "confirmed":
            continue
        for kind, false in turned_round(claim):
            found = judge_run(false, run)
            assert found.verdict in {"contradicted", "not-observed"}, (claim.id, kind, found)
            if found.verdict == "contradicted":
                kinds[kind] += 1
                steps.add(claim.step or claim.row)
    assert sum(kinds.values()) >= 60, kinds
    assert set(kinds) >= {"seen", "never", "order", "another errno", "another return", "another text"}, kinds
    assert steps >= {*range(1, 15), "F3", "F4"}


# ── An altered copy of the document ──────────────────────────────────────────────────────────────────────


def altered(text: str) -> str:
    """Swap the contents of steps 6 and 9, drop step 3, and call the two system calls old and modern the wrong way."""
    parts = text.split("\n### Step ")
    sections = {int(part.partition(":")[0]): part.partition(":")[2] for part in parts[1:]}
    sections[6], sections[9] = sections[9], sections[6]
    del sections[3]
    swapped = "\n### Step ".join([parts[0], *(f"{number}:{body}" for number, body in sorted(sections.items()))])
    return swapped.replace("// old", "// OLD").replace("// modern", "// old").replace("// OLD", "// modern")


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Claim → verdict and reality, for the altered copy with the document's own claims file."""
    document = tmp_path_factory.mktemp("altered") / "altered.md"
    document.write_text(altered(DOCUMENT.read_text()))
    claims = read_claims(document, DOCUMENT.with_name("loading-a-module.claims.toml"))
    with machine_room(None) as room:
        (one,) = asyncio.run(run_matrix(claims, [fetch("6.1")], ["kmod"], room, print))
    judged = {claim.id: judge_run(claim, one) for claim in claims.claims}
    return {name: (found.verdict, found.reality) for name, found in judged.items()}


class TestAlteredDocument:
    """Each alteration is found by the claims that were written for the document as it was."""

    def test_the_dropped_step_is_named(self, verdicts: dict[str, tuple[str, str]]) -> None:
        for claim in ("step-3-read", "step-3-memory", "order-read"):
            assert verdicts[claim][0] == "harness-broke"
            assert "the document does not say" in verdicts[claim][1]

    @pytest.mark.parametrize("claim", ["step-4-init-module-age", "step-4-finit-module-age"])
    def test_old_and_modern_are_the_wrong_way_round(self, verdicts: dict[str, tuple[str, str]], claim: str) -> None:
        assert verdicts[claim][0] == "contradicted"

    def test_symbols_are_not_resolved_before_the_version_magic(self, verdicts: dict[str, tuple[str, str]]) -> None:
        assert verdicts["order-symbols-vermagic"][0] == "contradicted"

    def test_the_file_is_not_validated_after_memory_is_allocated(self, verdicts: dict[str, tuple[str, str]]) -> None:
        assert verdicts["order-allocate-elf"][0] == "contradicted"

    def test_the_order_is_told(self, verdicts: dict[str, tuple[str, str]]) -> None:
        verdict, reality = verdicts["order-of-load"]
        assert verdict == "contradicted"
        assert reality.index("step 8 (memory is allocated)") < reality.index("step 6 (symbols are resolved)")

    def test_what_was_not_altered_is_as_before(self, verdicts: dict[str, tuple[str, str]], run: Run) -> None:
        same = [claim for claim in CLAIMS.claims if claim.id in verdicts and claim.step not in {3, 4, None}]
        assert len(same) > 40
        for claim in same:
            assert verdicts[claim.id][0] == judge_run(claim, run).verdict, claim.id
