"""Disposable machines, for real: what comes back, how they end, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from pyinsmod.cli.guest import guest_content
from vm.errors import GuestCrashed, GuestHung, MachineLost
from vm.image import OwnImage
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel, fetch
from vm.run import Laboratory, laboratory
from vm.snapshot import Snapshot, made_at, restored, snapshot_place

pytestmark = pytest.mark.machine

Result = TypeVar("Result")
KERNEL = "6.1"
# Seconds: a busy host that has to make a snapshot first takes minutes.
PATIENCE = 600


@asynccontextmanager
async def snapshot_of(kernel: Kernel) -> AsyncIterator[Snapshot]:
    image = OwnImage(kernel, guest_content())
    async with made_at(await snapshot_place(kernel, image), kernel, image, print) as snapshot:
        yield snapshot


def in_laboratory(work: Callable[[Laboratory], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        async with laboratory(fetch(KERNEL), guest_content(), print) as machines:
            return await work(machines)

    return asyncio.run(main())


def run(*argv: str, **options: object) -> JobResult:
    job = Job(argv, **options)  # type: ignore[arg-type]  # keyword arguments of the dataclass, passed on
    return in_laboratory(lambda machines: machines.run(job))


class TestWhatComesBack:
    def test_status_and_both_outputs(self) -> None:
        result = run("sh", "-c", "echo out; echo err >&2; exit 7")
        assert (result.status, result.stdout, result.stderr) == (7, b"out\n", b"err\n")

    def test_a_command_killed_by_a_signal_has_the_shells_status(self) -> None:
        assert run("sh", "-c", "kill -TERM $$").status == 128 + signal.SIGTERM

    def test_a_command_that_is_not_there(self) -> None:
        result = run("no-such-command")
        assert result.status == 127
        assert b"no-such-command: command not found in the guest" in result.stderr

    def test_bytes_no_terminal_would_let_through(self) -> None:
        every_byte = bytes(range(256)) * 4
        result = run("cat", "in", files={"in": every_byte})
        assert result.stdout == every_byte

    def test_files_go_in_and_come_out_whole(self) -> None:
        content = random.Random(1).randbytes(150_000)
        result = run("cp", "in", "/tmp/out", files={"in": content}, get=("/tmp/out", "/tmp/nothing"))  # noqa: S108
        assert result.files == {"/tmp/out": content}  # noqa: S108
        assert result.missing == {"/tmp/nothing": "No such file or directory"}  # noqa: S108

    def test_standard_input_comes_to_its_end(self) -> None:
        source, sink = os.pipe()
        os.write(sink, b"a line\nanother\n")
        os.close(sink)
        try:
            result = in_laboratory(lambda machines: machines.run(Job(("wc", "-l")), stdin=source))
        finally:
            os.close(source)
        assert result.stdout.strip() == b"2"

    def test_a_failed_preparation_is_not_the_commands_failure(self) -> None:
        result = run("true", prepare=(("sh", "-c", "echo why >&2; exit 5"),))
        assert result.not_started is not None
        assert "status 5: why" in result.not_started

    def test_the_kernel_is_the_one_that_was_asked_for(self) -> None:
        assert run("uname", "-r").stdout.decode().strip() == fetch(KERNEL).release


class TestFreshness:
    def test_every_command_finds_a_machine_nobody_has_used(self) -> None:
        async def twice(machines: Laboratory) -> tuple[JobResult, JobResult]:
            script = "touch /root/mark; modprobe dummy; ls /root; lsmod | grep -c '^dummy'"
            return await machines.run(Job(("sh", "-c", script))), await machines.run(
                Job(("sh", "-c", "ls /root; lsmod"))
            )

        first, second = in_laboratory(twice)
        assert first.stdout.split() == [b"mark", b"1"]
        assert b"mark" not in second.stdout
        assert b"dummy" not in second.stdout

    def test_machines_side_by_side_do_not_disturb_each_other(self) -> None:
        async def three(machines: Laboratory) -> list[JobResult]:
            jobs = [Job(("sh", "-c", f"echo {number} > mine; sleep 0.2; cat mine")) for number in range(3)]
            return await asyncio.gather(*(machines.run(job) for job in jobs))

        assert [result.stdout.strip() for result in in_laboratory(three)] == [b"0", b"1", b"2"]

    def test_two_users_of_a_snapshot_do_not_wait_for_each_other(self) -> None:
        async def nested() -> JobResult:
            async with (
                laboratory(fetch(KERNEL), guest_content(), print),
                laboratory(fetch(KERNEL), guest_content(), print) as second,
            ):
                return await second.run(Job(("true",)))

        async def main() -> JobResult:
            return await asyncio.wait_for(nested(), 60)

        assert asyncio.run(main()).status == 0

    def test_the_snapshot_is_never_written_to(self) -> None:
        async def checksum() -> str:
            async with snapshot_of(fetch(KERNEL)) as snapshot:
                with snapshot.memory.open("rb") as memory:
                    return hashlib.file_digest(memory, "sha256").hexdigest()

        before = asyncio.run(checksum())
        run("sh", "-c", "head -c 20000000 /dev/urandom > /root/much")
        assert asyncio.run(checksum()) == before


class TestThreeEnds:
    def test_a_crashed_guest_leaves_its_last_words(self) -> None:
        with pytest.raises(GuestCrashed, match="crashed") as caught:
            run("sh", "-c", "echo c > /proc/sysrq-trigger")
        assert any("sysrq triggered crash" in line for line in caught.value.last_words)

    def test_a_guest_that_switches_itself_off_is_told_from_a_crash(self) -> None:
        with pytest.raises(GuestCrashed, match="switched its machine off"):
            run("poweroff", "-f")

    def test_a_hanging_command_is_stopped_when_its_time_is_up(self) -> None:
        started = time.monotonic()
        with pytest.raises(GuestHung, match=r"not done after 1\.5 seconds"):
            run("sh", "-c", "echo waiting > /dev/console; sleep 100", seconds=1.5)
        assert time.monotonic() - started < 30

    def test_a_lost_machine_is_neither(self) -> None:
        async def lose() -> None:
            async with snapshot_of(fetch(KERNEL)) as snapshot, restored(snapshot) as machine:
                machine.kill()
                await machine.receive()

        with pytest.raises(MachineLost, match="killed by signal 9"):
            asyncio.run(lose())


def marked_processes(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


class TestTheCommandLine:
    @pytest.fixture
    def mark(self) -> Iterator[str]:
        mark = f"PYINSMOD_TEST={uuid.uuid4()}"
        yield mark
        for pid in marked_processes(mark):
            os.kill(pid, signal.SIGKILL)

    def start(self, mark: str, *arguments: str) -> subprocess.Popen[bytes]:
        name, _, value = mark.partition("=")
        return subprocess.Popen(
            [sys.executable, "-m", "pyinsmod", "vm", "run", *arguments],
            env={**os.environ, name: value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def wait_for_guest(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"

    def wait_until_gone(self, mark: str) -> None:
        deadline = time.monotonic() + 10
        while marked_processes(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert marked_processes(mark) == []

    def test_a_crash_is_status_3_with_the_last_words_on_stderr(self, mark: str) -> None:
        process = self.start(mark, KERNEL, "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert b"pyinsmod: the guest's kernel crashed\n" in errors
        assert b"  guest: " in errors
        self.wait_until_gone(mark)

    def test_an_unknown_kernel_is_one_line_and_status_2(self, mark: str) -> None:
        process = self.start(mark, "9.9", "--", "true")
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        assert errors.count(b"\n") == 1
        assert b"unknown kernel '9.9'" in errors

    def test_a_missing_file_to_put_is_one_line_and_status_2(self, mark: str) -> None:
        process = self.start(mark, KERNEL, "--put", "/nonexistent.ko", "--", "true")
        _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (2, b"pyinsmod: --put /nonexistent.ko: No such file or directory\n")

    def test_words_for_the_kernel(self, mark: str) -> None:
        process = self.start(mark, KERNEL, "--append", "ima_policy=secure_boot", "--", "cat", "/proc/cmdline")
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert output.endswith(b" ima_policy=secure_boot\n")

    @pytest.mark.parametrize("words", ["two\nlines", "x" * 1901, "\x1b[31m"])
    def test_words_the_kernel_would_not_get_whole(self, mark: str, words: str) -> None:
        process = self.start(mark, KERNEL, "--append", words, "--", "true")
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 2
        complaint = b"argument --append: wants one line of at most 1900 bytes (pyinsmod vm run -h explains)"
        assert errors == b"pyinsmod: " + complaint + b"\n"

    def test_no_machine_survives_an_interrupt(self, mark: str) -> None:
        process = self.start(mark, KERNEL, "--", "sh", "-c", "echo here; sleep 100")
        self.wait_for_guest(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130
        assert errors.endswith(b"pyinsmod: interrupted\n")
        self.wait_until_gone(mark)

    def test_no_machine_survives_the_death_of_its_parent(self, mark: str) -> None:
        process = self.start(mark, KERNEL, "--", "sh", "-c", "echo here; sleep 100")
        self.wait_for_guest(process)
        assert len(marked_processes(mark)) >= 2
        process.kill()
        process.communicate(timeout=PATIENCE)
        self.wait_until_gone(mark)
