"""The system calls of `pyinsmod FILE`, seen from outside; the one that would load is answered by the tracer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tracer.experiments.module_spec import ModuleSpec, build


def calls_about(file: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the calls of a load of `file` in which it occurs."""
    trace = folder / "trace"
    tracer = (sys.executable, "-m", "pyinsmod", "trace", "--format", "json", "-o", str(trace))
    fault = ("--calls", "openat,open,read,finit_module", "--inject", "finit_module:error=EPERM")
    load = (sys.executable, "-m", "pyinsmod", "--anyway", str(file))
    subprocess.run([*tracer, *fault, "--", *load], capture_output=True, check=False)
    records = [json.loads(line) for line in trace.read_text().splitlines()]
    about = [record for record in records if record["type"] == "syscall"]
    return [call for call in about if str(file) in (call["args"].get("pathname"), _path(call))]


def _path(call: dict[str, Any]) -> str | None:
    descriptor = call["args"].get("fd")
    return descriptor["path"] if isinstance(descriptor, dict) else None


def test_the_descriptor_that_was_read_is_the_one_that_is_loaded(tmp_path: Path, kernel_tree: Path) -> None:
    file = tmp_path / "mymod.ko"
    file.write_bytes(build(ModuleSpec(), kernel_tree))
    opened, *rest = calls_about(file, tmp_path)
    assert opened["name"] == "openat"
    assert opened["args"]["flags"] == ["O_RDONLY", "O_CLOEXEC"]
    assert {call["args"]["fd"]["value"] for call in rest} == {opened["return"]}
    assert [call["name"] for call in rest] == ["read", "read", "finit_module"]
    assert rest[0]["return"] == file.stat().st_size
