"""Security modules that have a say in a load, on a kernel that was booted with them: SELinux and IMA."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tracer.experiments.module_spec import ModuleSpec, build
from vm.jobs import JobResult

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]

SELINUX, IMA = "security=selinux", "ima_policy=secure_boot"
ENFORCING = """
mkdir -p /sys/fs/selinux && mount -t selinuxfs selinuxfs /sys/fs/selinux &&
cat policy > /sys/fs/selinux/load && echo 1 > /sys/fs/selinux/enforce &&
mkdir /labels && mount -t tmpfs tmpfs /labels && cp m.ko /labels/m.ko && cp m.ko /labels/labelled.ko &&
python3 -c "import os; os.setxattr('/labels/labelled.ko', 'security.selinux', b'u:object_r:modules_object_t')"
"""
# The agent forks what it runs as `pyinsmod` off itself: a program of its own is started in the domain of who starts it.
IN_DOMAIN = (
    "import sys; from pathlib import Path; from pyinsmod.cli import main;"
    "Path('/proc/self/attr/current').write_text('u:r:' + sys.argv[1]); sys.exit(main(sys.argv[2:]))"
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The policy of guest/selinux.conf, as the kernel wants it."""
    compiled = tmp_path_factory.mktemp("selinux") / "policy"
    source = Path(__file__).with_name("guest") / "selinux.conf"
    subprocess.run(["checkpolicy", "-U", "allow", "-o", compiled, source], check=True, capture_output=True)
    return compiled.read_bytes()


def outcome_of(result: JobResult) -> dict[str, Any]:
    """Return the JSON object of `load --json`."""
    assert result.stderr == b""
    outcome: dict[str, Any] = json.loads(result.stdout)
    return outcome


def load_in(domain: str, *arguments: str) -> Sequence[str]:
    return ["python3", "-c", IN_DOMAIN, domain, "load", "--json", *arguments]


@pytest.mark.parametrize(
    ("domain", "arguments", "cause"),
    [
        ("admin_t", ("/labels/labelled.ko",), None),
        ("admin_t", ("/labels/m.ko",), "'u:r:admin_t' load a file labelled 'u:object_r:file_t'"),
        ("admin_t", ("--syscall", "init_module", "/labels/m.ko"), None),
        ("cron_t", ("/labels/labelled.ko",), None),
        ("cron_t", ("--syscall", "init_module", "/labels/m.ko"), "'u:r:cron_t' load modules from memory"),
    ],
)
def test_what_selinux_says_is_what_it_does(
    in_machine: InMachine, kernel_tree: Path, policy: bytes, domain: str, arguments: Sequence[str], cause: str | None
) -> None:
    """Its answer is asked for before the load; the load is then made all the same."""
    files = {"m.ko": build(ModuleSpec(), kernel_tree), "policy": policy}
    prepare = (("sh", "-c", ENFORCING),)
    result = in_machine(load_in(domain, "--anyway", *arguments), files, prepare=prepare, parameters=SELINUX)
    outcome = outcome_of(result)
    refusals = [finding for finding in outcome["findings"] if finding["severity"] == "refuses"]
    if cause is None:
        assert (outcome["outcome"], refusals) == ("loaded", [])
        return
    assert (outcome["outcome"], outcome["errno"]) == ("refused", "EACCES")
    assert [(finding["check"], finding["errno"]) for finding in refusals] == [("security-policy", "EACCES")]
    assert cause in outcome["cause"]
    assert outcome["agreement"]["agrees"] is True


def test_of_a_process_that_may_not_ask_selinux_nothing_is_certain(
    in_machine: InMachine, kernel_tree: Path, policy: bytes
) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree), "policy": policy}
    prepare = (("sh", "-c", ENFORCING),)
    outcome = outcome_of(in_machine(load_in("mute_t", "/labels/m.ko"), files, prepare=prepare, parameters=SELINUX))
    warned = [finding for finding in outcome["findings"] if "SELinux" in finding["summary"]]
    assert [finding["severity"] for finding in warned] == ["warns"]
    assert (outcome["outcome"], outcome["errno"]) == ("refused", "EACCES")
    assert outcome["cause"].startswith("probably selinux: ")


@pytest.mark.parametrize(
    ("syscall", "cause"),
    [
        ("finit_module", "this file has no signature in its attribute security.ima"),
        ("init_module", "those given from memory (init_module) cannot be appraised"),
    ],
)
def test_ima_of_a_kernel_booted_to_appraise_modules(
    in_machine: InMachine, kernel_tree: Path, syscall: str, cause: str
) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree)}
    argv = ["pyinsmod", "load", "--json", "--anyway", "--syscall", syscall, "m.ko"]
    outcome = outcome_of(in_machine(argv, files, parameters=IMA))
    assert (outcome["outcome"], outcome["errno"]) == ("refused", "EACCES")
    assert cause in outcome["cause"]
    assert outcome["agreement"]["agrees"] is True


def test_ima_with_rules_that_nobody_can_read(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree)}
    rules = "echo 'appraise func=MODULE_CHECK appraise_type=imasig' > /sys/kernel/security/ima/policy"
    outcome = outcome_of(in_machine(["pyinsmod", "load", "--json", "m.ko"], files, prepare=(("sh", "-c", rules),)))
    assert (outcome["outcome"], outcome["errno"]) == ("refused", "EACCES")
    assert outcome["cause"].startswith("probably ima: IMA appraises modules")
