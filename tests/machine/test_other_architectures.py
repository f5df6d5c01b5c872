"""arm64 and RISC-V by emulation: the same machine, the same ends; what is different stands in one table a room."""

from __future__ import annotations

import asyncio
import json
import lzma
import struct
from pathlib import Path
from typing import Any, ClassVar

import pytest

from pyinsmod.cli import main
from pyinsmod.cli.guest import guest_content
from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.module_image import ModuleImage
from tests.host import strace_lines, traced_programs
from tests.machine.conftest import InMachine
from vm.catalogue import KERNELS
from vm.errors import GuestCrashed, GuestHung
from vm.jobs import Job
from vm.kernel_store import fetch
from vm.run import laboratory

pytestmark = pytest.mark.machine

KERNEL, RISCV = "6.12-arm64", "6.12-riscv64"
# A module with a fault is made and loaded, and what insmod and the kernel do is traced.
CLAIM = "failure-vermagic"
BOTH = pytest.mark.parametrize("kernel", [KERNEL, RISCV])


class TestMachine:
    @BOTH
    def test_it_is_one_with_a_busybox_that_this_host_cannot_run_linked_by_all_its_names(
        self, kernel: str, in_machine: InMachine
    ) -> None:
        command = 'for applet in $(busybox --list); do command -v "$applet" >/dev/null || echo "$applet"; done'
        result = in_machine(["sh", "-c", f"uname -m; cat /proc/sys/kernel/arch; {command}"], kernel=kernel)
        assert result.stdout.decode().split() == [KERNELS[kernel].architecture] * 2

    @pytest.mark.parametrize(
        ("command", "end"),
        [
            (["sh", "-c", "echo c > /proc/sysrq-trigger"], GuestCrashed),
            (["sleep", "100"], GuestHung),
        ],
    )
    def test_a_machine_that_crashed_or_hung_says_so(self, command: list[str], end: type[Exception]) -> None:
        async def main() -> None:
            async with laboratory(fetch(KERNEL), guest_content(), print) as machines:
                await machines.ready()
                await machines.run(Job(tuple(command), seconds=5))

        with pytest.raises(end):
            asyncio.run(main())


# A 32-bit program without a library: getpid(), exit(5).
PROGRAM_32 = struct.pack("<5I", 0xE3A07014, 0xEF000000, 0xE3A00005, 0xE3A07001, 0xEF000000)
COMPARE = """
compare() {
    mkdir -p /run/found
    for tracer in strace ours; do
        rm -rf work; mkdir -p work/folder; cd work
        case $tracer in
            strace) strace -f -o "/run/found/strace" -- "$@" ;;
            ours) pyinsmod trace --format strace -o "/run/found/ours" -- "$@" ;;
        esac >/dev/null 2>&1 </dev/null
        echo "$?" >> /run/found/status
        rmmod dummy 2>/dev/null
        cd ..
    done
}
echo 0 > /proc/sys/kernel/randomize_va_space # the linker cuts libraries to where they come to lie
xz -dc "$(find /lib/modules -name 'dummy.ko*')" > /root/dummy.ko
"""
# A program's own order of events may differ from run to run; text that is wrong differs always.
TRIES = 2


def elf_32(code: bytes) -> bytes:
    """Return a static program of 32-bit ARM."""
    base, size = 0x10000, 84 + len(code)
    ident = b"\x7fELF\x01\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIIIIIHHHHHH", ident, 2, 40, 1, base + 84, 52, 0, 0x05000200, 52, 32, 1, 0, 0, 0)
    return header + struct.pack("<8I", 1, 0, base, base, size, size, 5, 0x1000) + code


def calls_in(trace: bytes) -> list[dict[str, Any]]:
    return [record for line in trace.splitlines() if (record := json.loads(line))["type"] == "syscall"]


def _without_ignored(trace: strace_lines.Trace) -> strace_lines.Trace:
    """Leave out what a Python program does about signals that its caller, the agent, ignores.

    And the one call that the guest's strace has no name for.
    """
    ignored = "(SIGXFSZ", "syscall_0x102(", "riscv_hwprobe("
    tasks = {
        place: [line for line in lines if not any(each in line for each in ignored)]
        for place, lines in trace.tasks.items()
    }
    return trace._replace(tasks=tasks)


class TestTracer:
    """Programs in the guest under its strace and under ours: what `tests/host` does for the host's own architecture."""

    COMMANDS: ClassVar = {
        "insmod": "insmod /root/dummy.ko numdummies=2",
        "sh": "sh -c 'read -r line </etc/passwd; echo \"$line\" >file; (exit 3); kill -TERM $$'",
        "files": "python3 /root/files.py",
    }

    @pytest.mark.parametrize(("kernel", "name"), [*((KERNEL, name) for name in COMMANDS), (RISCV, "insmod")])
    def test_the_text_is_straces(self, kernel: str, name: str, in_machine: InMachine) -> None:
        script = f"{COMPARE}compare {self.COMMANDS[name]}"
        files = {"/root/compare": script.encode(), "/root/files.py": traced_programs.FILES.encode()}
        difference: str | None = None
        for _ in range(TRIES):
            names = [f"/run/found/{what}" for what in ("strace", "ours", "status")]
            found = in_machine(["sh", "/root/compare"], files, kernel, get=names).files
            theirs, ours = (_without_ignored(strace_lines.read(found[path].decode())) for path in names[:2])
            assert len(set(found[names[2]].split())) == 1
            assert len(strace_lines.calls_of(theirs)) > 5
            difference = strace_lines.first_difference(theirs, ours)
            if difference is None:
                return
        pytest.fail(f"{name}: {difference}")

    def test_a_32_bit_program_is_named_as_such(self, in_machine: InMachine) -> None:
        command = "chmod +x program32; pyinsmod trace --format json -o trace --inject getpid:error=EPERM -- ./program32"
        files = {"/root/program32": elf_32(PROGRAM_32)}
        result = in_machine(["sh", "-c", command], files, KERNEL, get=["/root/trace"])
        calls = calls_in(result.files["/root/trace"])
        assert [(call["name"], call.get("arch"), call["errno"]) for call in calls[-2:]] == [
            ("getpid", "arm", "EPERM"),
            ("exit", "arm", None),
        ]
        assert result.status == 5

    @BOTH
    def test_a_filter_stops_only_what_is_asked_for(self, kernel: str, in_machine: InMachine) -> None:
        command = [
            "pyinsmod",
            "trace",
            "--format",
            "json",
            "-o",
            "/root/trace",
            "--calls",
            "openat",
            "--",
            "cat",
            "/etc/passwd",
        ]
        trace = in_machine(command, kernel=kernel, get=["/root/trace"]).files["/root/trace"]
        assert json.loads(trace.splitlines()[0])["stops"] == "seccomp"
        assert {call["name"] for call in calls_in(trace)} == {"openat"}


class TestPrediction:
    @BOTH
    def test_what_the_raw_image_has_is_where_the_kernel_says(self, kernel: str, in_machine: InMachine) -> None:
        image = ModuleImage(vmlinux_in(fetch(kernel).vmlinuz.read_bytes()))
        command = ["grep", "-E", "__(start|stop)___(ksymtab(_gpl)?|kcrctab(_gpl)?|param|modver)$", "/proc/kallsyms"]
        told = {
            line.split()[2].decode(): int(line.split()[0], 16)
            for line in in_machine(command, kernel=kernel).stdout.splitlines()
        }
        found: dict[str, int] = {}
        # Tables of addresses are handed on as tables of distances, which stand elsewhere.
        tables = ("ksymtab", "ksymtab_gpl") if kernel == KERNEL else ()
        for name in (*tables, "kcrctab", "kcrctab_gpl", "param", "modver"):
            section = image.find_section(f"__{name}")
            assert section is not None, name
            found |= {f"__start___{name}": section.addr, f"__stop___{name}": section.addr + section.size}
        assert len({told[name] - found[name] for name in found}) == 1  # the kernel was moved as a whole

    @pytest.mark.parametrize(
        ("module", "kernel", "outcome"),
        [
            (KERNEL, KERNEL, "loaded"),
            (RISCV, RISCV, "loaded"),
            (KERNEL, "6.1", "refused"),
            (RISCV, KERNEL, "refused"),
            ("6.1", RISCV, "refused"),
        ],
    )
    def test_a_module_is_loaded_or_refused_as_predicted(
        self, module: str, kernel: str, outcome: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        packed = next(fetch(module).modules.rglob("dummy.ko*"))
        content = packed.read_bytes()
        (tmp_path / "dummy.ko").write_bytes(lzma.decompress(content) if packed.suffix == ".xz" else content)
        status = main(["try", str(tmp_path / "dummy.ko"), "--kernel", kernel, "--json"])
        (result,) = json.loads(capsys.readouterr().out)["results"]
        assert status == (0 if outcome == "loaded" else 1)
        assert result["reality"]["outcome"] == outcome
        expected = ("reaches-init", None) if outcome == "loaded" else ("refused", "ENOEXEC")
        assert (result["prediction"]["outcome"], result["prediction"]["errno"]) == expected
        assert result["reality"]["errno"] == expected[1]


def test_a_claim_is_held_against_risc_v(tmp_path: Path) -> None:
    """Modules are made, loaded and traced there as anywhere else."""
    report = tmp_path / "report.json"
    options = ["--kernel", RISCV, "--loader", "kmod", "--claim", CLAIM, "--json", str(report)]
    assert main(["validate", *options]) == 0
    told = json.loads(report.read_text())
    assert [(run["kernel"], run["loader"]) for run in told["runs"]] == [(RISCV, "kmod")]
    assert [(claim["id"], claim["verdict"]) for claim in told["claims"] if claim["by_run"]] == [(CLAIM, "confirmed")]
