from __future__ import annotations

import pytest

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


RELOCATIONS = (
    "in memory, 2 of 3 relocations of functions hold the target's address and 1 were patched again by the"
    " architecture's code"
)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"type": "kernel_call", "name": "load_module"}, "the kernel ran load_module()"),
        ({"type": "kernel_call", "name": "load_module", "return": -8}, "the kernel ran load_module() = -8"),
        ({"type": "kernel_event", "name": "module_load"}, "tracepoint module_load"),
        ({"type": "uevent", "action": "add", "devpath": "/module/mymod"}, "uevent add@/module/mymod"),
        ({"type": "log", "text": "mymod: loaded"}, "the kernel logged “mymod: loaded”"),
        ({"type": "exit", "pid": 7, "signal": "SIGKILL"}, "process 7 was killed by SIGKILL"),
        ({"type": "exit", "pid": 7, "signal": None, "status": 1}, "it exited with status 1"),
        ({"type": "end", "status": 139}, "the command ended with status 139"),
        ({"type": "exec", "path": "/bin/kmod", "argv": ["insmod"]}, "/bin/kmod was executed as ['insmod']"),
        ({"type": "output", "stream": "stdout", "text": " out\n"}, "it wrote to standard output: “out”"),
        ({"type": "file", "moment": "before", "path": "/f", "exists": False}, "before the command, /f was not there"),
        ({"type": "file", "moment": "after", "path": "/f", "exists": True, "content": "1\n"},
         "after the command, /f held “1”"),
        ({"type": "file", "path": "/f", "exists": True, "content": "1\n"}, "meanwhile, /f held “1”"),
        ({"type": "state", "what": "module", "moment": "after", "module": "m", "proc_modules": {"state": "Live"},
          "sys_module": {}}, "after the command, m was listed as Live in /proc/modules and not in /sys/module"),
        ({"type": "state", "what": "module_file", "symbols": 3, "sections": {".text": 1, ".bss": 2, ".odd": 3}},
         "the file has 3 symbols and the sections .text, .bss"),
        ({"type": "state", "what": "relocations", "functions": {"fixed": 2, "sites": 3, "patched_again": 1}},
         RELOCATIONS),
        ({"type": "state", "what": "something", "moment": "one day"}, "something one day"),
    ],
)  # fmt: skip
def test_each_kind_of_record_has_its_sentence(record: dict[str, object], said: str) -> None:
    assert sentence(record) == said
