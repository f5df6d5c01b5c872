"""Policies, command line and privileges of a running system, from captured files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.kernel_facts import KernelPaths, loader_settings
from pyinsmod.kernel_facts.command_line import values_of
from pyinsmod.kernel_facts.keyrings import keys_in
from pyinsmod.kernel_facts.policies import policies_in_force
from pyinsmod.kernel_facts.privileges import (
    NO_CAPABILITY,
    NOT_IN_BOUNDING_SET,
    ONLY_IN_NAMESPACE,
    asked_by_this_process,
    caller_may_load,
    remedy_for,
)
from pyinsmod.load_request import LoadRequest

SECURITY = "sys/kernel/security"
ENFORCING = {f"{SECURITY}/lsm": "selinux", "sys/fs/selinux/enforce": "1"}
OLD_POLICY = {**ENFORCING, "proc/self/attr/current": "a:b:cron_t:s0\0", "sys/fs/selinux/class/system/index": "4"}
# Nobody may read the rules, which is what a folder in their place comes to.
SECURE_BOOT = {"proc/cmdline": "ima_policy=secure_boot", f"{SECURITY}/ima/policy/unreadable": ""}
A_FILE = 0  # a descriptor without labels; those of pytest's standard input are enough
APPRAISED = "measure func=BPRM_CHECK\nappraise func=MODULE_CHECK appraise_type=imasig\n"


def tree(root: Path, **files: str) -> KernelPaths:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return KernelPaths(str(root))


def test_of_an_empty_root_nothing_is_known(tmp_path: Path) -> None:
    paths = KernelPaths(str(tmp_path))
    facts = (
        loader_settings.sig_enforce(paths),
        loader_settings.lockdown(paths),
        loader_settings.security_modules(paths),
        loader_settings.blacklist(paths),
        loader_settings.initcall_blacklist(paths),
    )
    assert all(fact.value is None and fact.source for fact in facts)
    assert policies_in_force(paths) == ()
    assert caller_may_load(paths).value is None


@pytest.mark.parametrize(
    ("files", "level"),
    [
        ({f"{SECURITY}/lockdown": "[none] integrity confidentiality\n"}, "none"),
        ({f"{SECURITY}/lockdown": "none [integrity] confidentiality\n"}, "integrity"),
        ({f"{SECURITY}/lockdown": "none integrity [confidentiality]\n"}, "confidentiality"),
        ({f"{SECURITY}/lockdown": "garbage\n"}, None),
        ({f"{SECURITY}/lsm": "capability,yama"}, "none"),
        ({f"{SECURITY}/lsm": "lockdown,capability"}, None),
    ],
)
def test_lockdown_is_the_word_in_brackets(tmp_path: Path, files: dict[str, str], level: str | None) -> None:
    assert loader_settings.lockdown(tree(tmp_path, **files)).value == level


@pytest.mark.parametrize(("content", "enforced"), [("Y\n", True), ("N\n", False)])
def test_enforced_signatures(tmp_path: Path, content: str, enforced: bool) -> None:
    paths = tree(tmp_path, **{"sys/module/module/parameters/sig_enforce": content})
    assert loader_settings.sig_enforce(paths).value is enforced


@pytest.mark.parametrize(
    ("parameter", "command_line", "names"),
    [
        ("(null)\n", "module_blacklist=a", set()),
        ("a,b\n", "", {"a", "b"}),
        (None, "quiet module_blacklist=nouveau,pcspkr ro\n", {"nouveau", "pcspkr"}),
        (None, "module-blacklist=a module_blacklist=b\n", {"b"}),
        (None, "quiet -- module_blacklist=a\n", set()),
        (None, 'x="module_blacklist=a b"\n', set()),
    ],
)
def test_blacklisted_modules(tmp_path: Path, parameter: str | None, command_line: str, names: set[str]) -> None:
    files = {"proc/cmdline": command_line}
    if parameter is not None:
        files["sys/module/kernel/parameters/module_blacklist"] = parameter
    assert loader_settings.blacklist(tree(tmp_path, **files)).value == frozenset(names)


def test_every_initcall_blacklist_counts(tmp_path: Path) -> None:
    paths = tree(tmp_path, **{"proc/cmdline": "initcall_blacklist=a_init,b_init quiet initcall_blacklist=c_init\n"})
    assert loader_settings.initcall_blacklist(paths).value == frozenset({"a_init", "b_init", "c_init"})


def test_quoted_values_hold_spaces() -> None:
    assert values_of(b'a="x y" "b=1 2" c=3', "a") == ["x y"]
    assert values_of(b'a="x y" "b=1 2" c=3', "b") == ["1 2"]
    assert values_of(b'a="x y', "a") == ["x y"]


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"proc/self/status": "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"}, "seccomp"),
        ({f"{SECURITY}/lsm": "loadpin", "proc/sys/kernel/loadpin/enforce": "1\n"}, "loadpin"),
        ({f"{SECURITY}/lsm": "loadpin"}, "loadpin"),
        ({**ENFORCING, "proc/self/attr/current": "a:b:cron_t:s0\0"}, "selinux"),
        ({f"{SECURITY}/ima/policy": APPRAISED}, "ima"),
        ({f"{SECURITY}/ima/violations": "0"}, "ima"),
        ({f"{SECURITY}/lsm": "ipe", f"{SECURITY}/ipe/policies/strict/active": "1"}, "ipe"),
    ],
    ids=["seccomp", "loadpin", "loadpin without sysctl", "selinux", "ima", "ima, unreadable", "ipe"],
)
def test_policies_that_may_refuse(tmp_path: Path, files: dict[str, str], name: str) -> None:
    request = asked_by_this_process(LoadRequest(), tree(tmp_path, **files), A_FILE)
    assert [(policy.name, policy.refuses) for policy in request.policies] == [(name, False)]


@pytest.mark.parametrize(
    ("files", "by_memory", "name"),
    [
        ({**OLD_POLICY, "sys/fs/selinux/deny_unknown": "1"}, False, "selinux"),
        ({**OLD_POLICY, "sys/fs/selinux/deny_unknown": "1"}, True, "selinux"),
        (SECURE_BOOT, False, "ima"),
        ({**SECURE_BOOT, "sys/module/module/parameters/sig_enforce": "N\n"}, True, "ima"),
    ],
)
def test_policies_that_say_themselves_that_they_refuse(
    tmp_path: Path, files: dict[str, str], by_memory: bool, name: str
) -> None:
    """The rest of what SELinux and IMA say is asked of real kernels: tests/machine/test_policies.py."""
    module = tmp_path / "m.ko"
    module.touch()
    with module.open("rb") as file:
        request = asked_by_this_process(LoadRequest(by_memory=by_memory), tree(tmp_path, **files), file.fileno())
    assert [(policy.name, policy.refuses, policy.errno) for policy in request.policies] == [(name, True, "EACCES")]


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/status": "Name:\tx\nSeccomp:\t0\n"},
        {f"{SECURITY}/lsm": "loadpin", "proc/sys/kernel/loadpin/enforce": "0\n"},
        {f"{SECURITY}/lsm": "selinux", "sys/fs/selinux/enforce": "0"},
        {**ENFORCING, "proc/self/attr/current": "u:r:unconfined_t:s0\0"},
        {f"{SECURITY}/ima/policy": "dont_appraise func=MODULE_CHECK\nmeasure func=MODULE_CHECK\n"},
        {**OLD_POLICY, "sys/fs/selinux/deny_unknown": "0"},
        {f"{SECURITY}/lsm": "ipe", f"{SECURITY}/ipe/policies/strict/active": "0"},
        {f"{SECURITY}/lsm": "ipe", f"{SECURITY}/ipe/enforce": "0", f"{SECURITY}/ipe/policies/strict/active": "1"},
    ],
)
def test_policies_that_are_not_in_force_are_not_named(tmp_path: Path, files: dict[str, str]) -> None:
    assert policies_in_force(tree(tmp_path, **files), A_FILE) == ()


@pytest.mark.parametrize(
    ("words", "refuses"),
    [
        ("quiet ima_policy=tcb|secure_boot", True),
        ('"ima_policy=tcb secure_boot" ima_policy=tcb', True),
        ("ima_policy=secure_boot ima_appraise=log", False),
        ("ima_policy=tcb", None),
        ("quiet -- ima_policy=secure_boot", None),
    ],
)
def test_ima_as_the_command_line_has_it(tmp_path: Path, words: str, refuses: bool | None) -> None:
    paths = tree(tmp_path, **{**SECURE_BOOT, "proc/cmdline": words})
    assert [policy.refuses for policy in policies_in_force(paths, A_FILE)] == [refuses] * (refuses is not None)


@pytest.mark.parametrize(
    ("effective", "bounding", "namespace", "reason", "remedy"),
    [
        ("0", "1ffffffffff", "4026531837", NO_CAPABILITY, "sudo pyinsmod FILE"),
        ("0", "a80425fb", "4026531837", NOT_IN_BOUNDING_SET, "--cap-add SYS_MODULE"),
        ("1ffffffffff", "1ffffffffff", "4026532000", ONLY_IN_NAMESPACE, "outside the container"),
    ],
)
def test_reasons_of_one_errno_are_told_apart(
    tmp_path: Path, effective: str, bounding: str, namespace: str, reason: str, remedy: str
) -> None:
    paths = tree(tmp_path, **{"proc/self/status": f"Name:\tx\nCapEff:\t{effective:0>16}\nCapBnd:\t{bounding:0>16}\n"})
    (tmp_path / "proc/self/ns").mkdir()
    (tmp_path / "proc/self/ns/user").symlink_to(f"user:[{namespace}]")
    assert caller_may_load(paths) == (False, reason)
    assert remedy in remedy_for(reason)


def test_keys_of_the_kernel() -> None:
    """Two lines of Debian's 5.10, two of 6.12, and what else stands in that list."""
    listing = (
        "001a9220 I------     1 perm 1f030000     0     0 asymmetri Debian Secure Boot Signer 2022 - linux: "
        "14011249c2675ea8e5148542202005810584b25f: X509.rsa 0584b25f []\n"
        "053b0a49 I------     2 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 2\n"
        "0c871990 I------     1 perm 1f030000     0     0 asymmetri Build time autogenerated kernel key: "
        "9364df26b1a337f35c63d630d3eaa9ef6e43a829: X509.ecdsa-nist-p384 6e43a829 []\n"
        "358872a7 I------     2 perm 000d0000     0     0 user      opal-boot-pin: 255\n"
        "0c871991 I------     1 perm 1f030000     0     0 asymmetri odd: not hex: X509.rsa 6e43a829 []\n"
    )
    keys = list(keys_in(listing))
    assert [key.subject for key in keys] == [
        "Debian Secure Boot Signer 2022 - linux",
        "Build time autogenerated kernel key",
    ]
    assert keys[0].key_id.hex() == "14011249c2675ea8e5148542202005810584b25f"
