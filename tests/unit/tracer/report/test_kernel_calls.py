from __future__ import annotations

from typing import Any

import pytest

from tracer.report.kernel_calls import calls_of, depth_at, folded, step_of


def call(name: str, t: int, depth: int, duration: int | None = 10) -> dict[str, Any]:
    return {"type": "kernel_call", "t": t, "name": name, "depth": depth, "duration": duration}


def shape(*records: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(one.name, one.depth, one.count) for one in folded(calls_of(records))]


@pytest.mark.parametrize(
    ("function", "step"),
    [
        ("__x64_sys_finit_module", 4),
        ("__arm64_sys_init_module", 4),
        ("load_module", 5),
        ("free_module", 13),
        ("kfree", None),
    ],
)
def test_functions_belong_to_documented_steps(function: str, step: int | None) -> None:
    assert step_of(function) == step


def test_a_function_under_another_steps_check_serves_that_step() -> None:
    calls = calls_of([call("check_modstruct_version", 1, 2), call("find_symbol", 2, 3), call("resolve_symbol", 9, 2)])
    assert [one.step for one in calls] == [7, None, 9]


def test_a_function_under_a_step_that_is_a_whole_loader_has_its_own() -> None:
    calls = calls_of([call("load_module", 1, 1), call("do_init_module", 2, 2), call("free_module", 3, 3)])
    assert [one.step for one in calls] == [5, 12, 13]


def test_consecutive_repeats_are_one_with_their_time_together() -> None:
    (one,) = folded(calls_of([call("a", 1, 0, 5), call("a", 9, 0, None), call("a", 20, 0, 7)]))
    assert (one.count, one.start, one.duration) == (3, 1, 12)


def test_repeats_with_something_between_stay_apart() -> None:
    assert shape(call("a", 1, 0), call("b", 2, 0), call("a", 3, 0)) == [("a", 0, 1), ("b", 0, 1), ("a", 0, 1)]


def test_what_folded_calls_called_is_gathered_by_function_without_a_moment() -> None:
    records = [call(name, t, depth) for t, (name, depth) in enumerate([("a", 0), ("b", 1), ("c", 1)] * 2)]
    found = list(folded(calls_of(records)))
    assert [(one.name, one.count, one.start) for one in found] == [("a", 2, 0), ("b", 2, None), ("c", 2, None)]


def test_a_trace_that_starts_inside_a_function_keeps_its_depths() -> None:
    assert shape(call("c", 1, 3), call("b", 2, 1), call("c", 3, 2)) == [("c", 3, 1), ("b", 1, 1), ("c", 2, 1)]


def test_depth_at_a_moment_is_one_below_the_innermost_running_call() -> None:
    calls = calls_of([call("a", 0, 0, 100), call("b", 10, 1, 20)])
    assert [depth_at(calls, moment) for moment in (15, 50, 500)] == [2, 1, 0]
