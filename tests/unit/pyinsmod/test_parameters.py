"""Parameters that a module has: their types, sizes and flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.parameters import KernelParameter, parameters_of
from tests.unit.pyinsmod.parametrised import made


def in_tree(kernel_tree: Path, name: str) -> ModuleImage:
    return read_image(next(kernel_tree.glob(f"lib/modules/*/kernel/**/{name}.ko")).read_bytes())


def test_the_types_are_those_that_the_source_gave(kernel_tree: Path) -> None:
    """The build writes the same types into .modinfo, from the same macros."""
    compared = 0
    for name in ("bonding", "null_blk", "softdog", "scsi_debug", "ramoops", "xt_recent", "netconsole"):
        image = in_tree(kernel_tree, name)
        said = dict(entry.partition(":")[::2] for entry in image.modinfo.get("parmtype", ()))
        for parameter in parameters_of(image):
            if parameter.type is not None and parameter.name in said:
                array = "array of " if parameter.array_max is not None else ""
                assert said[parameter.name] == array + parameter.type
                compared += 1
    assert compared > 100


def test_sizes_and_flags_are_read(kernel_tree: Path) -> None:
    def parameter(module: str, name: str) -> KernelParameter:
        return next(each for each in parameters_of(in_tree(kernel_tree, module)) if each.name == name)

    # drivers/net/bonding/bond_main.c: BOND_MAX_ARP_TARGETS; drivers/net/netconsole.c: MAX_PARAM_LENGTH.
    assert parameter("bonding", "arp_ip_target")[:4] == ("arp_ip_target", "charp", True, 16)
    assert parameter("netconsole", "netconsole").room == 256
    # fs/pstore/ram.c: module_param_hw.
    assert parameter("ramoops", "mem_address").hardware
    assert parameter("softdog", "nowayout").needs_value is False
    assert parameter("null_blk", "queue_mode").type is None
    assert parameter("bonding", "num_grat_arp").permissions == 0o644


def test_a_module_without_parameters_has_none(kernel_tree: Path) -> None:
    assert parameters_of(in_tree(kernel_tree, "crc32_generic")) == ()


def test_ops_without_a_set_function_are_seen() -> None:
    [parameter] = parameters_of(made(("level", "")))
    assert (parameter.name, parameter.type, parameter.settable) == ("level", None, False)


def test_a_description_outside_its_section_is_malformed() -> None:
    with pytest.raises(MalformedModule):
        parameters_of(made(("level", ""), cut=30))
