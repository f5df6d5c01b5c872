"""The recorder with real processes: what must never go wrong first."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from tracer import recorder, records
from tracer.errors import CommandNotStarted, Interrupted, KernelSideUnavailable, UnknownCall
from tracer.escapes import unescaped
from tracer.kernel_side import KernelSide
from tracer.ptrace.tracee import RawCall
from tracer.records import Record, Records, validate


def trace(command: Sequence[str], **options: object) -> Records:
    """Record a command, check every record, and return the trace."""
    got: list[Record] = []
    record: Callable[..., int] = recorder.record
    status = record(command, got.append, **options)
    for number, each in enumerate(got, start=1):
        validate(json.loads(json.dumps(each)), number)
    whole = Records.of(got)
    assert whole.status == status
    return whole


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class TestCommandsThatDoNotStart:
    def test_not_found(self) -> None:
        with pytest.raises(CommandNotStarted, match="cannot execute 'no-such-command'") as raised:
            trace(["no-such-command"])
        assert raised.value.status == 127

    def test_not_executable(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("x")
        with pytest.raises(CommandNotStarted, match="Permission denied") as raised:
            trace(["text"], env={"PATH": f"/nonexistent:{tmp_path}"})
        assert raised.value.status == 126
        with pytest.raises(CommandNotStarted, match="Permission denied") as raised:
            trace([str(tmp_path / "text")])
        assert raised.value.status == 126

    def test_a_name_that_no_file_can_have(self) -> None:
        with pytest.raises(CommandNotStarted, match="File name too long"):
            trace(["x" * 300])

    def test_not_a_program(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("x")
        (tmp_path / "text").chmod(0o755)
        got: list[Record] = []
        with pytest.raises(CommandNotStarted, match="Exec format error") as raised:
            recorder.record([str(tmp_path / "text")], got.append)
        assert raised.value.status == 126
        assert [record["type"] for record in got] == ["header", "syscall", "exit", "end"]
        assert (got[1]["name"], got[1]["errno"]) == ("execve", "ENOEXEC")

    def test_no_such_folder(self) -> None:
        with pytest.raises(CommandNotStarted):
            trace(["true"], cwd="/nonexistent")

    def test_an_unknown_call_is_refused_before_anything_runs(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownCall):
            trace(["touch", str(tmp_path / "x")], calls=frozenset(("opne",)))
        assert not (tmp_path / "x").exists()


class TestNothingIsLeftBehind:
    SCRIPT = (
        "import sys; from tracer import recorder\n"
        "recorder.record(['sh', '-c', 'sleep 1000 & echo $! $$ > {path}; wait'], lambda record: None)"
    )

    def start(self, path: Path) -> tuple[subprocess.Popen[bytes], list[int]]:
        tracer = subprocess.Popen([sys.executable, "-c", self.SCRIPT.format(path=path)], stderr=subprocess.PIPE)
        assert wait_until(lambda: path.exists() and len(path.read_text().split()) == 2)
        return tracer, [int(pid) for pid in path.read_text().split()]

    def test_a_command_killed_before_it_starts_has_that_status(self) -> None:
        def killing(record: Record) -> None:
            if record["type"] == "header":
                os.kill(record["pid"], signal.SIGKILL)
                time.sleep(0.1)

        assert recorder.record(["true"], killing) == 137

    def test_a_killed_tracer_takes_its_tracees_along(self, tmp_path: Path) -> None:
        tracer, pids = self.start(tmp_path / "pids")
        assert all(alive(pid) for pid in pids)
        tracer.kill()
        tracer.communicate()
        assert wait_until(lambda: not any(alive(pid) for pid in pids))

    def test_a_terminated_tracer_says_so(self, tmp_path: Path) -> None:
        tracer, pids = self.start(tmp_path / "pids")
        tracer.terminate()
        _, errors = tracer.communicate(timeout=10)
        assert b"Interrupted: ended by signal 15" in errors
        assert not any(alive(pid) for pid in pids)

    def test_an_interrupt_goes_to_the_command(self, tmp_path: Path) -> None:
        tracer, pids = self.start(tmp_path / "pids")
        tracer.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert not alive(pids[1])
        # dash starts background commands with SIGINT ignored: the trace goes on with what is left.
        os.kill(pids[0], signal.SIGKILL)
        assert tracer.wait(timeout=10) == 0
        tracer.communicate()

    def test_a_sink_that_fails_leaves_no_tracee(self) -> None:
        pids: list[int] = []

        def failing(record: Record) -> None:
            if record["type"] == "header":
                pids.append(record["pid"])
            if record["type"] == "exec":
                raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space"):
            recorder.record(["sleep", "1000"], failing)
        assert not alive(pids[0])

    def test_handlers_and_affinity_are_as_before(self) -> None:
        before = os.sched_getaffinity(0), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        whole = trace(["true"])
        after = os.sched_getaffinity(0), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        assert before == after
        assert whole.header["pinned_to_cpu"] in {*os.sched_getaffinity(0), None}
        assert trace(["true"], pin="never").header["pinned_to_cpu"] is None

    def test_no_descriptor_leaks(self) -> None:
        trace(["true"])
        before = len(list(Path("/proc/self/fd").iterdir()))
        trace(["sh", "-c", "true; true"])
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestEndings:
    @pytest.mark.parametrize(
        ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
    )
    def test_the_status_is_the_commands(self, script: str, status: int) -> None:
        assert trace(["sh", "-c", script]).status == status

    def test_the_status_is_the_commands_and_not_a_childs(self) -> None:
        whole = trace(["sh", "-c", "(sleep 0.2; exit 9) & exit 4"])
        assert whole.status == 4
        assert {record["status"] for record in whole.of_type("exit")} >= {4, 9}

    def test_a_call_that_never_returns_has_no_result(self) -> None:
        last = trace(["true"]).calls()[-1]
        assert (last["name"], last["return"], last["duration"]) == ("exit_group", None, None)
        assert last["args"] == {"status": 0}

    def test_a_call_cut_off_by_a_kill_has_no_result(self) -> None:
        script = (
            "import os, signal, threading as t, time\n"
            "t.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()\nos.read(os.pipe()[0], 1)"
        )
        whole = trace([sys.executable, "-I", "-S", "-c", script])
        assert whole.status == 137
        read = whole.calls("read")[-1]
        assert read["return"] is None
        assert read["args"]["count"] == 1


class TestSignals:
    def test_a_handled_signal_is_delivered_and_recorded(self) -> None:
        whole = trace(["sh", "-c", "trap 'exit 5' USR1; kill -USR1 $$; sleep 10"])
        assert whole.status == 5
        assert [record["signal"] for record in whole.of_type("signal")] == ["SIGUSR1"]

    def test_a_stopped_command_stays_stopped_until_it_is_continued(self) -> None:
        script = "(sleep 0.3; kill -CONT $$) & kill -STOP $$; exit 6"
        start = time.monotonic()
        assert trace(["sh", "-c", script]).status == 6
        assert time.monotonic() - start > 0.25


class TestDescendants:
    def test_threads_forks_and_execs_are_followed(self) -> None:
        script = (
            "import os, threading\n"
            "t = threading.Thread(target=os.write, args=(2, b'thread')); t.start(); t.join()\n"
            "os.posix_spawn('/bin/echo', ['echo', 'spawned'], {})\nos.wait()"
        )
        whole = trace([sys.executable, "-I", "-S", "-c", script])
        assert [record["argv"][0] for record in whole.of_type("exec")][-1] == "echo"
        written = {record["args"]["buf"]["data"] for record in whole.calls("write")}
        assert {"thread", "spawned\n"} <= written
        assert len({record["pid"] for record in whole.records}) == 3

    def test_an_exec_from_a_thread_takes_over_the_process(self) -> None:
        script = (
            "import os, threading, time\n"
            "threading.Thread(target=os.execv, args=('/bin/echo', ['echo', 'x'])).start()\ntime.sleep(10)"
        )
        whole = trace([sys.executable, "-I", "-S", "-c", script])
        assert whole.status == 0
        executed = whole.of_type("exec")[-1]
        assert executed["pid"] == whole.header["pid"]
        assert whole.calls("execve")[-1]["return"] == 0

    def test_a_script_is_shown_with_its_interpreter(self, tmp_path: Path) -> None:
        script = tmp_path / "script"
        script.write_text("#!/bin/sh -e\nexit 2\n")
        script.chmod(0o755)
        whole = trace([str(script), "argument"])
        (executed,) = whole.of_type("exec")
        assert executed["path"] == os.path.realpath("/bin/sh")
        assert executed["argv"] == ["/bin/sh", "-e", str(script), "argument"]
        assert executed["filename"] == str(script)

    def test_many_children_at_once(self) -> None:
        whole = trace(["sh", "-c", "for i in $(seq 100); do (exit 1) & done; wait"])
        assert len(whole.of_type("exit")) == 102


class TestData:
    def test_binary_data_comes_back_whole(self, tmp_path: Path) -> None:
        data = bytes(range(256)) * 10
        (tmp_path / "file").write_bytes(data)
        trace_file = tmp_path / "trace"
        with trace_file.open("w", encoding="ascii") as stream:
            source = f"if={tmp_path / 'file'}"
            recorder.record(["dd", source, "of=/dev/null", "bs=4096"], records.Writer(stream).write)
        whole = records.read_file(trace_file)
        assert str(tmp_path / "file") in {call.get("return_path") for call in whole.calls("openat")}
        reads = [call for call in whole.calls("read") if call["args"]["fd"]["path"] == str(tmp_path / "file")]
        buffer = reads[0]["args"]["buf"]
        assert unescaped(buffer["data"]) == data
        assert buffer["sha256"] == hashlib.sha256(data).hexdigest()
        assert buffer["length"] == len(data)

    def test_arguments_and_paths_that_are_not_utf8(self, tmp_path: Path) -> None:
        name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
        trace_file = tmp_path / "trace"
        with trace_file.open("w", encoding="ascii") as stream:
            recorder.record(["cat", name], records.Writer(stream).write)
        whole = records.read_file(trace_file)
        assert whole.header["command"][1].endswith("/\\xff\\xfe")
        opened = {call["args"]["pathname"] for call in whole.calls("openat")}
        assert f"{tmp_path}/\\xff\\xfe" in opened

    def test_times_are_of_the_monotonic_clock_and_calls_have_durations(self) -> None:
        before = time.monotonic_ns()
        whole = trace(["sleep", "0.2"], calls=frozenset(("clock_nanosleep", "execve")))
        after = time.monotonic_ns()
        (sleep,) = whole.calls("clock_nanosleep")
        assert before < sleep["t"] < after
        assert 200_000_000 <= sleep["duration"] < after - before

    def test_only_calls_asked_for_are_recorded(self) -> None:
        whole = trace(["cat", "/etc/passwd"], calls=frozenset(("openat",)))
        assert {call["name"] for call in whole.calls()} == {"openat"}
        assert whole.header["calls"] == ["openat"]

    def test_all_calls_have_names(self) -> None:
        whole = trace(["ls", "-l", "/"], calls=None)
        assert {"brk", "mprotect", "getdents64"} <= {call["name"] for call in whole.calls()}
        assert not [call for call in whole.calls() if call["name"].startswith("syscall_")]


class Watcher(KernelSide):
    """A kernel side that notes when it is called, and saw something at its start and at its end."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.notes: list[str] = []
        self.t = 0

    def start(self, pid: int, command: Sequence[str]) -> None:
        waiting = Path(f"/proc/{pid}/exe").readlink() == Path("/proc/self/exe").readlink()
        self.notes.append(f"start {command[0]} {waiting}")
        self.t = time.monotonic_ns()
        if self.failure:
            raise self.failure

    def at_module_call(self, moment: Literal["entry", "exit"], call: RawCall) -> None:
        self.notes.append(f"{moment} {call.name} {call.result}")

    def stop(self) -> Iterable[Record]:
        self.notes.append("stop")
        return [
            {"type": "log", "t": self.t, "text": "at the start"},
            {"type": "kernel_call", "t": self.t, "name": "of_our_own_making"},
            {"type": "kernel_event", "t": time.monotonic_ns(), "name": "at_the_end"},
        ]


class TestKernelSide:
    DELETE = "import ctypes; ctypes.CDLL(None).syscall(176, b'no such module', 0)"

    def test_it_starts_before_the_command_and_its_records_are_sorted_in(self) -> None:
        watcher = Watcher()
        whole = trace(["true"], kernel_side=watcher)
        assert watcher.notes == ["start true True", "stop"]
        assert [record["type"] for record in (whole.records[0], whole.records[-1])] == ["log", "kernel_event"]
        assert [record["t"] for record in whole.records] == sorted(record["t"] for record in whole.records)

    def test_what_the_kernel_does_before_the_command_is_executed_is_not_the_commands(self) -> None:
        whole = trace(["true"], kernel_side=Watcher())
        assert "of_our_own_making" not in {record.get("name") for record in whole.records}

    @pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of delete_module is x86-64's")
    def test_it_is_called_at_both_ends_of_a_module_call_though_that_is_not_recorded(self) -> None:
        watcher = Watcher()
        whole = trace([sys.executable, "-I", "-S", "-c", self.DELETE], kernel_side=watcher, calls=frozenset(("close",)))
        assert watcher.notes[1] == "entry delete_module None"
        assert watcher.notes[2].startswith("exit delete_module -")
        assert watcher.notes[3:] == ["stop"]
        assert {call["name"] for call in whole.calls()} == {"close"}

    def test_when_it_cannot_start_nothing_runs(self, tmp_path: Path) -> None:
        watcher = Watcher(KernelSideUnavailable("no tracefs"))
        with pytest.raises(KernelSideUnavailable):
            trace(["touch", str(tmp_path / "x")], kernel_side=watcher)
        assert watcher.notes[1:] == ["stop"]
        assert not (tmp_path / "x").exists()

    def test_it_is_stopped_when_the_trace_breaks_off(self) -> None:
        watcher = Watcher()

        pids = []

        def interrupting(record: Record) -> None:
            pids.append(record["pid"])
            raise Interrupted(15)

        with pytest.raises(Interrupted):
            recorder.record(["sleep", "1000"], interrupting, kernel_side=watcher)
        assert watcher.notes[1:] == ["stop"]
        assert not alive(pids[0])


class Interrupting(Watcher):
    """Sends ^C's signal to the command's process, which does not run the command yet."""

    def start(self, pid: int, command: Sequence[str]) -> None:
        super().start(pid, command)
        os.kill(pid, signal.SIGINT)
        assert wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Zt")


def test_a_signal_before_the_command_is_executed_means_what_it_means_to_the_command() -> None:
    written: list[Record] = []
    assert recorder.record(["true"], written.append, kernel_side=Interrupting()) == 128 + signal.SIGINT
    assert written[-1]["status"] == 128 + signal.SIGINT
