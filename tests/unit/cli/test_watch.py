"""What `pyinsmod watch` says of a record, and how it is asked."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pyinsmod.cli import watch
from pyinsmod.errors import UsageError

LOAD: dict[str, Any] = {
    "type": "load", "t": 1, "duration": 34_120_000, "pid": 7, "comm": "insmod", "exe": None, "argv": [],
    "parents": [{"pid": 6, "comm": "sh", "argv": []}, {"pid": 1, "comm": "init", "argv": []}], "call": "finit_module",
    "module": "m", "file": None, "parameters": "", "result": "loaded", "errno": None, "init_return": 0,
    "asked_for": None, "requested_by": None,
}  # fmt: skip


@pytest.mark.parametrize("arguments", [["-n", "0"], ["-n", "x"], ["--seconds", "-1"], ["--seconds", "inf"], ["extra"]])
def test_wrong_usage_is_said(arguments: list[str]) -> None:
    with pytest.raises(UsageError, match="pyinsmod watch -h explains"):
        watch.run(arguments)


def test_who_is_not_root_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert watch.run([]) == 2
    assert capsys.readouterr().err == "pyinsmod: watch needs root: run 'sudo pyinsmod watch'\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "insmod[7] loaded m in 34.1 ms from sh[6] < init[1]"),
        ({"parameters": "a=1", "parents": []}, "insmod[7] loaded m with 'a=1' in 34.1 ms"),
        ({"module": None, "duration": None, "parents": []}, "insmod[7] loaded a module"),
        (
            {"result": "refused", "errno": "ENOEXEC", "init_return": None, "parents": []},
            "insmod[7] could not load m: ENOEXEC in 34.1 ms",
        ),
        (
            {"result": "init-failed", "errno": "EINVAL", "init_return": -22, "parents": []},
            "insmod[7] could not load m: its init returned -22 (EINVAL) in 34.1 ms",
        ),
        (
            {"asked_for": "net-pf-9", "requested_by": {"alias": "net-pf-9", "pid": 5, "comm": "ip"}, "parents": []},
            'insmod[7] loaded m in 34.1 ms for request_module("net-pf-9") by ip[5]',
        ),
        ({"asked_for": "other", "parents": []}, "insmod[7] loaded m in 34.1 ms asked for as other"),
        ({"type": "removal", "result": "removed", "parents": []}, "insmod[7] removed m in 34.1 ms"),
        (
            {"type": "removal", "result": "refused", "errno": "EAGAIN", "duration": None, "parents": []},
            "insmod[7] could not remove m: EAGAIN",
        ),
        ({"type": "request", "alias": "fs-x", "parents": []}, "insmod[7] makes the kernel ask modprobe for fs-x"),
    ],
)
def test_a_record_in_words(change: dict[str, Any], words: str) -> None:
    assert watch.sentence({**LOAD, **change}) == words


def test_text_from_processes_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = watch.Shown(as_json=False)
    shown.show({**LOAD, "comm": "\x1b[2Jevil\n", "parameters": "\x07"})
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\x07" not in text


def test_what_was_seen_is_counted() -> None:
    shown = watch.Shown(as_json=True)
    for record in (LOAD, {**LOAD, "errno": "EPERM"}, {**LOAD, "type": "removal"}, {**LOAD, "type": "request"}):
        shown.show(record)
    assert shown.calls == 3
    assert shown.summary() == "2 loads, 1 removals, 1 of them failed"
