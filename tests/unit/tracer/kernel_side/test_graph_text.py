"""The samples are lines of real traces (6.1 and 6.12), shortened."""

from __future__ import annotations

import pytest

from tracer.kernel_side.graph_text import graph_records

TRACE = """\
# tracer: function_graph
#
#     TIME           TASK/PID     DURATION                  FUNCTION CALLS
#      |              |    |       |   |                     |   |   |   |
   19.827772 |      insmod-105  |               |  __x64_sys_finit_module() {
   19.828541 |      insmod-105  |   772.661 us  |    kernel_read_file();
   19.829349 |      insmod-105  |               |    load_module() {
   19.829369 |      insmod-105  |   13.838 us   |      module_sig_check();
   19.861822 |      insmod-105  |               |      /* module_load: mymod OE */
   19.862144 |      insmod-105  |               |      /* initcall_start: func=mymod_init+0x0/0x1000 [mymod] */
   19.891497 |      insmod-105  |               |      /* initcall_finish: func=mymod_init+0x0/0x1000 [mymod] ret=-19 */
   19.896954 |      insmod-105  |               |      /* module_put: mymod call_site=do_init_module refcnt=1 */
   19.897474 |      insmod-105  |   68125.28 us |    } /* load_module */
   19.897880 |      insmod-105  |   70109.93 us |  } /* __x64_sys_finit_module */
"""


def test_rubbish_is_passed_over() -> None:
    assert graph_records("") == []
    assert graph_records("# tracer: nop\n\nnothing | of | this\n ------------------------------------------\n") == []


def test_an_end_without_a_beginning_is_passed_over() -> None:
    assert graph_records("    1.000001 |  insmod-1  |   2.0 us   |  } /* load_module */\n") == []


def test_calls_nest_and_have_times() -> None:
    calls = [record for record in graph_records(TRACE) if record["type"] == "kernel_call"]
    assert [(call["name"], call["depth"]) for call in calls] == [
        ("__x64_sys_finit_module", 0),
        ("kernel_read_file", 1),
        ("load_module", 1),
        ("module_sig_check", 2),
    ]
    assert calls[0]["t"] == 19_827_772_000
    assert [call["duration"] for call in calls] == [70_109_000, 772_661, 68_125_280, 13_838]
    assert {call["pid"] for call in calls} == {105}


def test_a_call_does_not_outlast_the_line_of_its_end() -> None:
    begun = "1.000005 | a-1 | | f() {\n1.000006 | a-1 | | g() {\n"
    ended = "1.000020 | a-1 | 30.5 us | }\n1.000021 | a-1 | 16.0 us | }\n"
    outer, inner = graph_records(begun + ended)
    assert (inner["duration"], outer["duration"]) == (15_000, 16_000)


def test_a_call_that_never_ended_has_no_duration() -> None:
    (call,) = graph_records("    1.000001 |  insmod-1  |             |  load_module() {\n")
    assert call["duration"] is None


def test_events_have_fields() -> None:
    events = {record["name"]: record["fields"] for record in graph_records(TRACE) if record["type"] == "kernel_event"}
    assert events["module_load"] == {"module": "mymod"}
    assert events["initcall_finish"]["ret"] == -19
    assert events["module_put"] == {"call_site": "do_init_module", "refcnt": 1, "module": "mymod"}


@pytest.mark.parametrize("task", ["kworker/0:1-7", "sh -c x-7", "a-b-7"])
def test_names_of_tasks_may_be_odd(task: str) -> None:
    (call,) = graph_records(f"    1.5      |  {task}  |   2.0 us   |  load_module();\n".replace("1.5     ", "1.500000"))
    assert call["pid"] == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [("load_module(); /* = -19 */", -19), ("load_module(); /* = 0xffffffed */", 0xFFFFFFED)],
)
def test_newer_kernels_show_what_a_function_returned(text: str, value: int) -> None:
    (call,) = graph_records(f"    1.500000 |  insmod-1  |   2.0 us   |  {text}\n")
    assert call["return"] == value
