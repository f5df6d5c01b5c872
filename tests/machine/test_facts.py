"""The running kernel's facts, inside real machines, against its boot image and its own modules."""

from __future__ import annotations

import marshal
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.kernel_facts.export_lookup import LookedUpExports
from pyinsmod.kernel_facts.vmlinux import VmlinuxFacts, facts_in_vmlinux
from pyinsmod.module_image import SUFFIXES, read_image
from tracer.experiments.module_spec import ModuleSpec, build
from vm.jobs import JobResult
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]

FOUND = "/tmp/found"  # noqa: S108 - a path in the guest, which has one user and lives for a second

# Runs in the guest: what was found out, as plain values. The argument is the user to be.
FIND = f"""
import marshal, os, sys
from pyinsmod.kernel_facts import caller_may_load, running_kernel
from pyinsmod.kernel_facts.export_lookup import LookedUpExports

file = open({FOUND!r}, "wb")
os.setuid(int(sys.argv[1]))
facts = running_kernel()
exports = facts.exports.value
plain = exports.to_plain() if isinstance(exports, LookedUpExports) else {{n: tuple(e) for n, e in exports.items()}}
lines = (line.split() for line in open("/proc/kallsyms"))
marshal.dump(
    {{
        "exports": (plain, facts.exports.source),
        "listed": [(words[2][10:], *words[3:]) for words in lines if words[2].startswith("__ksymtab_")],
        "may": tuple(caller_may_load()),
        "features": (dict(facts.features.value), facts.features.source),
        **{{name: tuple(getattr(facts, name)) for name in ("vermagic", "struct_module_size", "lockdown")}},
    }},
    file,
)
"""

SAMPLED = 40


def found(
    in_machine: InMachine, kernel: str, user: int = 0, prepare: tuple[tuple[str, ...], ...] = ()
) -> dict[str, Any]:
    """Return what FIND found in a fresh machine of a kernel."""
    command = ["python3", "-c", FIND, str(user)]
    result = in_machine(command, kernel=kernel, get=(FOUND,), prepare=prepare)
    assert result.status == 0, result.stderr.decode()
    facts: dict[str, Any] = marshal.loads(result.files[FOUND])  # noqa: S302 - written by this test
    return facts


@cache
def image_of(kernel: str) -> VmlinuxFacts:
    return facts_in_vmlinux(vmlinux_in(fetch(kernel).vmlinuz.read_bytes()))


def sampled_versions(kernel: str) -> Iterator[Mapping[str, int]]:
    """Yield the symbol versions that a few modules of the kernel's own tree were built with."""
    modules = sorted(path for path in Path(fetch(kernel).modules).rglob("*.ko*") if path.name.endswith(SUFFIXES))
    for path in random.Random(3).sample(modules, SAMPLED):
        yield read_image(path.read_bytes()).versions


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "7.2"])
def test_what_is_read_from_memory_is_what_the_kernel_was_built_with(in_machine: InMachine, kernel: str) -> None:
    load_llc = (("sh", "-c", "for llc in /lib/modules/*/kernel/net/llc/llc.ko*; do pyinsmod $llc; done"),)
    facts = found(in_machine, kernel, prepare=load_llc)
    plain, source = facts["exports"]
    assert source == "the running kernel's memory (/proc/kcore)"
    exports = dict(LookedUpExports.from_plain(plain))
    assert {name for name, *module in facts["listed"] if not module} == set(image_of(kernel).exports or ())
    assert {name: one for name, one in exports.items() if one.owner == "vmlinux"} == dict(
        image_of(kernel).exports or {}
    )
    # The kernel may have asked for modules of its own while it booted: ciphers, on a slow machine.
    of_modules = {name: (f"[{exports[name].owner}]", exports[name].gpl) for name, *module in facts["listed"] if module}
    assert {name: owner for name, (owner, _) in of_modules.items()} == {
        name: module[0] for name, *module in facts["listed"] if module
    }
    assert all(gpl is not None for _, gpl in of_modules.values())
    assert (exports["llc_sap_open"].owner, exports["llc_sap_open"].namespace) == ("llc", "")
    versions = [pair for table in sampled_versions(kernel) for pair in table.items() if pair[0] in exports]
    assert [name for name, crc in versions if exports[name].crc != crc] == []
    assert facts["vermagic"][0] == image_of(kernel).vermagic
    assert facts["struct_module_size"][0] == image_of(kernel).struct_module_size
    assert {**facts["features"][0], **(image_of(kernel).features or {})} == facts["features"][0]


def test_lockdown_closes_the_memory_and_names_are_left(in_machine: InMachine) -> None:
    lock = (("sh", "-c", "echo confidentiality > /sys/kernel/security/lockdown"),)
    facts = found(in_machine, "6.1", prepare=lock)
    plain, source = facts["exports"]
    assert facts["lockdown"] == ("confidentiality", "/sys/kernel/security/lockdown")
    assert "names only" in source
    assert "/proc/kcore: Operation not permitted" in source
    assert {name: export[2] for name, export in plain.items()} == {
        name: export.gpl for name, export in (image_of("6.1").exports or {}).items()
    }
    assert facts["vermagic"][0] == image_of("6.1").vermagic
    assert facts["vermagic"][1].startswith("in-tree module ")


def test_an_ordinary_user_gets_what_is_readable_and_is_told_from_where(in_machine: InMachine) -> None:
    facts = found(in_machine, "6.12", user=65534)
    plain, source = facts["exports"]
    assert "names only" in source
    of_modules = {name for name, *module in facts["listed"] if module}
    assert set(plain) - of_modules == set(image_of("6.12").exports or ())
    assert facts["vermagic"][0] == image_of("6.12").vermagic
    assert facts["may"][0] is False
    assert facts["features"][0]["idempotent-load"] is True  # by its symbol


def test_facts_are_kept_for_root_only_and_until_a_module_comes(in_machine: InMachine, kernel_tree: Path) -> None:
    script = """
        pyinsmod check m.ko && stat -c '%a %u %g' /run/pyinsmod /run/pyinsmod/facts && cp /run/pyinsmod/facts before
        pyinsmod check m.ko && cmp before /run/pyinsmod/facts && echo unchanged
        pyinsmod m.ko && pyinsmod check m.ko; cmp before /run/pyinsmod/facts
    """
    result = in_machine(["sh", "-c", script], {"m.ko": build(ModuleSpec(), kernel_tree)})
    lines = result.stdout.decode().splitlines()
    assert lines[0] == "m.ko: reaches init"
    assert {"700 0 0", "600 0 0", "unchanged"} <= set(lines)
    assert any("refused EEXIST" in line for line in lines), lines
    assert result.status == 1  # the last cmp: another set of modules, other facts
