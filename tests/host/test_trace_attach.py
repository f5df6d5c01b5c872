"""Attaching to what runs already: the process must not be able to tell, neither meanwhile nor afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracer import recorder, records
from tracer.errors import NotAttached
from tracer.records import Record, Records

PYTHON = (sys.executable, "-I", "-S", "-c")
# Two threads at work, which say now and then that they are.
BUSY = """
import os, signal, threading, time
on, ready = True, threading.Event()
def ended(number, frame):
    global on
    on = False
signal.signal(signal.SIGTERM, ended)
def work():
    while on:
        for _ in range(8):
            os.close(os.open("/etc/hostname", os.O_RDONLY))
            time.sleep(0.001)
        if ready.is_set():
            os.write(1, b"w")
thread = threading.Thread(target=work)
thread.start()
print("ready", flush=True)
ready.set()
while on:
    os.write(1, b"m")
    time.sleep(0.01)
thread.join()
"""
ANSWERING = """
import os, signal, time
signal.signal(signal.SIGUSR1, lambda number, frame: os.write(1, b"."))
print("ready", flush=True)
while True:
    time.sleep(0.005)
"""
READER = "import os; print('ready', flush=True); data = os.read(0, 10); print(data, flush=True)"
PAUSING = """
import os, signal
signal.signal(signal.SIGUSR1, lambda number, frame: os.write(1, b"."))
print("ready", flush=True)
while True:
    signal.pause()
"""
FORKING = """
import os, sys
print('ready', flush=True)
sys.stdin.readline()
if os.fork() == 0:
    os.close(os.open('/etc/hostname', os.O_RDONLY))
    os._exit(3)
os.wait()
print('waited', flush=True)
"""


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    """Start a script, wait until it is ready, and have it gone at the end."""
    process = subprocess.Popen([*PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        end(process)


@contextmanager
def traced(pid: int, path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Attach `pyinsmod trace` to a process; the block begins when its calls are seen."""
    command = [sys.executable, "-m", "pyinsmod", "trace", "--format", "json", "-o", str(path), "-p", str(pid)]
    tracer = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: tracers(pid) == {tracer.pid})
        yield tracer
    finally:
        end(tracer)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def wait_for_work(process: subprocess.Popen[str], times: int = 3) -> None:
    """Wait until both threads of BUSY have said so often from now on that they work."""
    assert process.stdout is not None
    descriptor, said = process.stdout.fileno(), b""
    while select.select([descriptor], [], [], 0)[0]:  # what they said before
        os.read(descriptor, 1 << 16)
    while min(said.count(b"w"), said.count(b"m")) < times:
        piece = os.read(descriptor, 1 << 16)
        assert piece, "it has ended"
        said += piece


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def status(pid: int, key: str) -> set[str]:
    """Return a field of /proc/TID/status of all threads."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return {line.split()[1] for text in texts for line in text.splitlines() if line.startswith(f"{key}:")}


def tracers(pid: int) -> set[int]:
    return {int(text) for text in status(pid, "TracerPid")}


def stopped_by(tracer: subprocess.Popen[str], number: int = signal.SIGINT) -> str:
    tracer.send_signal(number)
    _, errors = tracer.communicate(timeout=20)
    assert tracer.returncode == 0, errors
    return errors


def trace_in(path: Path) -> Records:
    whole = records.read_file(path)
    assert whole.complete
    return whole


class TestTheProcessCannotTell:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_all_threads_are_traced_and_let_go(self, tmp_path: Path, number: int) -> None:
        with running(BUSY) as process, traced(process.pid, tmp_path / "t") as tracer:
            wait_for_work(process)
            said = stopped_by(tracer, number)
            assert tracers(process.pid) == {0}
            process.terminate()
            assert process.wait(timeout=10) == 0
        assert said == f"pyinsmod: trace: attached to {process.pid}; ^C detaches\n"
        whole = trace_in(tmp_path / "t")
        assert (whole.header["attached"], whole.header["command"]) == ([process.pid], [])
        assert len({call["pid"] for call in whole.calls()}) == 2
        opened = [call for call in whole.calls("openat") if call["args"]["pathname"] == "/etc/hostname"]
        assert len(opened) > 10
        assert {call["errno"] for call in opened} == {None}

    def test_no_signal_is_lost_however_often_one_attaches(self, tmp_path: Path) -> None:
        """One signal after the other, each waited for, while tracers come and go."""
        done = threading.Event()
        answered: list[bool] = []

        def ping(process: subprocess.Popen[str]) -> None:
            assert process.stdout is not None
            while not done.is_set() and all(answered):
                process.send_signal(signal.SIGUSR1)
                ready, _, _ = select.select([process.stdout], [], [], 5)
                answered.append(bool(ready and os.read(process.stdout.fileno(), 1) == b"."))

        with running(ANSWERING) as process:
            pinging = threading.Thread(target=ping, args=(process,))
            pinging.start()
            try:
                for _ in range(6):
                    with traced(process.pid, tmp_path / "t") as tracer:
                        time.sleep(0.1)
                        stopped_by(tracer)
            finally:
                done.set()
                pinging.join()
        assert all(answered)
        assert len(answered) > 50
        assert trace_in(tmp_path / "t").of_type("signal")

    def test_a_read_that_waits_goes_on_waiting(self, tmp_path: Path) -> None:
        with running(READER) as process:
            with traced(process.pid, tmp_path / "t") as tracer:
                time.sleep(0.2)
                stopped_by(tracer)
            output, _ = process.communicate("hello", timeout=10)
        assert output == "b'hello'\n"
        last = trace_in(tmp_path / "t").calls("read")[-1]
        assert (last["return"], last["detached"], last["args"]["fd"]["value"]) == (None, True, 0)

    def test_a_call_of_a_kind_that_was_seen_before_is_unfinished_in_text(self, tmp_path: Path) -> None:
        with running(PAUSING) as process:
            assert process.stdout is not None
            with traced(process.pid, tmp_path / "t", "--format", "strace") as tracer:
                for _ in range(3):
                    time.sleep(0.1)
                    process.send_signal(signal.SIGUSR1)
                    assert os.read(process.stdout.fileno(), 1) == b"."
                time.sleep(0.1)
                stopped_by(tracer)
            process.send_signal(signal.SIGUSR1)
            assert os.read(process.stdout.fileno(), 1) == b"."
        text = (tmp_path / "t").read_text()
        assert text.count("= ? ERESTARTNOHAND (To be restarted if no handler)") >= 2
        assert text.splitlines()[-1].split() == [str(process.pid), "pause()", "=", "?"]

    def test_a_stopped_process_stays_stopped(self, tmp_path: Path) -> None:
        with running(BUSY) as process:
            process.send_signal(signal.SIGSTOP)
            wait_until(lambda: status(process.pid, "State") == {"T"})
            with traced(process.pid, tmp_path / "t") as tracer:
                time.sleep(0.2)
                stopped_by(tracer)
            time.sleep(0.1)
            assert (tracers(process.pid), status(process.pid, "State")) == ({0}, {"T"})
            process.send_signal(signal.SIGCONT)
            process.terminate()
            assert process.wait(timeout=10) == 0
        assert not trace_in(tmp_path / "t").calls()

    def test_a_process_that_is_stopped_meanwhile_stays_stopped(self, tmp_path: Path) -> None:
        with running(BUSY) as process:
            with traced(process.pid, tmp_path / "t") as tracer:
                process.send_signal(signal.SIGSTOP)  # SIGTSTP is thrown away in an orphaned process group
                wait_until(lambda: status(process.pid, "State") <= {"T", "t"})
                time.sleep(0.3)
                stopped_by(tracer)
            wait_until(lambda: status(process.pid, "State") == {"T"})
            process.send_signal(signal.SIGCONT)
            process.terminate()
            assert process.wait(timeout=10) == 0

    def test_a_killed_tracer_leaves_it_running(self, tmp_path: Path) -> None:
        with running(BUSY) as process:
            with traced(process.pid, tmp_path / "t") as tracer:
                time.sleep(0.2)
                end(tracer)
            wait_until(lambda: tracers(process.pid) == {0})
            assert status(process.pid, "State") <= {"S", "R", "D"}
            process.terminate()
            assert process.wait(timeout=10) == 0

    def test_a_parent_in_vfork_does_not_hold_up_the_end(self, tmp_path: Path) -> None:
        """It cannot be stopped until its child executes, which here waits to open a FIFO; the kernel frees it."""
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        script = (
            "import os; print('ready', flush=True); os.posix_spawn('/bin/true', ['true'], {}, file_actions="
            f"[(os.POSIX_SPAWN_OPEN, 0, {str(fifo)!r}, os.O_RDONLY, 0)]); os.wait(); print('waited', flush=True)"
        )
        with running(script) as process:
            wait_until(lambda: len(children(process.pid)) == 1)
            with traced(process.pid, tmp_path / "t") as tracer:
                stopped_by(tracer)
            wait_until(lambda: tracers(process.pid) == {0})
            fifo.write_text("")
            assert process.communicate(timeout=10)[0] == "waited\n"


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_children_from_then_on_are_followed(tmp_path: Path) -> None:
    with running(FORKING) as process, traced(process.pid, tmp_path / "t") as tracer:
        assert process.communicate("\n", timeout=10)[0] == "waited\n"
        assert tracer.wait(timeout=10) == 0
    whole = trace_in(tmp_path / "t")
    assert [(record["status"], record["pid"] == process.pid) for record in whole.of_type("exit")] == [
        (3, False),
        (0, True),
    ]
    (opened,) = whole.calls("openat")
    assert opened["pid"] != process.pid


def test_with_a_command_the_trace_ends_with_it(tmp_path: Path) -> None:
    with running(BUSY) as process:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pyinsmod", "trace", "--format", "json", "-o", str(tmp_path / "t")),
                *("-p", str(process.pid), "--", "sh", "-c", "sleep 0.3; exit 7"),
            ],
            check=False,
            timeout=20,
        )
        assert (done.returncode, tracers(process.pid)) == (7, {0})
    whole = trace_in(tmp_path / "t")
    assert process.pid in {record["pid"] for record in whole.calls()}
    assert whole.of_type("exec")[0]["argv"][0] == "sh"
    assert (whole.header["pinned_to_cpu"], whole.header["stops"]) == (None, "syscall")


def refused(pid: int) -> str:
    got: list[Record] = []
    with pytest.raises(NotAttached) as raised:
        recorder.record((), got.append, attach=(pid,))
    assert got == []
    return raised.value.reason


class TestRefusals:
    def test_nobody(self) -> None:
        assert refused(2**22 + 1) == "no such process"

    def test_the_kernels_own(self) -> None:
        if not Path("/proc/2/stat").exists() or " 0x200000" in Path("/proc/2/stat").read_text():
            pytest.skip("no kernel threads are to be seen here, in a container")
        assert refused(2).startswith("it is a thread of the kernel")

    def test_oneself(self) -> None:
        assert refused(os.getpid()) == "it is this tracer itself"

    def test_the_dead(self) -> None:
        process = subprocess.Popen(["true"])
        wait_until(lambda: status(process.pid, "State") == {"Z"})
        assert refused(process.pid).startswith("it has ended")
        process.wait()

    def test_what_is_traced_already(self, tmp_path: Path) -> None:
        with running(BUSY) as process, traced(process.pid, tmp_path / "t") as tracer:
            assert refused(process.pid).startswith(f"it is traced by process {tracer.pid} (")

    def test_what_was_seized_before_it_is_let_go(self) -> None:
        with running(BUSY) as process:
            with pytest.raises(NotAttached, match="no such process"):
                recorder.record((), lambda _record: None, attach=(process.pid, 2**22 + 1))
            assert tracers(process.pid) == {0}

    @pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: sudo .venv/bin/pytest tests/host")
    def test_another_users_process(self) -> None:
        script = (
            "import os, sys\nfrom tracer import recorder\nfrom tracer.errors import NotAttached\n"
            "from tracer.ptrace import refusals\n"
            "recorder.record(['true'], lambda record: None)\n"  # loads what the user may not be able to read
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try: recorder.record((), lambda record: None, attach=(int(sys.argv[1]),))\n"
            "except NotAttached as error: print(error)"
        )
        with running(BUSY) as process:
            done = subprocess.run(
                [sys.executable, "-c", script, str(process.pid)], check=True, capture_output=True, text=True
            )
        assert done.stdout == (
            f"cannot attach to process {process.pid}: it belongs to another user (uid 0): run it with sudo\n"
        )


def test_a_process_may_be_named_twice_and_by_a_thread() -> None:
    with running(BUSY) as process:
        threads = [int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir()]
        got: list[Record] = []

        def ending(record: Record) -> None:
            got.append(record)
            if len(got) == 20:
                process.terminate()

        assert recorder.record((), ending, attach=(process.pid, *threads), calls=None) == 0
        assert {record["pid"] for record in Records.of(got).of_type("exit")} == set(threads)
