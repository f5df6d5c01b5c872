"""From events to records; who is who comes from a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tracer.watch.assembly import REQUEST_LIFE, Assembly
from tracer.watch.kernel_events import Detail, Entered, KernelEvent, Left
from tracer.watch.processes import Process

PEOPLE = {
    1: Process(1, 0, "init", "/sbin/init", ("init",)),
    2: Process(2, 0, "kthreadd"),
    7: Process(7, 1, "insmod", "/usr/bin/kmod", ("insmod", "some-mod.ko.xz", "a=1")),
    8: Process(8, 2, "modprobe", "/usr/bin/kmod", ("/sbin/modprobe", "-q", "--", "fs-x")),
    9: Process(9, 1, "mount", "/usr/bin/mount", ("mount", "-t", "x")),
    10: Process(10, 1, "rmmod", "/usr/bin/kmod", ("rmmod", "-f", "a-b")),
}


class People:
    def chain(self, pid: int) -> Sequence[Process]:
        process = PEOPLE.get(pid, Process(pid))
        return [process, *([PEOPLE[process.parent]] if process.parent else [])]

    def opened(self, pid: int, descriptor: int) -> str | None:
        return {(7, 3): "/lib/some-mod.ko.xz"}.get((pid, descriptor))


def records(*events: KernelEvent) -> list[dict[str, Any]]:
    assembly = Assembly(People())
    return [record for event in events for record in assembly.take(event)]


def finit(pid: int = 7, descriptor: int | None = 3) -> Entered:
    return Entered(1000, pid, "insmod", "finit_module", descriptor)


def detail(event: str, pid: int = 7, t: int = 1500, **values: object) -> Detail:
    return Detail(t, pid, "insmod", event, values)


def test_an_end_without_a_beginning_and_a_beginning_without_an_end_are_no_records() -> None:
    assert records(Left(2000, 7, "finit_module", 0)) == []
    assert records(finit(), detail("module_load", module="m")) == []


def test_a_load() -> None:
    (load,) = records(
        finit(), detail("load_module", uargs="a=1", flags=0), detail("module_load", module="some_mod"),
        detail("initcall_finish", ret=0), Left(4000, 7, "finit_module", 0),
    )  # fmt: skip
    assert load == {
        "type": "load", "t": 1000, "duration": 3000, "pid": 7, "comm": "insmod", "exe": "/usr/bin/kmod",
        "argv": ["insmod", "some-mod.ko.xz", "a=1"], "parents": [{"pid": 1, "comm": "init", "argv": ["init"]}],
        "call": "finit_module", "module": "some_mod", "file": "/lib/some-mod.ko.xz", "parameters": "a=1",
        "result": "loaded", "errno": None, "init_return": 0, "asked_for": None, "requested_by": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("details", "result", "errno", "returned"),
    [
        ([], "refused", "EINVAL", None),
        ([detail("module_load", module="m"), detail("initcall_finish", ret=-22)], "init-failed", "EINVAL", -22),
        ([detail("module_load", module="m")], "refused", "EINVAL", None),
    ],
)
def test_failures(details: list[Detail], result: str, errno: str, returned: int | None) -> None:
    (load,) = records(finit(), *details, Left(4000, 7, "finit_module", -22))
    assert (load["result"], load["errno"], load["init_return"]) == (result, errno, returned)


def test_an_unknown_errno_stays_a_number() -> None:
    (load,) = records(finit(), Left(4000, 7, "finit_module", -517))
    assert load["errno"] == "517"


def test_without_its_event_a_module_is_called_like_its_file() -> None:
    (load,) = records(finit(), Left(4000, 7, "finit_module", -8))
    assert load["module"] == "some_mod"
    (load,) = records(finit(descriptor=None), Left(4000, 7, "finit_module", -8))
    assert load["module"] == "some_mod"  # of the arguments
    (load,) = records(finit(pid=99), Left(4000, 99, "finit_module", -8))
    assert (load["module"], load["file"], load["parameters"]) == (None, None, None)


def test_two_tasks_do_not_get_mixed_up() -> None:
    loads = records(
        finit(7), finit(99), detail("module_load", 99, module="other"), detail("module_load", 7, module="one"),
        Left(2000, 7, "finit_module", 0), Left(3000, 99, "finit_module", 0),
    )  # fmt: skip
    assert [(one["pid"], one["module"]) for one in loads] == [(7, "one"), (99, "other")]


def test_a_load_whose_call_nobody_saw() -> None:
    (load,) = records(detail("module_load", module="m"))
    assert (load["module"], load["result"], load["call"], load["duration"]) == ("m", "loaded", None, None)


def test_modprobe_for_the_kernel_is_traced_back_to_who_asked() -> None:
    request, load = records(
        Detail(500, 9, "mount", "module_request", {"alias": "fs-x"}), finit(8), Left(4000, 8, "finit_module", 0)
    )
    assert (request["type"], request["alias"], request["pid"]) == ("request", "fs-x", 9)
    assert load["asked_for"] == "fs-x"
    assert load["requested_by"] == {"alias": "fs-x", "pid": 9, "comm": "mount", "argv": ["mount", "-t", "x"]}


def test_an_old_request_is_nobodys() -> None:
    late = 501 + REQUEST_LIFE
    _, load = records(
        Detail(500, 9, "mount", "module_request", {"alias": "fs-x"}),
        Entered(late, 8, "modprobe", "finit_module", 3), Left(late + 10, 8, "finit_module", 0),
    )  # fmt: skip
    assert load["requested_by"] is None


@pytest.mark.parametrize(
    ("details", "result", "module", "errno"),
    [
        ([detail("delete_module", 10, name="a_b"), detail("module_free", 10, module="a_b")], 0, "a_b", None),
        ([detail("delete_module", 10, name="x_y")], -11, "x_y", "EAGAIN"),
        ([], -2, "a_b", "ENOENT"),
    ],
)
def test_removals(details: list[Detail], result: int, module: str, errno: str | None) -> None:
    entered = Entered(1000, 10, "rmmod", "delete_module", None)
    (removal,) = records(entered, *details, Left(2000, 10, "delete_module", result))
    assert (removal["type"], removal["module"], removal["errno"]) == ("removal", module, errno)
    assert removal["result"] == ("refused" if errno else "removed")
