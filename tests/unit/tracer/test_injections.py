"""What --inject says: strace's syntax, and which invocations are meant."""

from __future__ import annotations

import errno
import signal

import pytest

from tracer.decode.names import call_numbers
from tracer.errors import InjectionMalformed
from tracer.injections import changes, fault, injected_calls
from tracer.ptrace.changes import Effect
from tracer.ptrace.tracee import Tracee

X86_64, I386 = 0xC000003E, 0x40000003
NOTHING = (0, 0, 0, 0, 0, 0)

# What strace 6.1 refuses, it too; the part of the message that says what is wrong.
MALFORMED = {
    "": "no system call",
    ":error=EPERM": "no system call",
    ",:error=EPERM": "no system call",
    "chdir": "nothing to do",
    "chdir:": "'' is none of error=",
    "chdir:when=1": "nothing to do",
    "chdir:bogus=1": "'bogus=1' is none of error=, retval=, signal=, delay_enter=, delay_exit=, when=",
    "chdir:poke_exit=@arg1=00": "is none of",
    "chdir:error=0": "from 1 to 4095",
    "chdir:error=4096": "from 1 to 4095",
    "chdir:error=-1": "from 1 to 4095",
    "chdir:error=ENOPE": "neither the name of an errno",
    "chdir:error=": "neither the name of an errno",
    "chdir:error=EPERM:retval=1": "'retval=1' comes after another",
    "chdir:error=EPERM:error=EIO": "'error=EIO' comes after another",
    "chdir:retval=-1": "errors are injected by error=",
    "chdir:retval=x": "not a number",
    "chdir:retval=9223372036854775808": "not a number",
    "chdir:signal=0": "neither the name of a signal",
    "chdir:signal=65": "neither the name of a signal",
    "chdir:signal=KILLX": "neither the name of a signal",
    "chdir:delay_exit=-1": "not a time",
    "chdir:delay_exit=1m": "not a time",
    "chdir:delay_exit=0": "above 0",
    "chdir:delay_exit=1s:delay_exit=1": "comes after another",
    "chdir:delay_enter=100000s": "up to a day",
    "chdir:error=EPERM:when=0": "FIRST and STEP are from 1 to 65535",
    "chdir:error=EPERM:when=65536": "FIRST and STEP",
    "chdir:error=EPERM:when=2+0": "FIRST and STEP",
    "chdir:error=EPERM:when=3..2": "LAST is from FIRST",
    "chdir:error=EPERM:when=1..65535": "LAST is from FIRST to 65534",
    "chdir:error=EPERM:when=": "FIRST[..LAST]",
    "chdir:error=EPERM:when=+1": "FIRST[..LAST]",
    "chdir:error=EPERM:when=1..": "FIRST[..LAST]",
}


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_malformed_is_refused(text: str) -> None:
    with pytest.raises(InjectionMalformed) as raised:
        fault(text)
    assert MALFORMED[text] in str(raised.value)
    assert str(raised.value).startswith(f"cannot inject '{text}': ")


EFFECTS = {
    "error=EPERM": Effect(result=-errno.EPERM),
    "error=eperm": Effect(result=-errno.EPERM),
    "error=5": Effect(result=-5),
    "error=4095": Effect(result=-4095),
    "retval=0": Effect(result=0),
    "retval=0x10": Effect(result=16),
    "signal=TERM": Effect(signal=signal.SIGTERM),
    "signal=sigterm": Effect(signal=signal.SIGTERM),
    "signal=64": Effect(signal=64),
    "signal=SIGRTMIN": Effect(signal=32),  # the kernel's first, as strace counts, not the C library's
    "signal=SIGRT_3": Effect(signal=35),
    "delay_enter=1000": Effect(delay_enter=1_000_000),
    "delay_exit=5ms": Effect(delay_exit=5_000_000),
    "delay_exit=0.5s": Effect(delay_exit=500_000_000),
    "delay_exit=1e3us": Effect(delay_exit=1_000_000),
    "delay_exit=7ns": Effect(delay_exit=7),
    "error=EIO:signal=9:delay_enter=1:delay_exit=2": Effect(-errno.EIO, 9, 1000, 2000),
}


@pytest.mark.parametrize("text", EFFECTS)
def test_effects(text: str) -> None:
    assert fault(f"chdir:{text}").effect == EFFECTS[text]


INVOCATIONS = {
    "": [1, 2, 3, 4, 5, 6, 7, 8],
    ":when=3": [3],
    ":when=3+": [3, 4, 5, 6, 7, 8],
    ":when=2+3": [2, 5, 8],
    ":when=2..4": [2, 3, 4],
    ":when=2..7+": [2, 3, 4, 5, 6, 7],
    ":when=2..7+2": [2, 4, 6],
    ":when=1:when=2": [2],
}


@pytest.mark.parametrize("when", INVOCATIONS)
def test_which_invocations_are_meant_in_each_task(when: str) -> None:
    table = changes([fault(f"chdir:error=EPERM{when}")], [X86_64])
    (number,) = call_numbers(frozenset(("chdir",)), X86_64)
    for task in (Tracee(1, {}, announced=True), Tracee(2, {}, announced=True)):
        hit = [count for count in range(1, 9) if table[X86_64, number].enter(task, NOTHING) is not None]
        assert hit == INVOCATIONS[when]


def test_of_several_for_one_call_the_last_holds_and_others_stay() -> None:
    table = changes([fault("chdir,mkdir:error=EPERM"), fault("chdir:retval=3")], [X86_64, I386])
    results = {}
    for name in ("chdir", "mkdir"):
        for arch in (X86_64, I386):
            (number,) = call_numbers(frozenset((name,)), arch)
            effect = table[arch, number].enter(Tracee(1, {}, announced=True), NOTHING)
            assert effect is not None
            results[name, arch] = effect.result
    assert results == {("chdir", X86_64): 3, ("chdir", I386): 3, ("mkdir", X86_64): -1, ("mkdir", I386): -1}
    assert len(table) == 4


def test_the_calls_of_all_together() -> None:
    assert injected_calls([]) == frozenset()
    two = [fault("chdir:error=1"), fault("open, openat:error=1")]
    assert injected_calls(two) == frozenset(("chdir", "open", "openat"))
    assert injected_calls([fault("chdir:error=1"), fault("all:error=1")]) is None
