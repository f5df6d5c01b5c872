"""What two kernels differ in is named, or it is said that it cannot be."""

from __future__ import annotations

import shutil
from pathlib import Path

from pyinsmod.btf.base import BaseBtf, base_of
from pyinsmod.btf.members import Member, Structure, structure
from pyinsmod.cli.kernels import kernel_named
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.tree.kernel_differences import _difference, differences
from vm.kernel_store import fetch


def test_two_kernels_of_the_store() -> None:
    configuration, structures, *each = differences(kernel_named("6.1"), kernel_named("6.12"))
    assert "RETPOLINE y → not set" in configuration
    # How the files are packed says nothing of what is in them.
    assert "MODULE_COMPRESS" not in configuration
    assert "differ" in structures
    (module,) = (line for line in each if line.startswith("  struct module:"))
    # As pahole tells it: 6.4 put an array of struct module_memory where core_layout and init_layout had been.
    assert "896 → 1280 bytes; gone: core_layout, init_layout; new: " in module
    assert "mem" in module


def test_a_kernel_beside_itself() -> None:
    configuration, structures = differences(kernel_named("6.1"), kernel_named("6.1"))
    assert configuration == "configuration: the same"
    assert structures == "structures: none of the well-known ones has other members"


def test_members_of_a_structure_are_those_that_pahole_shows() -> None:
    base = base_of(kernel_named("6.1").facts.btf.value or b"")
    assert base is not None
    found = structure(base, "list_head")
    assert found == Structure(16, (Member("next", 0, "struct list_head *"), Member("prev", 64, "struct list_head *")))
    module = structure(base, "module")
    assert module is not None
    by_name = {member.name: member for member in module.members}
    assert by_name["state"] == Member("state", 0, "enum module_state")
    assert by_name["name"] == Member("name", 24 * 8, "char[56]")
    assert by_name["init"].type == "function *"
    # Members of anonymous structures count.
    page = structure(base, "page")
    assert page is not None
    assert {"flags", "lru", "_refcount"} < {member.name for member in page.members}
    assert structure(base, "no_such_structure") is None


def test_structures_of_one_size_may_have_other_members() -> None:
    base = base_of(kernel_named("6.1").facts.btf.value or b"")
    assert base is not None
    raw = base.raw.replace(b"\0init_layout\0", b"\0init_lay0ut\0")
    one, other = structure(base, "module"), structure(BaseBtf(raw), "module")
    assert one is not None
    assert other is not None
    assert _difference(one, other) == "896 bytes; gone: init_layout; new: init_lay0ut"


def test_newer_packages_have_a_configuration_too() -> None:
    assert "options differ; of those the loader goes by: " in next(
        differences(kernel_named("6.1"), kernel_named("7.2"))
    )


def test_what_is_not_at_hand_is_said(tmp_path: Path) -> None:
    image = shutil.copy(fetch("7.2").vmlinuz, tmp_path)
    assert next(differences(kernel_named("6.1"), kernel_named(str(image)))).endswith("is not at hand")


def test_what_is_kept_is_said_again_until_a_configuration_changes(tmp_path: Path) -> None:
    cache = FactsCache(str(tmp_path / "facts"))
    old, new = kernel_named("6.1"), kernel_named("6.12")
    assert new.files
    config = tmp_path / "config"
    config.write_text(Path(new.files.config).read_text())
    new = new._replace(files=new.files._replace(config=str(config)))
    plain = list(differences(old, new))
    assert list(differences(old, new, cache)) == list(differences(old, new, cache)) == plain
    config.write_text(config.read_text().replace("CONFIG_MODVERSIONS=y\n", ""))
    changed = list(differences(old, new, cache))
    assert changed == list(differences(old, new)) != plain
    config.unlink()
    assert "is not at hand" in next(differences(old, new, cache))
