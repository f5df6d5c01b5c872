from __future__ import annotations

from typing import Any

from tracer.report.load_story import Story, story_of


def syscall(t: int, pid: int, name: str, returned: int = 0, **args: object) -> dict[str, Any]:
    return {"type": "syscall", "t": t, "duration": 1, "pid": pid, "name": name, "args": args, "return": returned}


def told(*records: dict[str, Any]) -> Story:
    story = story_of(records)
    assert story is not None
    return story


def test_a_trace_without_a_process_tells_nothing() -> None:
    assert story_of([]) is None
    assert story_of([{"type": "header"}, {"type": "log", "t": 1, "text": "x"}, {"type": "end", "t": 2}]) is None


def test_the_loader_is_who_asks_the_kernel_and_starts_at_its_last_execve() -> None:
    story = told(
        syscall(1, 10, "execve", pathname="/bin/sh"),
        syscall(2, 11, "execve", pathname="/usr/bin/env"),
        syscall(3, 11, "execve", -2, pathname="/sbin/insmod"),
        syscall(4, 11, "execve", pathname="/usr/sbin/insmod"),
        syscall(5, 11, "finit_module", fd={"value": 3, "path": "/x/mymod.ko"}),
    )
    assert (story.pid, story.start) == (11, 4)


def test_a_loader_that_never_asks_is_who_opens_the_module() -> None:
    story = told(
        syscall(1, 10, "execve", pathname="/bin/sh"),
        syscall(2, 11, "execve", pathname="insmod"),
        syscall(3, 11, "openat", -2, pathname="mymod.ko"),
    )
    assert (story.pid, story.start) == (11, 2)


def test_what_is_run_after_the_loaders_exit_is_not_its_story() -> None:
    story = told(
        syscall(1, 11, "execve", pathname="insmod"),
        syscall(2, 11, "init_module", image={"data": ""}),
        {"type": "exit", "t": 3, "pid": 11, "status": 0},
        {"type": "uevent", "t": 4, "action": "add", "devpath": "/module/mymod"},
        syscall(5, 12, "execve", pathname="rmmod"),
        {"type": "uevent", "t": 6, "action": "remove", "devpath": "/module/mymod"},
    )
    assert [record["t"] for record in story.own("uevent")] == [4]
    assert story.later == 2


def test_the_module_is_known_by_its_file_name_through_links_and_descriptors() -> None:
    story = told(
        {"type": "state", "t": 1, "what": "module_file", "path": "/lib/modules/x/mymod.ko"},
        syscall(2, 11, "execve", pathname="insmod"),
    )
    assert story.touches_module(syscall(3, 11, "openat", 3, pathname="mymod.ko"))
    assert story.touches_module(syscall(3, 11, "read", 3, fd={"value": 3, "path": "/usr/lib/modules/x/mymod.ko"}))
    assert story.touches_module(syscall(3, 11, "openat", 3, pathname="./l") | {"return_path": "/x/mymod.ko"})
    assert not story.touches_module(syscall(3, 11, "openat", 3, pathname="/lib/libc.so.6"))
    assert not story.touches_module(syscall(3, 11, "read", 3, fd={"value": 3, "path": None}))
