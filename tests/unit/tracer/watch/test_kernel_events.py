"""Lines of trace_pipe; the samples are of a real watch (6.1)."""

from __future__ import annotations

import pytest

from tracer.watch.kernel_events import Detail, Entered, KernelEvent, Left, events_of, signed

HEAD = "          insmod-161     [000] .....   138.043797: "


def event(text: str) -> KernelEvent:
    (found,) = events_of([HEAD + text])
    return found


@pytest.mark.parametrize("line", ["", "CPU:0 [LOST 12 EVENTS]", "rubbish-1", HEAD])
def test_other_lines_are_passed_over(line: str) -> None:
    assert list(events_of([line])) == []


def test_a_call_with_its_descriptor_which_is_hexadecimal() -> None:
    entered = event("sys_finit_module(fd: 1f, uargs: 55a23e2c02a0, flags: 0)")
    assert entered == Entered(138_043_797_000, 161, "insmod", "finit_module", 0x1F)


@pytest.mark.parametrize(
    "text", ["sys_init_module(umod: 7f, len: 4465, uargs: 5)", "sys_delete_module(name_user: 7f, flags: 800)"]
)
def test_other_calls_have_none(text: str) -> None:
    entered = event(text)
    assert isinstance(entered, Entered)
    assert entered.descriptor is None


@pytest.mark.parametrize(("text", "result"), [("0x0", 0), ("0xfffffffffffffff8", -8), ("-2", -2)])
def test_results_are_signed(text: str, result: int) -> None:
    assert signed(text) == result
    assert event(f"sys_finit_module -> {text}") == Left(138_043_797_000, 161, "finit_module", result)


def test_a_request_has_its_alias_whatever_is_in_it() -> None:
    request = event("module_request: fs-a b=c wait=1 call_site=get_fs_type")
    assert isinstance(request, Detail)
    assert request.values["alias"] == "fs-a b=c"


def test_what_probes_fetched() -> None:
    parameters = event('enter__load_module: (load_module+0x0/0x21a0) uargs="a=1 b=2" flags=0')
    assert parameters == Detail(138_043_797_000, 161, "insmod", "load_module", {"uargs": "a=1 b=2", "flags": 0})
    name = event('enter____x64_sys_delete_module: (__x64_sys_delete_module+0x0/0x1) name="dummy"')
    assert name == Detail(138_043_797_000, 161, "insmod", "delete_module", {"name": "dummy"})


def test_probes_stand_in_for_missing_tracepoints() -> None:
    call = "enter____arm64_sys_finit_module: (__arm64_sys_finit_module+0x0/0x1) fd=5"
    assert event(call) == Entered(138_043_797_000, 161, "insmod", "finit_module", 5)
    end = "leave____arm64_sys_finit_module: (invoke_syscall+0x0/0x1 <- __arm64_sys_finit_module) result=-8"
    assert event(end) == Left(138_043_797_000, 161, "finit_module", -8)
    removal = list(events_of([HEAD + 'enter____x64_sys_delete_module: (x+0x0/0x1) fd=7 name="m"']))
    assert [type(one) for one in removal] == [Entered, Detail]
