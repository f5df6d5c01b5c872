"""Probes' text, and how it finds its way to the calls. The samples are of real traces (6.1 and 7.2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.kernel_side.event_text import event_records
from tracer.kernel_side.probes import (
    PROBES,
    REGISTERS,
    Hit,
    Probe,
    add_to_calls,
    calls_from,
    entry_definition,
    hits_of,
    return_definition,
    values_of,
    with_registers,
)

LINES = """\
# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
          insmod-161     [000] .....   138.043797: enter__load_module: (load_module+0x0/0x21a0) uargs="numdummies=2" flags=0
          insmod-161     [000] .....   138.078716: enter__resolve_symbol: (resolve_symbol+0x0/0x3c0) name="dev_lstats_read"
          insmod-161     [000] ...2.   138.079000: leave__resolve_symbol: (load_module+0x9d/0x21a0 <- resolve_symbol) result=0xffffffff9b2c
          insmod-161     [000] .....   138.080000: module_load: dummy
          insmod-161     [000] d..2.   138.090000: leave__load_module: (__do_sys_finit_module+0xac/0x110 <- load_module) result=-8
"""  # noqa: E501  (as the kernel writes it)


def hits() -> list[Hit]:
    return hits_of(event_records(LINES.splitlines()))[0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("(load_module+0x0/0x21a0)", {}),
        ("(f+0x0/0x1) uargs=(fault) flags=0", {"uargs": None, "flags": 0}),
        ('(f+0x0/0x1) name="a b=c \\"" other=-1', {"name": 'a b=c \\\\"', "other": -1}),
        ("(f+0x0/0x1) function=dummy_init_module+0x0/0x1000", {"function": "dummy_init_module+0x0/0x1000"}),
        ("(a+0x1/0x2 <- f) result=0xffffffffffffffea", {"result": 0xFFFFFFFFFFFFFFEA}),
    ],
)
def test_what_a_probe_fetched(text: str, values: dict[str, Any]) -> None:
    assert values_of(text) == values


@given(st.text())
def test_any_text_is_survived(text: str) -> None:
    values_of(text)
    list(event_records(text.splitlines()))


def test_probes_are_told_from_other_events() -> None:
    found, others = hits_of(event_records(LINES.splitlines()))
    assert [(hit.function, hit.entry) for hit in found] == [
        ("load_module", True), ("resolve_symbol", True), ("resolve_symbol", False), ("load_module", False),
    ]  # fmt: skip
    assert [event["name"] for event in others] == ["module_load"]


def test_probes_alone_make_calls_that_nest() -> None:
    load, resolve = calls_from(hits())
    assert (load["name"], load["depth"], load["duration"], load["return"]) == ("load_module", 0, 46_203_000, -8)
    assert (resolve["depth"], resolve["duration"], resolve["args"]) == (1, 284_000, {"name": "dev_lstats_read"})


def test_a_return_without_its_entry_is_passed_over() -> None:
    assert calls_from([hit for hit in hits() if not hit.entry]) == []


def call(t: int, duration: int | None, name: str = "resolve_symbol", pid: int = 161) -> dict[str, Any]:
    return {"type": "kernel_call", "t": t, "duration": duration, "pid": pid, "name": name, "depth": 0}


def hit(t: int, name: str, *, entry: bool = True, pid: int = 161) -> Hit:
    return Hit("resolve_symbol", t, pid, entry, {"name": name} if entry else {"result": int(name)})


def test_as_many_hits_as_calls_belong_together_in_their_order() -> None:
    calls = [call(1000, 10), call(1100, 10)]
    add_to_calls(calls, [hit(990, "a"), hit(1099, "b"), hit(1012, "1", entry=False), hit(1120, "2", entry=False)])
    assert [(one["args"]["name"], one["return"]) for one in calls] == [("a", 1), ("b", 2)]


def test_where_some_were_lost_the_nearest_in_time_is_taken() -> None:
    calls = [call(1000, 10), call(500_000, 10), call(9_000_000, 10)]
    add_to_calls(calls, [hit(499_000, "b")])
    assert ["args" in one for one in calls] == [False, True, False]


def test_another_tasks_hit_is_not_ours() -> None:
    calls = [call(1000, 10)]
    add_to_calls(calls, [hit(1000, "x", pid=9)])
    assert "args" not in calls[0]


def test_what_the_graph_itself_shows_is_kept() -> None:
    calls = [{**call(1000, 10), "args": {"mod": "0xff"}, "return": 5}]
    add_to_calls(calls, [hit(1000, "a"), hit(1010, "7", entry=False)])
    assert (calls[0]["args"], calls[0]["return"]) == ({"mod": "0xff", "name": "a"}, 5)


def test_definitions_are_lines_for_kprobe_events() -> None:
    probe = Probe("f", "a=$arg1:u32", "s32")
    assert entry_definition(probe).format(group="g") == "p:g/enter__f f a=$arg1:u32"
    assert return_definition(probe).format(group="g") == "r:g/leave__f f result=$retval:s32"


def test_registers_take_the_place_of_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: type("", (), {"machine": "aarch64"}))
    assert with_registers(Probe("f", "a=+24($arg3):string b=$arg1", None)).arguments == "a=+24(%x2):string b=%x0"


def test_no_probe_wants_more_arguments_than_registers_pass() -> None:
    for machine, registers in REGISTERS.items():
        for probe in PROBES:
            assert f"$arg{len(registers) + 1}" not in probe.arguments, machine
