"""`pyinsmod check FOLDER`: a small tree of real modules, with what can go wrong in it, through the command line."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pyinsmod.cli import main
from pyinsmod.module_image import ModuleImage
from pyinsmod.signatures.appended import loaded_length

KERNEL = "6.1"


@pytest.fixture
def tree(kernel_tree: Path, tmp_path: Path) -> Path:
    """Modules of 6.1 that depend on each other, all there are of them."""
    root = tmp_path / "tree"
    for name in ("lib/libcrc32c.ko", "net/netfilter/nf_conntrack.ko", "net/ipv4/netfilter/nf_defrag_ipv4.ko",
                 "net/ipv6/netfilter/nf_defrag_ipv6.ko", "net/netfilter/nf_nat.ko"):  # fmt: skip
        found = next(kernel_tree.glob(f"lib/modules/*/kernel/{name}"))
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found, root / name)
    return root


def spoiled(file: Path, old: bytes, new: bytes) -> None:
    """Change a module's bytes; its signature does not survive that."""
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content[: loaded_length(content, ignored=False)].replace(old, new))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def outcomes(printed: str) -> dict[str, Any]:
    return {Path(each["file"]).name: each["prediction"]["outcome"] for each in json.loads(printed)["results"]}


def test_a_tree_knows_its_own_exports(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    status, out, _ = run(capsys, tree, "--kernel", KERNEL)
    assert status == 0
    assert "5 reach init" in out


def test_the_folder_one_stands_in_has_a_name(
    capsys: pytest.CaptureFixture[str], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    assert run(capsys, ".", "--kernel", KERNEL)[1].startswith("5 module files below .\n")


def test_what_depends_on_a_refused_module_says_so(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    spoiled(tree / "lib/libcrc32c.ko", b" mod_unload ", b" mod_unlosd ")
    status, out, _ = run(capsys, tree, "--kernel", KERNEL, "--json")
    assert status == 1
    assert outcomes(out)["nf_nat.ko"] == outcomes(out)["nf_conntrack.ko"] == "refused"
    assert outcomes(out)["nf_defrag_ipv4.ko"] == "reaches-init"
    found = [each for result in json.loads(out)["results"] for each in result["findings"]]
    assert any("depends on 'libcrc32c', which is refused: vermagic differs" in each["summary"] for each in found)


def test_another_version_of_a_siblings_symbol_is_refused(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    file = tree / "lib/libcrc32c.ko"
    content = bytearray(file.read_bytes()[: loaded_length(file.read_bytes(), ignored=False)])
    table = ModuleImage(bytes(content)).find_section("__kcrctab")
    assert table is not None
    content[table.offset : table.offset + table.size] = b"\x55" * table.size
    file.write_bytes(content)
    status, out, _ = run(capsys, tree, "--kernel", KERNEL)
    assert status == 1
    assert "crc32c (of module 'libcrc32c')" in out


def test_a_kernel_update(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    status, out, _ = run(capsys, tree, "--kernel", "6.12", "--since", KERNEL)
    assert status == 1
    assert "5 refused" in out
    status, out, _ = run(capsys, tree, "--kernel", KERNEL, "--since", "6.12")
    assert status == 0


def test_a_baseline_lets_known_refusals_pass(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    _, out, _ = run(capsys, tree, "--kernel", "6.12", "--json")
    (tmp_path / "before.json").write_text(out)
    arguments = (tree, "--kernel", "6.12", "--baseline", tmp_path / "before.json")
    assert run(capsys, *arguments)[0] == 0
    known = next(iter(tree.rglob("nf_nat.ko")))
    shutil.copyfile(known, tree / "another.ko")
    assert run(capsys, *arguments)[0] == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"results": [{}]}', "no json"])
def test_a_baseline_that_is_none_is_status_2(
    capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path, content: str
) -> None:
    (tmp_path / "before.json").write_text(content)
    status, _, err = run(capsys, tree, "--kernel", KERNEL, "--baseline", tmp_path / "before.json")
    assert status == 2
    assert err.count("\n") == 1


def test_files_for_build_servers(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("sarif", "junit", "github-summary")}
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    assert run(capsys, tree, "--kernel", "6.12", *options)[0] == 1
    sarif = json.loads(files["sarif"].read_text())
    levels = [result["level"] for result in sarif["runs"][0]["results"]]
    assert (sarif["version"], levels.count("error")) == ("2.1.0", 5)
    suite = ET.fromstring(files["junit"].read_text())  # noqa: S314 - our own
    assert (suite.get("tests"), suite.get("failures"), len(suite.findall(".//failure"))) == ("5", "5", 5)
    assert "| 6.12 | 0 | 5 | 0 | 0 |" in files["github-summary"].read_text()


def test_json_lines_come_one_a_module(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    _, out, _ = run(capsys, tree, "--kernel", KERNEL, "--json-lines")
    assert [json.loads(line)["prediction"]["outcome"] for line in out.splitlines()] == ["reaches-init"] * 5


def test_compressed_modules(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    for file in sorted(tree.rglob("*.ko")):
        file.with_name(f"{file.name}.xz").write_bytes(lzma.compress(file.read_bytes(), check=lzma.CHECK_CRC32))
        file.unlink()
    assert run(capsys, tree, "--kernel", KERNEL)[0] == 0


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="apt-get install dpkg")
def test_a_package_is_a_tree(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    (tree / "DEBIAN").mkdir()
    control = "Package: k\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.org>\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    subprocess.run(["dpkg-deb", "-b", tree, tmp_path / "m.deb"], check=True, stdout=subprocess.DEVNULL)
    assert run(capsys, tmp_path / "m.deb", "--kernel", KERNEL)[0] == 0
    (tmp_path / "m.deb").write_bytes((tmp_path / "m.deb").read_bytes()[:5000])
    status, _, err = run(capsys, tmp_path / "m.deb", "--kernel", KERNEL)
    assert status == 2
    assert err.count("\n") == 1


def test_what_is_no_module_is_named_and_the_rest_checked(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    (tree / "gone.ko").symlink_to("/nonexistent")
    (tree / "text.ko").write_text("no module")
    (tree / "empty.ko").write_bytes(b"")
    (tree / "folder.ko").mkdir()
    (tree / "damaged.ko.xz").write_bytes(b"\xfd7zXZ\0damaged")
    os.mkfifo(tree / "pipe.ko")
    status, out, _ = run(capsys, tree, "--kernel", KERNEL, "--json")
    told = outcomes(out)
    assert status == 1
    assert told["gone.ko"] == told["damaged.ko.xz"] == "cannot-tell"
    assert told["text.ko"] == told["empty.ko"] == told["pipe.ko"] == "refused"
    assert list(told.values()).count("reaches-init") == 5


def test_a_kernel_that_is_none_is_named_and_the_others_checked(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    status, out, err = run(capsys, tree, "--kernel", "/etc/hostname", "--kernel", KERNEL)
    assert status == 3
    assert "5 reach init" in out
    assert "/etc/hostname" in err


def test_two_modules_that_export_the_same(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    other = tree / "other.ko"
    shutil.copyfile(tree / "lib/libcrc32c.ko", other)
    status, out, _ = run(capsys, tree, "--kernel", KERNEL)
    assert "2 files hold a module 'libcrc32c'" in out
    spoiled(other, b"\0" * 8 + b"libcrc32c\0", b"\0" * 8 + b"libcrc33c\0")
    status, out, _ = run(capsys, tree, "--kernel", KERNEL)
    assert status == 0
    assert "export 'crc32c' and 1 more: whichever is loaded first" in out


def test_what_depmod_wrote_is_compared(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    (tree / "modules.dep").write_text("lib/libcrc32c.ko:\nnet/gone.ko:\nnet/netfilter/nf_nat.ko: lib/libcrc32c.ko\n")
    _, out, _ = run(capsys, tree, "--kernel", KERNEL)
    assert "gone.ko, which is not there" in out
    assert "does not list" in out
    assert "does not name all that" in out
