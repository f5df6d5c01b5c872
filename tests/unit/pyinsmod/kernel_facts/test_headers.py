from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import KernelExport
from pyinsmod.kernel_facts.headers import ExportLine, KernelHeaders, export_line

WriteHeaders = Callable[..., KernelHeaders]

RELEASE = "6.1.0-50-cloud-amd64"
CONFIG = "CONFIG_X86_64=y\nCONFIG_SMP=y\nCONFIG_MODULE_UNLOAD=y\nCONFIG_MODVERSIONS=y\n"
SYMVERS = (
    "0x12345678\tkmalloc\tvmlinux\tEXPORT_SYMBOL\t\n"
    "0x9abcdef0\tcan_send\tnet/can/can\tEXPORT_SYMBOL_GPL\tCAN\n"
    "0x00000000\tno_crc\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n"
    "damaged line\n"
    "word\told_format\tvmlinux\tEXPORT_SYMBOL\n"
)


@pytest.fixture
def write_headers(tmp_path: Path) -> WriteHeaders:
    """A function that writes a folder of headers: path → text."""

    def write(**files: str) -> KernelHeaders:
        for name, content in files.items():
            path = tmp_path / {"config": ".config", "symvers": "Module.symvers"}.get(name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return KernelHeaders(str(tmp_path))

    return write


UTSRELEASE = {"include/generated/utsrelease.h": f'#define UTS_RELEASE "{RELEASE}"\n'}


def test_an_empty_folder_says_nothing_and_why(tmp_path: Path) -> None:
    headers = KernelHeaders(str(tmp_path))
    facts = (
        *(headers.config, headers.machine, headers.vermagic),
        *(headers.exports, headers.providers, headers.features),
    )
    assert [fact.value for fact in facts] == [None] * 6
    assert all(str(tmp_path) in fact.source for fact in facts)
    assert headers.release == ""


def test_the_header_names_the_release_before_any_other_file(write_headers: WriteHeaders) -> None:
    written = {"include/config/kernel.release": "6.1.176\n"}
    assert write_headers(**written).release == "6.1.176"
    assert write_headers(**written, **UTSRELEASE).release == RELEASE


@pytest.mark.parametrize(
    ("more", "tail"),
    [
        ("", "SMP mod_unload modversions "),
        ("CONFIG_PREEMPT_BUILD=y\n", "SMP preempt mod_unload modversions "),
        ("CONFIG_PREEMPT=y\n", "SMP preempt mod_unload modversions "),
        ("CONFIG_PREEMPT_RT=y\n", "SMP preempt_rt mod_unload modversions "),
        ("# CONFIG_PREEMPT_BUILD is not set\n", "SMP mod_unload modversions "),
    ],
)
def test_vermagic_is_put_together_from_the_options(write_headers: WriteHeaders, more: str, tail: str) -> None:
    """The first, second and fourth are those of Debian's 5.10, 6.1 and 6.1-rt kernels."""
    vermagic = write_headers(config=CONFIG + more, **UTSRELEASE).vermagic
    assert vermagic.value == f"{RELEASE} {tail}"
    assert ".config" in vermagic.source


def test_arm64_names_itself_in_the_vermagic(write_headers: WriteHeaders) -> None:
    headers = write_headers(config="CONFIG_ARM64=y\nCONFIG_SMP=y\n", **UTSRELEASE)
    assert (headers.machine.value, headers.vermagic.value) == (183, f"{RELEASE} SMP aarch64")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (CONFIG + "CONFIG_RANDSTRUCT=y\n", "laid out by a seed"),
        (CONFIG + "CONFIG_PREEMPT_RT=y\nCONFIG_PREEMPT_BUILD=y\n", "both CONFIG_PREEMPT_RT"),
        ("CONFIG_SPARC64=y\n", "no architecture"),
    ],
)
def test_a_vermagic_that_can_only_be_guessed_is_unknown(write_headers: WriteHeaders, config: str, why: str) -> None:
    vermagic = write_headers(config=config, **UTSRELEASE).vermagic
    assert vermagic.value is None
    assert why in vermagic.source


@pytest.mark.parametrize(("first", "word"), [("CONFIG_PREEMPT_RT", "preempt_rt"), ("CONFIG_PREEMPT_BUILD", "preempt")])
def test_of_two_preemption_models_the_one_the_header_asks_first_counts(
    write_headers: WriteHeaders, first: str, word: str
) -> None:
    header = {"include/linux/vermagic.h": f"#ifdef {first}\n"}
    config = CONFIG + "CONFIG_PREEMPT_RT=y\nCONFIG_PREEMPT_BUILD=y\n"
    assert (write_headers(config=config, **UTSRELEASE, **header).vermagic.value or "").split()[2] == word


def test_exports_and_providers_stand_in_module_symvers(write_headers: WriteHeaders) -> None:
    headers = write_headers(symvers=SYMVERS)
    assert headers.exports.value == {
        "kmalloc": KernelExport("vmlinux", 0x12345678, gpl=False, namespace=""),
        "no_crc": KernelExport("vmlinux", None, gpl=True, namespace="NS"),
        "old_format": KernelExport("vmlinux", None, gpl=False, namespace=""),
    }
    assert headers.providers.value == {"can_send": "can"}


def test_a_module_symvers_of_external_modules_is_no_list_of_what_the_kernel_exports(
    write_headers: WriteHeaders,
) -> None:
    assert write_headers(symvers="0x1\tmine\t/src/mine\tEXPORT_SYMBOL\t\n").exports.value is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0x12345678\tkfree", ExportLine("kfree", 0x12345678, "vmlinux", None, "")),
        ("0x12345678\tkfree\tvmlinux", ExportLine("kfree", 0x12345678, "vmlinux", None, "")),
        ("0x12345678\tcan_send\tnet/can/can", ExportLine("can_send", 0x12345678, "net/can/can", None, "")),
        ("0x1\tkfree\tvmlinux\tEXPORT_SYMBOL", ExportLine("kfree", 1, "vmlinux", False, "")),
        ("0x1\tkfree\tvmlinux\tEXPORT_SYMBOL_GPL_FUTURE", ExportLine("kfree", 1, "vmlinux", False, "")),
        ("0x1\tkfree\tvmlinux\tEXPORT_UNUSED_SYMBOL_GPL", ExportLine("kfree", 1, "vmlinux", True, "")),
        ("0x1\tx\tUSB\tdrivers/usb\tEXPORT_SYMBOL_GPL", ExportLine("x", 1, "drivers/usb", True, "USB")),
        ("0x1\tx\t\tvmlinux\tEXPORT_SYMBOL", ExportLine("x", 1, "vmlinux", False, "")),
        ("0x1\tx\tvmlinux\tEXPORT_SYMBOL_GPL\t", ExportLine("x", 1, "vmlinux", True, "")),
        ("0x1\tx\tdrivers/usb\tEXPORT_SYMBOL\tUSB", ExportLine("x", 1, "drivers/usb", False, "USB")),
        ("0x1\tx\tvmlinux\tEXPORT_SYMBOL\tEXPORT_NS", ExportLine("x", 1, "vmlinux", False, "EXPORT_NS")),
        ("", None),
        ("0x1", None),
        ("0x1\t\tvmlinux\tEXPORT_SYMBOL\t", None),
        ("word\tkfree\tvmlinux", None),
    ],
)
def test_every_format_of_module_symvers_there_has_been(line: str, expected: ExportLine | None) -> None:
    """2, 3 (to 2.6.17), 4 (2.6.18), 5 with the namespace third (5.4) and 5 with it last columns."""
    assert export_line(line) == expected


@pytest.mark.parametrize("packing", [lambda raw: raw, gzip.compress, lzma.compress], ids=["plain", "gzip", "xz"])
def test_the_list_may_stand_elsewhere_and_be_packed(tmp_path: Path, packing: Callable[[bytes], bytes]) -> None:
    (tmp_path / "symvers").write_bytes(packing(SYMVERS.encode()))
    assert "kmalloc" in (KernelHeaders("/nonexistent", str(tmp_path / "symvers")).exports.value or {})


def test_a_packed_list_that_is_damaged_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "symvers.gz").write_bytes(gzip.compress(SYMVERS.encode())[:-20])
    exports = KernelHeaders("/nonexistent", str(tmp_path / "symvers.gz")).exports
    assert exports.value is None
    assert "damaged" in exports.source


# As Debian's 6.1 and 7.2 have them.
OLD_SCRIPT = "SECTIONS {\n __ksymtab 0 : { *(SORT(___ksymtab+*)) }\n __kcrctab 0 : { *(SORT(___kcrctab+*)) }\n}\n"
NEW_SCRIPT = OLD_SCRIPT.replace("\n}", "\n __kflagstab 0 : ALIGN(1) { *(SORT(___kflagstab+*)) }\n}")


@pytest.mark.parametrize("place", ["scripts/module.lds", "arch/x86/module.lds"])
@pytest.mark.parametrize(("script", "wanted"), [(OLD_SCRIPT, False), (NEW_SCRIPT, True)])
def test_the_linker_script_tells_whether_exports_want_flags(
    write_headers: WriteHeaders, place: str, script: str, *, wanted: bool
) -> None:
    features = write_headers(config=CONFIG, **{place: script}).features
    assert features.value == {"export-flags": wanted}
    assert features.source.endswith(place)


def test_exports_for_some_modules_only_show_that_there_are_such_namespaces(write_headers: WriteHeaders) -> None:
    """Debian's 7.2 has lines like that; a kernel without one may know them as well."""
    line = "0x00000000\tallow_smaller_maxphyaddr\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\tmodule:kvm-amd,kvm-intel\n"
    script = {"scripts/module.lds": NEW_SCRIPT}
    assert write_headers(config=CONFIG, symvers=SYMVERS, **script).features.value == {"export-flags": True}
    features = write_headers(config=CONFIG, symvers=SYMVERS + line, **script).features.value
    assert features == {"export-flags": True, "module-namespaces": True}


@pytest.mark.parametrize("script", ["", "SECTIONS { }\n", "not there"])
def test_a_linker_script_without_exports_tells_nothing(write_headers: WriteHeaders, script: str) -> None:
    assert write_headers(config=CONFIG, **{"scripts/module.lds": script}).features.value is None
    assert write_headers(config=CONFIG, **{"arch/arm64/module.lds": NEW_SCRIPT}).features.value is None
