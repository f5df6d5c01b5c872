"""depmod(8) as the oracle: the same unknown symbols and versions that differ, on a tree with 50 planted faults.

And beside them the faults that depmod cannot see.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.module_image import ModuleImage
from pyinsmod.signatures.appended import loaded_length
from pyinsmod.tree.found import modules_below
from pyinsmod.tree.tree_check import TreeCheck
from vm.kernel_store import fetch

DEPMOD = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin")
EACH = 25
UNKNOWN = re.compile(r"WARNING: (\S+) needs unknown symbol (\S+)")
DIFFERS = re.compile(r"WARNING: (\S+) disagrees about version of symbol (\S+)")

# What depmod does not look at: version magic, licence; and what is no ELF file at all it leaves out.
UNSEEN = ((b" SMP preempt ", b" SMP PREEMPT "), (b"\0license=", b"\0licence="), (b"\x7fELF", b"\x7fELf"))

Faults = set[tuple[str, str]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of a kernel's modules, as `depmod -b` wants them, and a Module.symvers of what the kernel exports."""
    original = fetch("6.1")
    modules = tmp_path / "lib/modules" / original.release
    shutil.copytree(original.root / "lib/modules" / original.release / "kernel", modules / "kernel")
    exports = kernel_named("6.1").facts.exports.value
    assert exports is not None
    lines = (f"{exports[name].crc:#010x}\t{name}\tvmlinux\tEXPORT_SYMBOL\t\n" for name in exports)
    (tmp_path / "Module.symvers").write_text("".join(lines))
    return modules


def chosen(tree: Path) -> list[Path]:
    """Return modules to be spoiled: their own versions and imports are all there."""
    files = sorted(tree.rglob("*.ko"))
    random.Random(5).shuffle(files)
    usable = [file for file in files if len(ModuleImage(file.read_bytes()).versions) > 3]
    return usable[: 2 * EACH + 3]


def spoil(file: Path, change: str) -> tuple[str, str]:
    """Put one fault into a module, which loses its signature; return the module's path and the symbol."""
    content = bytearray(file.read_bytes()[: loaded_length(file.read_bytes(), ignored=False)])
    image = ModuleImage(bytes(content))
    exports = kernel_named("6.1").facts.exports.value or {}
    symbol = next(each.name for each in image.undefined_symbols if each.name in exports and len(each.name) > 8)
    table = image.find_section("__versions")
    assert table is not None
    record = next(
        at
        for at in range(table.offset, table.offset + table.size, 64)
        if bytes(content[at + 8 : at + 64]).partition(b"\0")[0] == symbol.encode()
    )
    if change == "crc":
        content[record + 1] ^= 0x55
        found = symbol
    else:
        found = f"{symbol[:-1]}~"
        changed = bytes(content).replace(f"\0{symbol}\0".encode(), f"\0{found}\0".encode())
        content[:] = changed
        content[record + 8 : record + 8 + len(found)] = found.encode()
    file.write_bytes(content)
    return str(file), found


@pytest.mark.skipif(DEPMOD is None, reason="apt-get install kmod")
def test_the_same_symbols_as_depmod_and_more(tree: Path) -> None:
    files = chosen(tree)
    planted = {spoil(file, "crc") for file in files[:EACH]}, {spoil(file, "name") for file in files[EACH : 2 * EACH]}
    unseen = files[2 * EACH :]
    for file, (old, new) in zip(unseen, UNSEEN, strict=True):
        content = file.read_bytes()
        assert old in content
        file.write_bytes(content[: loaded_length(content, ignored=False)].replace(old, new))
    differing, unknown = of_depmod(tree)
    ours_differing, ours_unknown, refused = of_ours(tree)
    # What cannot be read has no symbols: depmod drops the third one's exports with it, and so does the kernel.
    assert planted[0] <= differing
    assert planted[1] <= unknown
    assert (ours_differing, ours_unknown) == (differing, unknown)
    silent = {file for file, _ in differing | unknown}
    assert {str(file) for file in unseen} <= refused
    assert not {str(file) for file in unseen} & silent


def of_depmod(tree: Path) -> tuple[Faults, Faults]:
    base = tree.parents[2]
    done = subprocess.run(
        [str(DEPMOD), "-n", "-e", "-E", str(base / "Module.symvers"), "-b", str(base), tree.name],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return set(DIFFERS.findall(done.stderr)), set(UNKNOWN.findall(done.stderr))


def of_ours(tree: Path) -> tuple[Faults, Faults, set[str]]:
    results = list(TreeCheck(modules_below(str(tree)), [kernel_named("6.1")]).run())
    found = [(result.file, symbol) for result in results for symbol in result.symbols]
    return (
        {(file, symbol.name) for file, symbol in found if symbol.fault == "differs"},
        {(file, symbol.name) for file, symbol in found if symbol.fault == "missing"},
        {result.file for result in results if result.bad},
    )
