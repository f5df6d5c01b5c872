"""Calls that start and end programs."""

from __future__ import annotations

from typing import Any

from tracer.decode.tables import files
from tracer.decode.values import Task, count_list, directory, flags, signed32, text, text_list
from tracer.ptrace.tracee import RawArguments

Decoded = dict[str, Any]


def execve_entry(task: Task, raw: RawArguments) -> Decoded:
    """execve(pathname, argv, envp); of the environment, which may hold secrets, only the size."""
    return {
        "pathname": text(task, raw[0]),
        "argv": text_list(task, raw[1]),
        "envp": count_list(task, raw[2]),
    }


def execveat_entry(task: Task, raw: RawArguments) -> Decoded:
    """execveat(dirfd, pathname, argv, envp, flags)."""
    return {
        "dirfd": directory(task, raw[0]),
        "pathname": text(task, raw[1]),
        "argv": text_list(task, raw[2]),
        "envp": count_list(task, raw[3]),
        "flags": flags(raw[4] & 0xFFFFFFFF, files.AT_FLAGS),
    }


def exit_entry(_task: Task, raw: RawArguments) -> Decoded:
    """exit(status), exit_group(status)."""
    return {"status": signed32(raw[0])}
