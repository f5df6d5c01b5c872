"""Tables against other sources: the C library's header, python-ptrace, strace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracer.decode.kinds.numbers import signal_symbol
from tracer.decode.names import call_names, call_numbers, errno_symbol, is_restart
from tracer.decode.tables.architectures import ARCHITECTURES, Architecture
from tracer.decode.tables.few_numbers import FEW_NUMBERS

X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
I386 = 0x40000003

HEADERS = Path("/usr/include/x86_64-linux-gnu/asm")


@pytest.mark.parametrize(("audit", "header"), [(X86_64, "unistd_64.h"), (I386, "unistd_32.h")])
def test_names_agree_with_the_kernels_header(audit: int, header: str) -> None:
    path = HEADERS / header
    if not path.exists():
        pytest.skip(f"{path} is missing: apt-get install linux-libc-dev")
    names = call_names(audit)
    numbers = {int(number): name for name, number in re.findall(r"__NR_(\w+) (\d+)", path.read_text())}
    differing = {
        number: (name, names[number]) for number, name in numbers.items() if number in names and name != names[number]
    }
    assert not differing


def test_the_newest_calls_have_names_everywhere() -> None:
    for audit in (X86_64, AARCH64, I386):
        assert call_names(audit)[471] == "rseq_slice_yield"
        assert call_names(audit)[440] == "process_madvise"


def test_module_calls_have_their_numbers() -> None:
    names = frozenset(("init_module", "finit_module", "delete_module"))
    assert call_numbers(names, X86_64) == {175, 313, 176}
    assert call_numbers(names, AARCH64) == {105, 273, 106}
    assert call_numbers(names, I386) == {128, 350, 129}


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda each: str(each.name))
def test_the_numbers_that_are_had_without_tables_are_those_of_the_tables(architecture: Architecture) -> None:
    names = call_names(architecture.audit)
    for name, number in FEW_NUMBERS[architecture.name].items():
        assert [each for each in names if names[each] == name] == [number]


def test_numbers_come_from_the_tables_for_any_other_call() -> None:
    assert call_numbers(frozenset(("execve", "openat")), X86_64) == {59, 257}
    assert call_numbers(frozenset(("finit_module", "no such call")), X86_64) == {313}


def test_an_unknown_architecture_has_no_names() -> None:
    assert not call_names(0xDEAD)
    assert not call_numbers(frozenset(("execve",)), 0xDEAD)


def test_signals_and_errnos() -> None:
    assert [signal_symbol(number) for number in (1, 9, 17, 31)] == ["SIGHUP", "SIGKILL", "SIGCHLD", "SIGSYS"]
    assert [signal_symbol(number) for number in (32, 33, 64)] == ["SIGRTMIN", "SIGRT_1", "SIGRT_32"]
    assert errno_symbol(8) == "ENOEXEC"
    assert errno_symbol(512) == "ERESTARTSYS"
    assert [errno_symbol(number) for number in (35, 95)] == ["EDEADLK", "EOPNOTSUPP"]
    assert errno_symbol(9999) == "errno 9999"
    assert is_restart(514)
    assert not is_restart(4)
