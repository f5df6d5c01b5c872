from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pyinsmod.kernel_facts import Fact, KernelFacts, LoadedModule
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.loaded_modules import facts_with_loaded
from pyinsmod.kernel_facts.module_tree import ModuleTree, module_name
from pyinsmod.module_image import ModuleImage, read_image

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
WriteTree = Callable[..., ModuleTree]


def module(
    build: BuildModule, name: str, *, depends: str = "", undefined: Sequence[str] = (), exports: Sequence[str] = ()
) -> bytes:
    """Return a module that says what it depends on, and exports symbols that have no table behind them."""
    extra = [(".depends", 1, 2, b"")]
    marks = [f"__ksymtab_{symbol}" for symbol in exports]
    built = build(name=name, undefined=[*undefined, *marks], extra=extra, vermagic=f"6.1 SMP\0depends={depends}")
    image = ModuleImage(built)
    symbols = image.find_section(".symtab")
    assert symbols is not None
    patched = bytearray(built)
    for symbol in image.undefined_symbols:
        if symbol.name in marks:  # defined, in section 1
            struct.pack_into("<H", patched, symbols.offset + 24 * symbol.number + 6, 1)
    return bytes(patched)


@pytest.fixture
def write_tree(tmp_path: Path, build_module: BuildModule) -> WriteTree:
    """A function that writes modules into a tree; each is given as name → keywords of `module`."""

    def write(suffix: str = ".ko", cache: FactsCache | None = None, **modules: dict[str, object]) -> ModuleTree:
        folder = tmp_path / "lib/modules/6.1/kernel/drivers"
        folder.mkdir(parents=True, exist_ok=True)
        pack = {".ko": bytes, ".ko.xz": lzma.compress, ".ko.gz": gzip.compress}[suffix]
        for name, made in modules.items():
            (folder / f"{name.replace('_', '-')}{suffix}").write_bytes(pack(module(build_module, name, **made)))  # type: ignore[arg-type, operator]
        return ModuleTree(str(tmp_path / "lib/modules/6.1"), cache)

    return write


CHAIN: dict[str, dict[str, object]] = {
    "can": {"exports": ["can_send", "can_rx"]},
    "can_dev": {"depends": "can", "exports": ["alloc_candev"], "undefined": ["can_send"]},
    "can_raw": {"depends": "can-dev,can", "undefined": ["can_rx", "kmalloc"]},
}


def test_an_empty_tree_has_nothing(tmp_path: Path) -> None:
    tree = ModuleTree(str(tmp_path / "nothing"))
    assert (tree.modules, tree.providers, tree.dependencies("can")) == ({}, {}, ())


@pytest.mark.parametrize("suffix", [".ko", ".ko.xz", ".ko.gz"])
def test_modules_are_read_where_depmod_has_not_run(write_tree: WriteTree, suffix: str) -> None:
    tree = write_tree(suffix, **CHAIN)
    assert set(tree.modules) == {"can", "can_dev", "can_raw"}
    assert tree.modules["can_raw"].path.endswith(f"/can-raw{suffix}")
    assert tree.modules["can_raw"].depends == ("can_dev", "can")
    assert tree.providers == {"can_send": "can", "can_rx": "can", "alloc_candev": "can_dev"}


def test_a_damaged_module_is_left_out(write_tree: WriteTree, tmp_path: Path) -> None:
    tree = write_tree(**CHAIN)
    (tmp_path / "lib/modules/6.1/kernel/drivers/bad.ko").write_bytes(b"\x7fELF")
    (tmp_path / "lib/modules/6.1/kernel/drivers/bad2.ko.xz").write_bytes(b"\xfd7zXZ\0")
    assert set(tree.modules) == {"can", "can_dev", "can_raw"}


def test_what_depmod_wrote_is_believed(write_tree: WriteTree, tmp_path: Path) -> None:
    tree = write_tree(**CHAIN)
    below = tmp_path / "lib/modules/6.1"
    lines = ("kernel/drivers/can.ko:", "kernel/drivers/can-raw.ko: kernel/drivers/can.ko", "no colon")
    (below / "modules.dep").write_text("\n".join(lines))
    (below / "modules.symbols").write_text("# Aliases\nalias symbol:can_send can\n")
    assert set(tree.modules) == {"can", "can_raw"}
    assert tree.providers == {"can_send": "can"}


def test_what_comes_first_is_loaded_first(write_tree: WriteTree) -> None:
    assert write_tree(**CHAIN).dependencies("can_raw") == ("can", "can_dev")


def test_modules_that_need_each_other_are_named_once(write_tree: WriteTree) -> None:
    tree = write_tree(a={"depends": "b"}, b={"depends": "c,b"}, c={"depends": "a"})
    assert tree.dependencies("a") == ("c", "b")


def test_a_long_chain_is_followed_to_its_end(write_tree: WriteTree, tmp_path: Path) -> None:
    tree = write_tree(m5000={})
    lines = [f"m{number}.ko: m{number + 1}.ko" for number in range(5000)]
    (tmp_path / "lib/modules/6.1/modules.dep").write_text("\n".join([*lines, "kernel/drivers/m5000.ko:"]))
    (tmp_path / "lib/modules/6.1/modules.symbols").write_text("")
    assert tree.dependencies("m0") == tuple(f"m{number}" for number in range(5000, 0, -1))


def test_a_foreign_module_needs_who_exports_its_symbols(write_tree: WriteTree, build_module: BuildModule) -> None:
    tree = write_tree(**CHAIN)
    foreign = read_image(module(build_module, "mine", undefined=["alloc_candev", "kmalloc", "nobody"], depends="nil"))
    assert tree.dependencies(foreign) == ("can", "can_dev")


def test_what_the_kernel_exports_itself_needs_no_module(write_tree: WriteTree, build_module: BuildModule) -> None:
    foreign = read_image(module(build_module, "mine", undefined=["can_send"]))
    assert write_tree(**CHAIN).dependencies(foreign, ["can_send"]) == ()


def test_a_module_does_not_need_its_namesake(write_tree: WriteTree, build_module: BuildModule) -> None:
    other_build = read_image(module(build_module, "can", undefined=["can_send"]))
    assert write_tree(**CHAIN).dependencies(other_build) == ()


def test_the_index_is_kept_until_modules_come_or_go(write_tree: WriteTree, tmp_path: Path) -> None:
    cache = FactsCache(str(tmp_path / "facts"))
    write_tree(cache=cache, can={}).modules  # noqa: B018 - reads the tree
    for kept in (tmp_path / "lib/modules/6.1/kernel/drivers").iterdir():
        kept.unlink()
    assert set(ModuleTree(str(tmp_path / "lib/modules/6.1"), cache).modules) == {"can"}
    (tmp_path / "lib/modules/6.1/modules.order").write_text("")
    assert set(ModuleTree(str(tmp_path / "lib/modules/6.1"), cache).modules) == set()


@pytest.mark.parametrize(
    ("path", "name"), [("kernel/net/can-raw.ko.xz", "can_raw"), ("a.ko", "a"), ("/x/b.ko.zst", "b"), ("c", "c")]
)
def test_a_module_is_called_as_proc_modules_calls_it(path: str, name: str) -> None:
    assert module_name(path) == name


# --- the same kernel with modules loaded


def test_nothing_loaded_is_the_same_kernel(write_tree: WriteTree, make_facts: MakeFacts) -> None:
    facts = make_facts()
    assert facts_with_loaded(facts, write_tree(**CHAIN), ["unknown"]) is facts


def test_loaded_modules_stand_in_proc_modules_and_sys_module(write_tree: WriteTree, make_facts: MakeFacts) -> None:
    facts = facts_with_loaded(make_facts(loaded=Fact({}, "t")), write_tree(**CHAIN), ["can", "can_dev"])
    assert facts.loaded.value == {"can": LoadedModule("Live", 1, ("can_dev",)), "can_dev": LoadedModule("Live", 0, ())}
    assert {"can", "can_dev", "printk"} <= (facts.sysfs_modules.value or set())
    assert facts.vermagic == make_facts().vermagic


REAL = ("net/802/stp.ko", "net/llc/llc.ko", "net/bridge/bridge.ko", "net/bridge/br_netfilter.ko")


def test_real_modules_export_what_their_users_were_built_with(
    kernel_tree: Path, tmp_path: Path, make_facts: MakeFacts
) -> None:
    """`__versions` of the users, written by another build step, is the oracle for names and CRCs."""
    (folder,) = kernel_tree.glob("lib/modules/*")
    (tmp_path / "tree").mkdir()
    for path in REAL:
        (tmp_path / "tree" / Path(path).name).symlink_to(folder / "kernel" / path)
    tree = ModuleTree(str(tmp_path / "tree"))
    first = tree.dependencies("br_netfilter")
    assert sorted(first) == ["bridge", "llc", "stp"]
    assert first[-1] == "bridge"

    exports = facts_with_loaded(make_facts(exports=Fact({}, "t")), tree, first).exports.value or {}
    used = {name: crc for each in tree.modules for name, crc in tree.image(each).versions.items() if name in exports}
    assert {"br_forward", "llc_sap_open", "stp_proto_register"} & set(used)
    assert used == {name: exports[name].crc for name in used}
    assert {exports[name].owner for name in used} == {"bridge", "llc", "stp"}
