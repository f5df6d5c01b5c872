from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts import FACTS
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.kernel_files import KernelFiles, kernel_files
from pyinsmod.kernel_facts.other_kernel import other_kernel
from tests.unit.pyinsmod.kernel_facts.built_kernels import RELEASE, VERMAGIC, Symbol, vmlinuz

BuildModule = Callable[..., bytes]

CONFIG = "CONFIG_MODULE_SIG_FORCE=y\nCONFIG_MODULE_DECOMPRESS=y\nCONFIG_MODULE_COMPRESS_ZSTD=y\n"
SYMVERS = "0x5\tfrom_headers\tvmlinux\tEXPORT_SYMBOL\t\n0x6\tcan_send\tnet/can/can\tEXPORT_SYMBOL\t\n"


@pytest.fixture
def package(tmp_path: Path, build_module: BuildModule) -> Path:
    """An unpacked kernel package: boot image, configuration, a module."""
    root = tmp_path / "package"
    for name, content in {
        f"boot/vmlinuz-{RELEASE}": vmlinuz(symbols=[Symbol("kmalloc", 7), Symbol("module_layout", 8)]),
        f"boot/config-{RELEASE}": CONFIG.encode(),
        f"lib/modules/{RELEASE}/modules.order": b"",
        f"lib/modules/{RELEASE}/kernel/hello.ko": build_module(vermagic=VERMAGIC),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("content", [b"", b"no kernel", b"\x7fELF"])
def test_an_image_that_is_none_is_said_at_once_when_it_is_all_there_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vmlinuz").write_bytes(content)
    with pytest.raises(UsageError, match=r"vmlinuz: no kernel image: [^\n]+$"):
        other_kernel(kernel_files(str(tmp_path / "vmlinuz")), "k")


def test_a_damaged_image_in_a_package_is_the_reason_why_facts_are_unknown(package: Path) -> None:
    (package / f"boot/vmlinuz-{RELEASE}").write_bytes(b"damaged")
    facts = other_kernel(kernel_files(str(package)), "k").facts
    assert facts.release == RELEASE
    for fact in (facts.exports, facts.features, facts.sysfs_modules, facts.btf, facts.trusted_keys):
        assert fact.value is None
        assert "no kernel image" in fact.source


def test_nobody_raises_whatever_is_missing(tmp_path: Path) -> None:
    facts = other_kernel(KernelFiles(RELEASE, str(tmp_path / "gone"), str(tmp_path / "gone"), str(tmp_path)), "k").facts
    known = {name for name in FACTS if getattr(facts, name).value is not None}
    assert known == {"loaded", "modules_disabled", "blacklist", "initcall_blacklist", "security_modules"}


def test_a_package_tells_all_by_its_image_and_modules(package: Path) -> None:
    facts, tree, _files = other_kernel(kernel_files(str(package)), "k")
    assert (facts.name, facts.release, facts.vermagic.value) == ("k", RELEASE, VERMAGIC)
    assert set(facts.exports.value or ()) == {"kmalloc", "module_layout"}
    assert facts.vermagic.source == f"{package}/boot/vmlinuz-{RELEASE}"
    assert tree is not None
    assert set(tree.modules) == {"hello"}
    assert facts.modversions is True


def test_it_is_freshly_booted(package: Path) -> None:
    facts = other_kernel(kernel_files(str(package)), "k").facts
    assert (facts.loaded.value, facts.modules_disabled.value, facts.blacklist.value) == ({}, False, frozenset())
    assert "freshly booted" in facts.loaded.source


def test_what_the_image_does_not_say_the_configuration_does(package: Path) -> None:
    facts = other_kernel(kernel_files(str(package)), "k").facts
    assert facts.option("MODULE_SIG_FORCE") is True
    assert (facts.sig_enforce.value, facts.compression.value, facts.lockdown.value) == (True, "", "none")
    image = package / f"boot/vmlinuz-{RELEASE}"
    image.unlink()
    facts = other_kernel(kernel_files(str(package)), "k").facts
    assert (facts.sig_enforce.value, facts.compression.value, facts.lockdown.value) == (True, "zstd", "none")
    assert facts.sig_enforce.source == f"CONFIG_MODULE_SIG_FORCE in {package}/boot/config-{RELEASE}"


@pytest.mark.parametrize("level", ["confidentiality", "integrity"])
def test_lockdown_by_configuration(tmp_path: Path, level: str) -> None:
    (tmp_path / "config").write_text(f"CONFIG_LOCK_DOWN_KERNEL_FORCE_{level.upper()}=y\n")
    facts = other_kernel(KernelFiles(RELEASE, config=str(tmp_path / "config")), "k").facts
    assert facts.lockdown.value == level


def test_modules_alone_tell_version_magic_and_machine(package: Path) -> None:
    (package / f"boot/vmlinuz-{RELEASE}").unlink()
    facts = other_kernel(kernel_files(str(package)), "k").facts
    assert (facts.vermagic.value, facts.machine.value, facts.struct_module_size.value) == (VERMAGIC, 62, 128)
    assert facts.vermagic.source.endswith("hello.ko")
    assert facts.exports.value is None


def test_headers_alone_tell_exports_and_who_else_exports(tmp_path: Path) -> None:
    (tmp_path / "Module.symvers").write_text(SYMVERS)
    facts, tree, _files = other_kernel(kernel_files(str(tmp_path)), "k")
    assert set(facts.exports.value or ()) == {"from_headers"}
    assert facts.providers.value == {"can_send": "can"}
    assert tree is None
    assert facts.features.value is None


def test_a_boot_image_alone_names_itself(tmp_path: Path) -> None:
    (tmp_path / "kernel.img").write_bytes(vmlinuz())
    facts = other_kernel(kernel_files(str(tmp_path / "kernel.img")), "kernel.img").facts
    assert (facts.release, facts.vermagic.value) == (RELEASE, VERMAGIC)
    assert facts.providers.value is None


def test_kept_facts_are_those_that_were_found(package: Path, tmp_path: Path) -> None:
    cache = FactsCache(str(tmp_path / "facts"))
    known = []
    for _ in range(2):
        facts = other_kernel(kernel_files(str(package)), "k", cache).facts
        known.append({name: getattr(facts, name) for name in FACTS if name != "exports"})
        assert dict(facts.exports.value or {})["kmalloc"].crc == 7
    assert known[0] == known[1]
    assert len(list((tmp_path / "facts").iterdir())) == 3  # image, type information, modules
