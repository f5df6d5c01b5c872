"""Faults put into calls: strace says the same of the same fault, and the kernel never sees the call."""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tracer import recorder, strace_text
from tracer.injections import fault
from tracer.ptrace import binding
from tracer.records import Record, Records

PYTHON = (sys.executable, "-I", "-S", "-c")
CHDIRS = """
import os
for number in range(4):
    try: os.chdir('/')
    except OSError as error: print(error.errno, end=' ')
    else: print('-', end=' ')
"""


def trace(command: Sequence[str], *faults: str, **options: object) -> Records:
    got: list[Record] = []
    recorder.record(command, got.append, inject=[fault(text) for text in faults], **options)  # type: ignore[arg-type]
    return Records.of(got)


def pyinsmod(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pyinsmod", "trace", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


class TestLikeStrace:
    FAULTS = (
        *("chdir:error=ENOENT", "chdir:error=ENOENT:when=2+2", "chdir:error=EIO:when=2..3", "chdir:error=130:when=3"),
        *("chdir:retval=7:when=2+", "chdir:delay_enter=1000:delay_exit=2ms:when=2", "chdir:retval=0:delay_exit=5ms"),
        *("chdir:signal=SIGCHLD:when=2", "chdir:signal=17:error=5:delay_exit=5ms:when=1", "chdir:signal=URG:when=1+3"),
    )

    @pytest.mark.parametrize("text", FAULTS)
    def test_results_and_marks_are_straces(self, text: str, tmp_path: Path) -> None:
        strace = shutil.which("strace")
        if strace is None:
            pytest.skip("strace, the oracle of these tests, is missing: apt-get install strace")
        options = ["-o", str(tmp_path / "out"), "-e", "trace=chdir", "-e", f"inject={text}"]
        theirs = subprocess.run([strace, *options, *PYTHON, CHDIRS], check=True, capture_output=True, text=True)
        ours = pyinsmod("-o", str(tmp_path / "ours"), "--calls", "chdir", "--inject", text, "--", *PYTHON, CHDIRS)
        assert (ours.stdout, ours.returncode) == (theirs.stdout, 0)
        assert results(tmp_path / "ours") == results(tmp_path / "out")


def results(path: Path) -> list[str]:
    """Return what stands behind each call's arguments; of other lines the first two words."""
    lines = [line.strip() for line in re.sub(r"(?m)^\d+ +", "", path.read_text()).splitlines()]
    return [re.sub(r"^chdir\(.*?\) += ", "chdir = ", line) if "chdir" in line else line[:11] for line in lines]


class TestTheKernelNeverSeesIt:
    """With the filter and without, by PTRACE_SET_SYSCALL_INFO and by registers."""

    @pytest.fixture(params=["newer kernels' way", "registers"])
    def way(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "registers":
            monkeypatch.setattr(binding, "SET_SYSCALL_INFO", 0x4FFF)  # the kernel knows no such request: EIO

    @pytest.mark.usefixtures("way")
    @pytest.mark.parametrize("stops", ["auto", "syscall"])
    @pytest.mark.parametrize(("how", "status"), [("error=EROFS", 1), ("retval=0", 0)])
    def test_no_folder_is_made(self, how: str, status: int, stops: str, tmp_path: Path) -> None:
        whole = trace(["mkdir", str(tmp_path / "x")], f"mkdir:{how}", calls=frozenset(("mkdir",)), stops=stops)
        assert (whole.status, (tmp_path / "x").exists()) == (status, False)
        (call,) = whole.calls()
        assert (call["injected"], call["args"].keys() >= {"arg0"} or "pathname" in call["args"]) == (True, True)

    @pytest.mark.usefixtures("way")
    def test_a_32_bit_program_gets_it_too(self, tmp_path: Path) -> None:
        program = program_of_i386(tmp_path / "program")
        assert subprocess.run([program], check=False).returncode == 0
        whole = trace([str(program)], "chdir:error=EIO", calls=frozenset(("chdir",)))
        assert whole.status == 5
        assert [(call["arch"], call["errno"], call["injected"]) for call in whole.calls()] == [("i386", "EIO", True)]
        assert trace([str(program)], "chdir:retval=250", calls=frozenset(("chdir",))).status == 256 - 250


def program_of_i386(path: Path) -> Path:
    """Write a static 32-bit program that makes chdir("/") and exits with its errno."""
    if os.uname().machine != "x86_64":
        pytest.skip("32-bit programs of i386 run on x86-64 only")
    base, head = 0x8048000, 52 + 32
    code = (
        bytes.fromhex("b80c000000 bb")
        + struct.pack("<I", base + head)
        + bytes.fromhex("cd80 89c3 f7db b801000000 cd80")
    )
    image = b"/\0\0\0" + code
    header = b"\x7fELF\1\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + head + 4, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    header += struct.pack("<8I", 1, 0, base, base, head + len(image), head + len(image), 5, 0x1000)
    path.write_bytes(header + image)
    path.chmod(0o755)
    try:
        subprocess.run([path], check=False)
    except OSError as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error}")
    return path


def test_each_task_counts_for_itself() -> None:
    script = (
        "import os\nos.chdir('/')\nos.fork()\nfor _ in range(2):\n    try: os.chdir('/')\n    except OSError: pass\n"
    )
    whole = trace([*PYTHON, script], "chdir:error=EPERM:when=2", calls=frozenset(("chdir",)))
    by_task: dict[int, list[str | None]] = {}
    for call in whole.calls():
        by_task.setdefault(call["pid"], []).append(call["errno"])
    assert sorted(by_task.values(), key=len) == [[None, "EPERM"], [None, "EPERM", None]]


def test_a_delay_holds_up_its_task_only() -> None:
    """The parent counts on while its child is kept waiting."""
    script = (
        "import os, time\n"
        "if os.fork() == 0: os.chdir('/'); os._exit(0)\n"
        "start = time.monotonic(); longest = 0\n"
        "while os.waitpid(-1, os.WNOHANG) == (0, 0):\n"
        "    before = time.monotonic(); time.sleep(0.001); longest = max(longest, time.monotonic() - before)\n"
        "os._exit(int(longest < 0.3 and time.monotonic() - start > 0.6))"
    )
    whole = trace([*PYTHON, script], "chdir:delay_enter=400ms:delay_exit=400ms", calls=frozenset(("chdir",)))
    assert whole.status == 1
    (call,) = whole.calls()
    assert (call["delayed"], "injected" in call, call["errno"]) == (True, False, None)
    assert call["duration"] < 300_000_000  # the kernel's time, without ours


def test_an_injected_call_is_recorded_though_not_asked_for_and_the_header_has_the_fault() -> None:
    whole = trace(["mkdir", "/nonexistent/x"], "mkdir:error=EDQUOT", calls=frozenset(("execve",)))
    assert [(call["name"], call.get("injected")) for call in whole.calls()] == [("execve", None), ("mkdir", True)]
    assert whole.header["inject"] == ["mkdir:error=EDQUOT"]
    assert whole.header["calls"] == ["execve", "mkdir"]
    assert (strace_text.line(whole.calls()[1]) or "").endswith(" (INJECTED)")


def test_what_a_call_did_not_do_is_not_recorded(tmp_path: Path) -> None:
    """No descriptor was opened, no byte was read: a made-up result has neither path nor data."""
    (tmp_path / "file").write_text("x" * 100)
    whole = trace(["head", "-c", "3", str(tmp_path / "file")], "openat:retval=0:when=3+", calls=frozenset(("openat",)))
    assert "return_path" in whole.calls()[0]
    assert [call for call in whole.calls() if call.get("injected") and "return_path" in call] == []


def test_a_killed_task_is_not_waited_for() -> None:
    start = time.monotonic()
    command = ["sh", "-c", "(sleep 0.2; kill -9 $$) & cd /; echo"]
    assert trace(command, "chdir:delay_enter=100s", calls=frozenset(("chdir",))).status == 137
    assert time.monotonic() - start < 20


def test_detaching_cuts_delays_short_and_ends_injected_calls(tmp_path: Path) -> None:
    script = "import os, time\nprint('ready', flush=True)\nwhile True:\n    os.chdir('/')\n    time.sleep(0.001)"
    process = subprocess.Popen([*PYTHON, script], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        command = [sys.executable, "-m", "pyinsmod", "trace", "-o", str(tmp_path / "t"), "-p", str(process.pid)]
        tracer = subprocess.Popen([*command, "--inject", "chdir:retval=0:delay_exit=60s"])
        while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{process.pid}/status").read_text():
            time.sleep(0.05)
        time.sleep(0.3)
        tracer.send_signal(signal.SIGINT)
        assert tracer.wait(timeout=20) == 0
        assert "(INJECTED) (DELAYED)" in (tmp_path / "t").read_text()
        time.sleep(0.1)
        assert process.poll() is None
        assert "TracerPid:\t0\n" in Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.kill()
        process.communicate()


def test_what_cannot_be_injected_is_2_in_one_line() -> None:
    for text, message in {
        "mkdir:error=ENOPE": "cannot inject 'mkdir:error=ENOPE': 'error=ENOPE': neither the name of an errno",
        "mkdri:error=EPERM": "no such system call: 'mkdri'",
    }.items():
        done = pyinsmod("--inject", text, "--", "true")
        assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (2, True, 1)


LOADERS = {
    "kmod": (["insmod"], "insmod: ERROR: could not insert module {file}: {text}\n"),
    "busybox": (["busybox", "insmod"], "insmod: can't insert '{file}': {text}\n"),
    "toybox": (["toybox", "insmod"], "insmod: failed to load {file}: {text}\n"),
}
# Where a loader has words of its own for an errno; else it uses the C library's.
WORDS = {
    "kmod": {
        "ENOEXEC": "Invalid module format",
        "ENOENT": "Unknown symbol in module",
        "ESRCH": "Module has wrong symbol version",
        "EINVAL": "Invalid parameters",
    },
    "busybox": {
        "ENOEXEC": "invalid module format",
        "ENOENT": "unknown symbol in module, or unknown parameter",
        "ESRCH": "module has wrong symbol version",
    },
    "toybox": {},
}
ERRNOS = (
    "EPERM",
    "ENOENT",
    "ESRCH",
    "ENOEXEC",
    "ENOMEM",
    "EEXIST",
    "EBUSY",
    "EINVAL",
    "EKEYREJECTED",
    "EBADMSG",
    "ENODEV",
)


@pytest.mark.parametrize("loader", LOADERS)
def test_how_each_loader_words_each_errno(loader: str, tmp_path: Path) -> None:
    """Any kernel will do, also one that has no modules: it is never asked."""
    command, sentence = LOADERS[loader]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing: apt-get install {loader}")
    if loader == "toybox" and os.geteuid() != 0:
        pytest.skip("toybox's insmod does nothing at all unless it is root: sudo make test")
    module = tmp_path / "hello.ko"
    module.write_bytes(b"\x7fELF" + bytes(1000))
    said, expected = {}, {}
    for errno in ERRNOS:
        done = pyinsmod(
            *("-o", str(tmp_path / "out"), "--calls", "module-loading"),
            *("--inject", f"finit_module,init_module:error={errno}", "--", *command, str(module)),
        )
        assert done.returncode != 0
        assert "(INJECTED)" in (tmp_path / "out").read_text()
        said[errno] = done.stderr
        number = getattr(__import__("errno"), errno)
        expected[errno] = sentence.format(file=module, text=WORDS[loader].get(errno, os.strerror(number)))
    assert said == expected
