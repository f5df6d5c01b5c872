from __future__ import annotations

from tracer.describe import sentence


def test_an_unknown_record_does_not_stop_a_report() -> None:
    assert sentence({"type": "something new"}) == "something new"
    assert sentence({}) == "None"


def test_addresses_are_left_out_of_sentences() -> None:
    record = {"type": "kernel_event", "name": "initcall_start", "text": "func=0xffffffffc02ae030"}
    assert sentence(record) == "tracepoint initcall_start: func=0x…"


def test_a_message_is_told_whole_and_its_control_characters_are_not_obeyed() -> None:
    record = {
        "type": "syscall", "pid": 7, "t": 0, "duration": 1, "name": "write",
        "args": {"fd": {"value": 2, "path": "pipe:[1]"}, "buf": {"data": "a very long line indeed \x1b[31m\n"}},
        "return": 9, "errno": None,
    }  # fmt: skip
    assert sentence(record) == r"it wrote to standard error: “a very long line indeed \x1b[31m”"


def test_states_are_told_with_their_moment() -> None:
    record = {
        "type": "state",
        "what": "module",
        "moment": "after",
        "module": "mymod",
        "proc_modules": None,
        "sys_module": None,
    }
    assert sentence(record) == "after the command, mymod was not in /proc/modules and not in /sys/module"


def test_a_survey_names_an_example_of_what_is_missing() -> None:
    record = {"type": "survey", "modules": 3, "lacking": {".data": 1, "symbols": 0}, "example": {".data": "crc7.ko"}}
    assert sentence(record) == (
        "of the 3 modules of the kernel's package, 1 have no .data (crc7.ko for one), all have symbols"
    )


def test_a_line_of_the_kernels_log_is_data_too() -> None:
    assert sentence({"type": "log", "text": "\x1b[2Jgone\x7f"}) == r"the kernel logged “\x1b[2Jgone\x7f”"
