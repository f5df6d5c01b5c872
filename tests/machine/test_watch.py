"""`pyinsmod watch` beside loads and removals made for real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracer.experiments.init_code import Init
from tracer.experiments.module_spec import ModuleSpec, build
from vm.jobs import JobResult
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]
Seen = list[dict[str, Any]]
SCRIPT = (Path(__file__).parent / "guest/watched.py").read_bytes()


@pytest.fixture(scope="session", params=["6.1", "7.2"])
def seen(request: pytest.FixtureRequest, in_machine: InMachine) -> Seen:
    """What the watch saw of `guest/watched.py`, its own end last."""
    tree = fetch(request.param).root
    files = {
        "watched.py": SCRIPT,
        "good.ko": build(ModuleSpec(), tree),
        "vermagic.ko": build(ModuleSpec(name="other", faults=("vermagic-without:SMP",)), tree),
        "init.ko": build(ModuleSpec(name="failing", init=Init(returns=-22)), tree),
    }
    result = in_machine(["python3", "watched.py"], files, request.param)
    assert result.status == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def the(seen: Seen, kind: str, module: str | None) -> dict[str, Any]:
    (record,) = [one for one in seen if one.get("type") == kind and one["module"] == module]
    assert record["schema"] == 1
    return record


def test_it_ends_with_status_0_and_a_summary(seen: Seen) -> None:
    end = seen[-1]
    loads = sum(one.get("type") == "load" for one in seen)
    assert end["status"] == 0
    assert end["stderr"].splitlines() == [f"pyinsmod: {loads} loads, 2 removals, 3 of them failed"]


def test_a_load_by_insmod_with_its_parents(seen: Seen) -> None:
    load = the(seen, "load", "mymod")
    assert (load["result"], load["errno"], load["init_return"], load["comm"]) == ("loaded", None, 0, "insmod")
    assert (load["argv"], load["exe"], load["file"]) == (["insmod", "good.ko"], "/usr/bin/kmod", "/root/good.ko")
    assert load["parents"][0]["argv"] == ["sh", "-c", "insmod good.ko; true"]
    assert load["parents"][-1]["pid"] == 1
    assert load["duration"] > 0
    assert (load["asked_for"], load["requested_by"]) == (None, None)


def test_removals(seen: Seen) -> None:
    assert the(seen, "removal", "mymod")["result"] == "removed"
    refused = the(seen, "removal", "no_such_module")
    assert (refused["result"], refused["errno"], refused["argv"][0]) == ("refused", "ENOENT", "busybox")


def test_a_refused_load_and_one_whose_init_failed(seen: Seen) -> None:
    refused = the(seen, "load", "vermagic")  # the kernel never said its name: the file's
    assert (refused["result"], refused["errno"], refused["init_return"]) == ("refused", "ENOEXEC", None)
    failed = the(seen, "load", "failing")
    assert (failed["result"], failed["errno"], failed["init_return"]) == ("init-failed", "EINVAL", -22)


def test_parameters_and_what_modprobe_was_asked_for(seen: Seen) -> None:
    dummy = the(seen, "load", "dummy")
    assert (dummy["parameters"], dummy["asked_for"], dummy["argv"]) == (
        "numdummies=3", "dummy", ["modprobe", "dummy", "numdummies=3"],
    )  # fmt: skip
    dependency = the(seen, "load", "nf_tables")
    assert (dependency["asked_for"], dependency["result"]) == ("nft_ct", "loaded")


def test_what_the_kernel_asked_for_is_traced_back_to_who_made_it_ask(seen: Seen) -> None:
    (request,) = [one for one in seen if one.get("type") == "request" and one["alias"] == "fs-squashfs"]
    assert request["argv"] == ["mount", "-t", "squashfs", "none", "/mnt"]
    load = the(seen, "load", "squashfs")
    assert load["requested_by"]["pid"] == request["pid"]
    assert load["argv"][-1] == "fs-squashfs"
    assert load["parents"][-1]["comm"] == "kthreadd"


def test_nobody_but_root_may_watch(in_machine: InMachine) -> None:
    result = in_machine(
        ["python3", "-c", "import os, sys; from pyinsmod.cli import main; os.setuid(65534); sys.exit(main(['watch']))"]
    )
    assert (result.status, result.stdout) == (2, b"")
    assert result.stderr == b"pyinsmod: watch needs root: run 'sudo pyinsmod watch'\n"
