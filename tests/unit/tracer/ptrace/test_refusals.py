"""Why attaching is refused: of each set of facts, the reason and its remedy."""

from __future__ import annotations

import os

import pytest

from tracer.ptrace import refusals
from tracer.ptrace.refusals import Facts, Identity, reason

SYS_PTRACE = 1 << 19
ROOT = Identity(
    10,
    "pyinsmod",
    "R",
    10,
    users=frozenset((0,)),
    effective_user=0,
    permitted=SYS_PTRACE,
    effective=SYS_PTRACE,
    owner=0,
)
USER = Identity(10, "pyinsmod", "R", 10, users=frozenset((1000,)), effective_user=1000, owner=1000)
VICTIM = Identity(20, "sleep", "S", 20, users=frozenset((1000,)), effective_user=1000, owner=1000)


def facts(
    own: Identity, target: Identity, yama: int | None = None, *, contained: bool = False, tracer_name: str = ""
) -> Facts:
    return Facts(target, own, tracer_name, yama, contained)


CASES = {
    "gone": (facts(ROOT, Identity(20)), "no such process"),
    "zombie": (facts(ROOT, VICTIM._replace(state="Z")), "it has ended, and only its parent"),
    "own thread": (facts(ROOT, VICTIM._replace(process=10)), "it is this tracer itself"),
    "kernel thread": (facts(ROOT, VICTIM._replace(kernel_thread=True, name="kthreadd")), "of the kernel (kthreadd)"),
    "traced": (facts(ROOT, VICTIM._replace(tracer=7), tracer_name="strace"), "traced by process 7 (strace) already"),
    "Yama, children": (
        facts(USER, VICTIM, 1),
        "by Yama (kernel.yama.ptrace_scope is 1)",
    ),
    "Yama, root": (facts(USER, VICTIM, 2), "only root may trace, by Yama (kernel.yama.ptrace_scope is 2)"),
    "Yama, nobody": (facts(ROOT, VICTIM, 3), "until the next boot (kernel.yama.ptrace_scope is 3)"),
    "other user": (facts(USER, VICTIM._replace(users=frozenset((0,)))), "another user (uid 0): run it with sudo"),
    "set-user-ID": (facts(USER, VICTIM._replace(users=frozenset((0, 1000)))), "another user (uid 0): run it with sudo"),
    "capabilities": (facts(USER, VICTIM._replace(permitted=1)), "it has or had privileges"),
    "not dumpable": (facts(USER, VICTIM._replace(owner=0)), "it has or had privileges"),
    "container": (facts(ROOT._replace(effective=0), VICTIM), "'--cap-add SYS_PTRACE'"),
    "user namespace": (facts(ROOT, VICTIM, contained=True), "outside of this container's user namespace"),
    "seccomp": (facts(USER._replace(seccomp=True), VICTIM), "'--security-opt seccomp=unconfined'"),
    "none of these": (facts(USER, VICTIM), "a security module"),
    "other user before Yama": (facts(USER, VICTIM._replace(users=frozenset((0,))), 1), "another user"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reason(case: str) -> None:
    known, expected = CASES[case]
    assert expected in reason(known)
    assert "\n" not in reason(known)


def test_a_child_is_no_stranger_to_anybody() -> None:
    child = refusals.refusal_of_command(os.getpid(), 1, "true")
    assert str(child).startswith("cannot trace 'true': ")
    rules = refusals._RULES_FOR_CHILDREN
    assert "security module" in reason(facts(USER, VICTIM, 1), rules)
    assert "only root may trace" in reason(facts(USER, VICTIM, 2), rules)
    assert "security module" in reason(facts(ROOT, VICTIM, contained=True), rules)


def test_an_identity_is_what_proc_shows() -> None:
    own = refusals.identity(os.getpid())
    assert (own.pid, own.process, own.effective_user) == (os.getpid(), os.getpid(), os.geteuid())
    assert own.state in "RS"
    assert not own.kernel_thread
    assert refusals.identity(2**22 + 1) == Identity(2**22 + 1)
