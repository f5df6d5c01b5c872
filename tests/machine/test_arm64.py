"""arm64 by emulation: the same machine, the same ends; what is different stands in one table a room."""

from __future__ import annotations

import asyncio

import pytest

from pyinsmod.cli.guest import guest_content
from tests.machine.conftest import InMachine
from vm.errors import GuestCrashed, GuestHung
from vm.jobs import Job
from vm.kernel_store import fetch
from vm.run import laboratory

pytestmark = pytest.mark.machine

KERNEL = "6.12-arm64"


class TestMachine:
    def test_it_is_one(self, in_machine: InMachine) -> None:
        result = in_machine(["sh", "-c", "uname -m; cat /proc/sys/kernel/arch"], kernel=KERNEL)
        assert result.stdout.split() == [b"aarch64", b"aarch64"]

    def test_a_busybox_that_this_host_cannot_run_is_linked_by_all_its_names(self, in_machine: InMachine) -> None:
        command = 'for applet in $(busybox --list); do command -v "$applet" >/dev/null || echo "$applet"; done'
        assert in_machine(["sh", "-c", command], kernel=KERNEL).stdout == b""

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
