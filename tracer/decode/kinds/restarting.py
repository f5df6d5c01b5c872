"""What restart_syscall goes on with."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere
from tracer.decode.signature import Value
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments


def _interrupted(task: Task, _value: int, _raw: RawArguments) -> Value:
    return task.interrupted


INTERRUPTED = everywhere(_interrupted, lambda value: f"<... resuming interrupted {value or 'system call'} ...>")
