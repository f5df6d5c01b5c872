"""The versions a module carries, as the kernel finds them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import Fact, KernelFacts, unknown
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import kernel_compares_versions, may_force_load, symbol_versions
from tracer.experiments.kernel_modules import module_files, read_module

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

EXTENDED = Fact({"extended-versions": True}, "test")


def record(crc: int, name: bytes) -> bytes:
    return struct.pack("<Q56s", crc, name)


@pytest.mark.parametrize(
    ("table", "crcs"),
    [
        (b"", {}),
        (record(1, b"a")[:-1], {}),
        (record(1, b"a") + record(2, b"b") + b"half", {"a": 1, "b": 2}),
        (record(1, b"a") + record(2, b"a"), {"a": 1}),
        (record(1 << 63, b"a"), {"a": 1 << 63}),
    ],
)
def test_the_first_record_of_a_name_counts(
    build_module: BuildModule, make_facts: MakeFacts, table: bytes, crcs: dict[str, int]
) -> None:
    """5.10, 6.1 and 6.12 refuse a wrong record before a right one, and load it the other way round."""
    data = build_module(version_flags=0, extra=[("__versions", 1, 2, table)])
    found = symbol_versions(ModuleImage(data), make_facts(), LoadRequest())
    assert found is not None
    assert dict(found.crcs) == crcs


def test_a_table_that_is_not_in_memory_is_not_found(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert symbol_versions(ModuleImage(build_module(version_flags=0)), make_facts(), LoadRequest()) is None


def test_the_flag_hides_it(build_module: BuildModule, make_facts: MakeFacts) -> None:
    image = ModuleImage(build_module())
    assert symbol_versions(image, make_facts(), LoadRequest(force_modversion=True)) is None


@pytest.mark.parametrize(("features", "section"), [(EXTENDED, "__version_ext_crcs"), (Fact({}, "test"), "__versions")])
def test_extended_versions_come_first_where_they_are_known(
    build_module: BuildModule, make_facts: MakeFacts, features: Fact[dict[str, bool]], section: str
) -> None:
    names = b"module_layout\0" + b"n" * 200 + b"\0"
    extra = [("__version_ext_crcs", 1, 2, struct.pack("<2I", 7, 8)), ("__version_ext_names", 1, 2, names)]
    found = symbol_versions(ModuleImage(build_module(extra=extra)), make_facts(features=features), LoadRequest())
    assert found is not None
    assert found.section == section
    assert found.compare("module_layout", 7 if features is EXTENDED else 1) == "same"
    assert found.compare("n" * 200, 8) == ("same" if features is EXTENDED else "missing")


@pytest.mark.skipif(not shutil.which("modprobe"), reason="apt install kmod")
def test_a_real_module_says_what_modprobe_says(kernel_tree: Path, make_facts: MakeFacts, tmp_path: Path) -> None:
    content = read_module(module_files(kernel_tree)["llc"])
    (tmp_path / "llc.ko").write_bytes(content)
    told = subprocess.run(
        ["modprobe", "--dump-modversions", str(tmp_path / "llc.ko")], capture_output=True, text=True, check=True
    ).stdout
    wanted = {name: int(crc, 16) for crc, name in (line.split() for line in told.splitlines())}
    found = symbol_versions(ModuleImage(content), make_facts(), LoadRequest())
    assert found is not None
    assert dict(found.crcs) == wanted


@pytest.mark.parametrize(
    ("vermagic", "config", "features", "compares"),
    [
        ("6.1 SMP modversions ", {}, {}, True),
        ("7.2 SMP ", {"MODVERSIONS": "y"}, {}, False),
        (None, {"MODVERSIONS": "y"}, {}, True),
        (None, {}, {"symbol-versions": True}, False),
        (None, None, {"symbol-versions": True}, True),
        (None, None, {}, None),
    ],
)
def test_vermagic_tells_first_whether_versions_are_compared(
    make_facts: MakeFacts,
    vermagic: str | None,
    config: dict[str, str] | None,
    features: dict[str, bool],
    compares: bool | None,
) -> None:
    facts = make_facts(
        vermagic=unknown("test") if vermagic is None else Fact(vermagic, "test"),
        config=unknown("test") if config is None else Fact(config, "test"),
        features=Fact(features, "test"),
        exports=unknown("test"),
    )
    assert kernel_compares_versions(facts) is compares


@pytest.mark.parametrize(("crc", "compares"), [(0x1234, True), (None, None)])
def test_a_version_of_module_layout_is_there_to_be_compared(
    make_facts: MakeFacts, crc: int | None, compares: bool | None
) -> None:
    exports = {"module_layout": KernelExport("vmlinux", crc)}
    facts = make_facts(
        vermagic=unknown("test"),
        config=unknown("test"),
        features=Fact({}, "test"),
        exports=Fact(exports, "test"),
    )
    assert kernel_compares_versions(facts) is compares


@pytest.mark.parametrize(
    ("config", "feature", "may"),
    [({"MODULE_FORCE_LOAD": "y"}, False, True), ({}, True, False), (None, True, True), (None, False, None)],
)
def test_the_configuration_tells_first_whether_a_load_can_be_forced(
    make_facts: MakeFacts, config: dict[str, str] | None, feature: bool, may: bool | None
) -> None:
    given: Fact[dict[str, str]] = unknown("test") if config is None else Fact(config, "test")
    assert may_force_load(make_facts(config=given, features=Fact({"force-load": feature}, "test"))) is may
