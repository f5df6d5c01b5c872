"""`validate --here` on a system that is really there: a guest's own."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.machine.conftest import InMachine

pytestmark = pytest.mark.machine

REPOSITORY = Path(__file__).parents[2]
# What a guest has no other use for, and an installed pyinsmod has.
PACKAGES = ("jinja2", "markupsafe", "rich", "qemu")
OURS = ("pyinsmod", "tracer", "vm", "docs")
VERDICTS = {"step-1-shell": "confirmed", "step-2-call": "contradicted", "failure-vermagic": "depends"}
PATIENCE = 600.0  # four experiments and their report, emulated, on a host that has other work
SCRIPT = """\
mkdir -p /opt/here && cd /opt/here && tar xf /root/here.tar && export PYTHONPATH=/opt/here
before=$(cat /proc/mounts /proc/modules; ls -A /root /run /tmp /var/tmp /usr/sbin)
python3 -P -m pyinsmod validate --here --loader busybox --loader pyinsmod {claims} --json -
status=$?
after=$(cat /proc/mounts /proc/modules; ls -A /root /run /tmp /var/tmp /usr/sbin)
[ "$before" = "$after" ] || {{ echo "$before"; echo "$after"; }} >&2
exit $status
"""


KILLED = """\
mkdir -p /opt/here && cd /opt/here && tar xf /root/here.tar && export PYTHONPATH=/opt/here
python3 -P -m pyinsmod validate --here --loader busybox --claim step-13-stays >/dev/null 2>&1 &
until grep -q '^mymod ' /proc/modules; do kill -0 $! || exit 97; done
kill -KILL $!
wait
while pgrep -f private_room; do sleep 0.1; done >/dev/null
grep -q '^mymod ' /proc/modules || exit 98
ls /var/tmp
python3 -P -m pyinsmod validate --here --loader busybox --claim step-1-shell --json -  >/dev/null
grep '^mymod ' /proc/modules
ls /var/tmp
"""


def installed() -> bytes:
    """Return an archive of the project and the packages it needs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in OURS:
            archive.add(REPOSITORY / name, name, filter=_without_byte_code)
        for name in PACKAGES:
            archive.add(_folder(name), name, filter=_without_byte_code)
    return stream.getvalue()


def _without_byte_code(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if member.name.endswith("__pycache__") else member


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


def test_the_running_system_is_asked_and_left_as_it_was(in_machine: InMachine) -> None:
    script = SCRIPT.format(claims=" ".join(f"--claim {name}" for name in VERDICTS))
    result = in_machine(["sh", "-c", script], {"/root/here.tar": installed()}, seconds=PATIENCE)
    assert result.status == 1, result.stderr
    report = json.loads(result.stdout)
    assert {run["kernel"] for run in report["runs"]} == {"here"}
    assert {claim["id"]: claim["verdict"] for claim in report["claims"]} == VERDICTS
    assert all(len(claim["by_run"]) == 2 for claim in report["claims"])
    assert b"tainted" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_what_a_killed_run_has_left_is_put_away_by_the_next(in_machine: InMachine) -> None:
    result = in_machine(["sh", "-c", KILLED], {"/root/here.tar": installed()}, seconds=PATIENCE)
    assert result.status == 0, result
    (left,) = result.stdout.decode().splitlines()
    assert left.startswith("pyinsmod-here.")
    assert b"an earlier run was killed: its module 'mymod', still loaded, is removed" in result.stderr
