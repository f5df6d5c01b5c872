"""Uevents that were collected late get the times of the kernel's calls that sent them, where those are known."""

from __future__ import annotations

from typing import Any

import pytest

from tracer.kernel_side.uevent_times import timed


def uevent(number: int, t: int, after: int | None = None) -> dict[str, Any]:
    late = {} if after is None else {"sent_after": after}
    return {
        "type": "uevent",
        "t": t,
        "action": "add",
        "subsystem": "module",
        "variables": {"SEQNUM": str(number)},
        **late,
    }


def sent(*times: int) -> list[dict[str, Any]]:
    return [{"type": "kernel_call", "name": "netlink_has_listeners", "t": t, "duration": 5} for t in times]


@pytest.mark.parametrize("calls", [(), (50,), (50, 60, 70), (10, 120)], ids=len)
def test_when_numbers_differ_the_time_of_collecting_stays(calls: tuple[int, ...]) -> None:
    found = timed([uevent(1, 100, 20), uevent(2, 100, 20)], sent(*calls))
    assert [(one["t"], one["sent_after"]) for one in found] == [(100, 20), (100, 20)]


def test_the_kernels_calls_tell_when_each_was_sent() -> None:
    load = {"name": "load_module", "t": 50}
    first, *found = timed([uevent(8, 100, 20), uevent(7, 100, 20)], [*sent(70, 60), load])
    assert first == load
    assert [(one["variables"]["SEQNUM"], one["t"]) for one in found] == [("8", 70), ("7", 60)]
    assert not any("sent_after" in one for one in found)


def test_each_call_of_a_command_has_uevents_of_its_own() -> None:
    found = timed([uevent(1, 100, 20), uevent(2, 300, 200)], sent(30, 150, 250, 260))
    assert [(one["t"], one.get("sent_after")) for one in found] == [(30, None), (300, 200)]


def test_uevents_of_one_call_may_be_collected_at_several_times() -> None:
    found = timed([uevent(1, 60, 20), uevent(2, 100, 20)], sent(30, 62))
    assert [one["t"] for one in found] == [30, 62]


@pytest.mark.parametrize("duration", [30, None])
def test_what_init_does_is_its_own_affair_and_stays_in_the_order_of_the_numbers(duration: int | None) -> None:
    device = {**uevent(2, 100, 20), "subsystem": "net"}
    init = {"type": "kernel_call", "name": "do_one_initcall", "t": 40, "duration": duration}
    found = timed([uevent(1, 100, 20), device, uevent(3, 100, 20)], [*sent(25, 60, 80), init])[1:]
    if duration is None:  # it never returned: whatever was sent after its begin may be its
        assert [one["t"] for one in found] == [100, 100, 100]
    else:
        assert [(one["t"], one.get("sent_after")) for one in found] == [(25, None), (80, 20), (80, None)]


def test_what_was_collected_when_it_came_keeps_its_time() -> None:
    state = {"type": "state", "t": 1}
    assert timed([uevent(1, 100), state], sent(90)) == [uevent(1, 100), state]


def test_a_uevent_without_a_number_is_no_error() -> None:
    damaged = {**uevent(1, 100, 20), "variables": {"SEQNUM": "x"}}
    assert timed([damaged], sent(30))[0]["t"] == 30
