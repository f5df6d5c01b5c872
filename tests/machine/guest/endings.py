"""Run in a guest: end a trace or a watch in every way there is, and see whether tracefs is as it was.

Arguments: which ways. Prints one JSON object: way of ending → exit status, differences to before, what was left then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pyinsmod.cli import main
from tracer.kernel_side.tracing import KernelTracing
from tracer.recorder import record

TRACEFS = Path("/sys/kernel/tracing")
FILES = (
    "current_tracer", "set_ftrace_filter", "set_ftrace_notrace", "set_ftrace_pid", "set_event", "set_event_pid",
    "kprobe_events", "tracing_on", "trace_clock", "trace_options", "enabled_functions",
)  # fmt: skip
TRACE = ("trace", "--kernel-events", "--format", "json", "-o", "records.jsonl")


def state() -> dict[str, str]:
    found = {name: (TRACEFS / name).read_text() for name in FILES}
    found["kprobes"] = Path("/sys/kernel/debug/kprobes/list").read_text()
    found["instances"] = " ".join(path.name for path in (TRACEFS / "instances").iterdir())
    return found


def differences(before: dict[str, str]) -> dict[str, list[str]]:
    after = state()
    return {name: [before[name][:200], after[name][:200]] for name in before if before[name] != after[name]}


def forked(run: Callable[[], int]) -> int:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        status = 99
        try:
            status = run()
        finally:
            os._exit(status)
    return pid


def status_of(pid: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return 128 - code if code < 0 else code


def until(met: Callable[[], bool], pid: int) -> None:
    end = time.monotonic() + 60
    while not met():
        if time.monotonic() > end or os.waitpid(pid, os.WNOHANG)[0]:
            sys.exit("the trace did not begin")
        time.sleep(0.01)


def recording(pid: int) -> bool:
    try:
        return (TRACEFS / f"instances/pyinsmod-{pid}/tracing_on").read_text().strip() == "1"
    except OSError:
        return (TRACEFS / "current_tracer").read_text().strip() != "nop"


def setting_up(pid: int) -> bool:
    return (TRACEFS / f"instances/pyinsmod-{pid}").exists()


def signalled(arguments: Sequence[str], number: int, when: Callable[[int], bool] = recording) -> int:
    pid = forked(lambda: main(list(arguments)))
    until(lambda: when(pid), pid)
    os.kill(pid, number)
    return status_of(pid)


def failing_sink() -> int:
    def sink(_: object) -> None:
        raise ZeroDivisionError

    try:
        record(["true"], sink, kernel_side=KernelTracing())
    except ZeroDivisionError:
        return 0
    return 1


def somebody_else(run: Callable[[], int]) -> int:
    """Trace while the top-level buffer is in use, which has to be left alone."""
    (TRACEFS / "set_ftrace_filter").write_text("schedule")
    (TRACEFS / "current_tracer").write_text("function")
    before = state()
    status = status_of(forked(run))
    changed = differences({name: text for name, text in before.items() if name != "enabled_functions"})
    (TRACEFS / "current_tracer").write_text("nop")
    (TRACEFS / "set_ftrace_filter").write_text("\n")
    return 50 if changed else status


SLEEP = ("--", "sleep", "60")
WAYS: dict[str, Callable[[], int]] = {
    "the command ends": lambda: status_of(forked(lambda: main([*TRACE, "--", "true"]))),
    "the command is killed": lambda: status_of(forked(lambda: main([*TRACE, "--", "sh", "-c", "kill -9 $$"]))),
    "no such command": lambda: status_of(forked(lambda: main([*TRACE, "--", "no-such-command"]))),
    "an exception": lambda: status_of(forked(failing_sink)),
    "^C": lambda: signalled([*TRACE, *SLEEP], signal.SIGINT),
    "SIGTERM": lambda: signalled([*TRACE, *SLEEP], signal.SIGTERM),
    "SIGTERM while it begins": lambda: signalled([*TRACE, *SLEEP], signal.SIGTERM, setting_up),
    "SIGTERM of a quick one": lambda: signalled([*TRACE, "--quick", *SLEEP], signal.SIGTERM),
    "somebody else traces": lambda: somebody_else(lambda: main([*TRACE, "--", "true"])),
    "watch: ^C": lambda: signalled(["watch"], signal.SIGINT),
    "watch: SIGTERM": lambda: signalled(["watch"], signal.SIGTERM),
}
KILLED: dict[str, tuple[str, ...]] = {
    "SIGKILL": (*TRACE, *SLEEP),
    "SIGKILL of a quick one": (*TRACE, "--quick", *SLEEP),
    "watch: SIGKILL": ("watch",),
}


def ended(names: Sequence[str]) -> dict[str, dict[str, object]]:
    before = state()
    ways: dict[str, dict[str, object]] = {}
    for name in names:
        if name in WAYS:
            ways[name] = {"status": WAYS[name](), "differs": differences(before)}
            continue
        status = signalled(KILLED[name], signal.SIGKILL)
        left = differences(before)
        status_of(forked(lambda: main([*TRACE, "--", "true"])))
        ways[name] = {"status": status, "left": sorted(left), "differs": differences(before)}
    return ways


if __name__ == "__main__":
    sys.stderr = Path("/dev/null").open("w")  # noqa: SIM115 - to the end of the process
    sys.stdout.write(json.dumps(ended(sys.argv[1:])))
