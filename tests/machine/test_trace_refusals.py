"""Who may not trace is told why: each reason made true on a real kernel, which Yama is in. See guest/refusals.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vm.jobs import JobResult

pytestmark = pytest.mark.machine

SCRIPT = Path(__file__).parent / "guest/refusals.py"
ATTACHED = "pyinsmod: trace: attached to PID; ^C detaches\n"
NOT_ATTACHED = "pyinsmod: trace: cannot attach to process PID: "
NOT_TRACED = "pyinsmod: trace: cannot trace 'true': "
PROFILE = "a seccomp profile, probably a container's, forbids ptrace: '--security-opt seccomp=unconfined' lifts it\n"
ONLY_ROOT = "only root may trace, by Yama (kernel.yama.ptrace_scope is 2): run it with sudo\n"
NOBODY = "Yama forbids attaching to anything until the next boot (kernel.yama.ptrace_scope is 3)\n"

# Case of the script: exit status and words.
EXPECTED = {
    "one's own": (0, ATTACHED),
    "another user's": (1, f"{NOT_ATTACHED}it belongs to another user (uid 65533): run it with sudo\n"),
    "root without the capability": (
        1,
        f"{NOT_ATTACHED}this root has no CAP_SYS_PTRACE: a container needs '--cap-add SYS_PTRACE'\n",
    ),
    "outside of the container": (
        1,
        (
            f"{NOT_ATTACHED}it is outside of this container's user namespace, where capabilities do not reach: "
            "run this outside\n"
        ),
    ),
    "a profile": (1, NOT_ATTACHED + PROFILE),
    "a profile, a command": (1, NOT_TRACED + PROFILE),
    "Yama 1": (
        1,
        (
            f"{NOT_ATTACHED}only one's own children may be traced, by Yama (kernel.yama.ptrace_scope is 1): "
            "run it with sudo\n"
        ),
    ),
    "Yama 1, a command": (0, ""),
    "Yama 2": (1, NOT_ATTACHED + ONLY_ROOT),
    "Yama 2, a command": (1, NOT_TRACED + ONLY_ROOT),
    "Yama 3": (1, NOT_ATTACHED + NOBODY),
    "Yama 3, a command": (1, NOT_TRACED + NOBODY),
}


@pytest.fixture(scope="session")
def answers(in_machine: Callable[..., JobResult]) -> dict[str, Any]:
    """What each case was told."""
    result = in_machine(["python3", "refusals.py"], {"refusals.py": SCRIPT.read_bytes()})
    assert result.status == 0, result.stderr
    answers: dict[str, Any] = json.loads(result.stdout)
    return answers


@pytest.mark.parametrize("case", EXPECTED)
def test_the_reason_is_said_and_nobody_is_harmed(answers: dict[str, Any], case: str) -> None:
    answer = answers[case]
    assert (answer["status"], answer["words"]) == EXPECTED[case]
    assert answer["unharmed"]


def test_no_case_is_forgotten(answers: dict[str, Any]) -> None:
    assert answers.keys() == EXPECTED.keys()
