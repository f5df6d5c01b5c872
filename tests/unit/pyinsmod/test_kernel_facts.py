"""Facts of a running kernel, from a tree that is laid out as 6.1 lays it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.kernel_facts import KernelPaths, LoadedModule, caller_may_load, running_kernel
from pyinsmod.kernel_facts.kcore import read_memory

RELEASE = "6.1.0-50-cloud-amd64"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "


def test_of_an_empty_root_nothing_is_known_and_every_fact_says_why(tmp_path: Path) -> None:
    facts = running_kernel(KernelPaths(str(tmp_path)))
    for fact in (
        facts.vermagic,
        facts.exports,
        facts.loaded,
        facts.sysfs_modules,
        facts.config,
        facts.providers,
    ):
        assert fact.value is None
        assert fact.source
    assert (facts.modversions, facts.option("MODULE_FORCE_LOAD"), facts.has("x")) == (
        None,
        None,
        None,
    )


def test_without_export_entries_the_exports_are_unknown_not_none(system: KernelPaths) -> None:
    Path(system.kallsyms).write_text("ffffffff81000000 T _stext\nffffffffc0001000 r __ksymtab_mii_link_ok\t[mii]\n")
    facts = running_kernel(system)
    assert facts.exports.value is None
    assert "__ksymtab_" in facts.exports.source


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"not a core file".ljust(200), b"\x7fELF".ljust(4096, b"\xff")])
def test_a_kcore_that_is_none_is_not_believed(system: KernelPaths, content: bytes) -> None:
    Path(system.kcore).write_bytes(content)
    assert running_kernel(system).vermagic.source.startswith("in-tree module")


def test_memory_outside_every_segment_is_refused(system: KernelPaths) -> None:
    with pytest.raises(ValueError, match="no segment covers"):
        read_memory(system.kcore, 0x1000, 8)


def test_vermagic_comes_from_memory_with_its_trailing_space(system: KernelPaths) -> None:
    vermagic = running_kernel(system).vermagic
    assert vermagic.value == VERMAGIC
    assert "/proc/kcore" in vermagic.source


def test_another_text_at_the_address_is_not_taken_for_vermagic(system: KernelPaths) -> None:
    Path(system.kcore).write_bytes(Path(system.kcore).read_bytes().replace(b"6.1.0-50", b"9.9.9-99"))
    assert running_kernel(system).vermagic.source.startswith("in-tree module")


def test_hidden_addresses_lead_to_the_module_tree(system: KernelPaths) -> None:
    text = Path(system.kallsyms).read_text().replace("ffffffff82000000 d vermagic", "0000000000000000 d vermagic")
    Path(system.kallsyms).write_text(text)
    vermagic = running_kernel(system).vermagic
    assert vermagic.value == VERMAGIC
    assert "hello.ko" in vermagic.source


def test_a_module_of_another_release_or_from_elsewhere_is_no_witness(system: KernelPaths) -> None:
    Path(system.kcore).unlink()
    (module,) = Path(system.module_tree(RELEASE)).rglob("*.ko")
    module.write_bytes(module.read_bytes().replace(b"intree=", b"xxtree="))
    assert running_kernel(system).vermagic.value is None


def test_a_fact_is_found_out_on_first_use_and_once(system: KernelPaths) -> None:
    facts = running_kernel(system)
    Path(system.kallsyms).write_text("ffffffff82100000 r __ksymtab_late\n")
    assert set(facts.exports.value or ()) == {"late"}
    Path(system.kallsyms).unlink()
    assert set(facts.exports.value or ()) == {"late"}
    assert facts.has("idempotent-load") is False  # from the text that was read for the exports


def test_exports_name_their_owner(system: KernelPaths) -> None:
    exports = running_kernel(system).exports.value
    assert exports is not None
    assert {name: export.owner for name, export in exports.items()} == {
        "_printk": "vmlinux",
        "kmalloc": "vmlinux",
        "mii_link_ok": "mii",
    }


def test_state_and_configuration(system: KernelPaths) -> None:
    facts = running_kernel(system)
    assert facts.release == RELEASE
    assert facts.machine.value == 62
    assert facts.modversions
    assert facts.option("MODULE_FORCE_LOAD") is True
    assert facts.option("MODULE_SIG_FORCE") is False
    assert facts.loaded.value is not None
    assert facts.loaded.value["mii"] == LoadedModule("Live", 2, ("e100", "e1000"))
    assert facts.providers.value == {"bond_create": "bonding"}
    assert facts.modules_disabled.value is False


@pytest.mark.parametrize(
    ("capabilities", "namespace", "may"),
    [
        ("0000000000000000", "user:[4026531837]", False),
        ("000001fffffeffff", "user:[4026531837]", False),
        ("000001ffffffffff", "user:[4026532000]", False),
        ("0000000000010000", "user:[4026531837]", True),
    ],
)
def test_who_may_load(system: KernelPaths, capabilities: str, namespace: str, may: bool) -> None:
    Path(system.proc, "self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities}\n")
    Path(system.proc, "self/ns/user").unlink()
    Path(system.proc, "self/ns/user").symlink_to(namespace)
    assert caller_may_load(system).value is may
