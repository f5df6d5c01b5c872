from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from vm import archive
from vm.archive import Suite, debian_mirror, unpack
from vm.errors import ArchiveUnreachable


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    return tmp_path


def test_no_network_is_one_line_that_names_suite_and_variable(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYINSMOD_DEBIAN_MIRROR", "http://127.0.0.1:9/nothing")
    with pytest.raises(ArchiveUnreachable, match=r"suite bookworm.*PYINSMOD_DEBIAN_MIRROR") as caught:
        Suite("bookworm").refresh()
    assert "\n" not in str(caught.value)
    assert own_cache.exists()


def test_a_damaged_package_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "broken.deb"
    package.write_bytes(b"!<arch>\n" + b"x" * 100)
    with pytest.raises(ArchiveUnreachable, match=r"broken\.deb could not be unpacked"):
        unpack(package, tmp_path)


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="a Debian host has dpkg-deb")
def test_merged_usr_survives_unpacking(tmp_path: Path) -> None:
    """Old packages bring ./bin; the guest has /bin as a link to usr/bin, as Debian has it today."""
    tree = tmp_path / "package"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/tool").write_text("tool")
    (tree / "usr/share/doc/tool").mkdir(parents=True)
    (tree / "usr/share/doc/tool/README").write_text("words")
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: tool\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y.z>\nDescription: x\n"
    )
    subprocess.run(["dpkg-deb", "-b", str(tree), str(tmp_path / "tool.deb")], check=True, capture_output=True)
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    unpack(tmp_path / "tool.deb", root, leave_out=("usr/share/doc",))
    assert (root / "bin").is_symlink()
    assert (root / "usr/bin/tool").read_text() == "tool"
    assert not (root / "usr/share/doc/tool").exists()


def test_the_mirror_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYINSMOD_DEBIAN_MIRROR", "http://mirror.example/debian")
    assert debian_mirror() == "http://mirror.example/debian"


@pytest.mark.parametrize("suite", ["bookworm", "trixie", "sid", "oldstable", "oldoldstable", "stable"])
def test_debian_suites_are_recognised(suite: str) -> None:
    assert archive.DEBIAN_SUITE.match(suite)


@pytest.mark.parametrize("suite", ["jammy", "bookworm-security", "cloud-sdk-bookworm", "nodistro"])
def test_other_archives_are_not_taken_for_debian(suite: str) -> None:
    assert not archive.DEBIAN_SUITE.match(suite)


def hostile_package(folder: Path, *members: tuple[str, str | None]) -> Path:
    """Make a .deb whose members are files, or symbolic links to a target."""
    package = folder / "hostile.deb"
    for name in ("control.tar", "data.tar"):
        with tarfile.open(folder / name, "w") as archive:
            for path, target in members if name == "data.tar" else [("./control", None)]:
                member = tarfile.TarInfo(path)
                if path.endswith("/"):
                    member.type, member.mode = tarfile.DIRTYPE, 0o777
                    archive.addfile(member)
                elif target is None:
                    member.size = 4
                    archive.addfile(member, io.BytesIO(b"evil"))
                else:
                    member.type, member.linkname = tarfile.SYMTYPE, target
                    archive.addfile(member)
    (folder / "debian-binary").write_text("2.0\n")
    parts = [folder / name for name in ("debian-binary", "control.tar", "data.tar")]
    subprocess.run(["ar", "rc", package, *parts], check=True)
    return package


@pytest.mark.parametrize("to", ["absolute", "relative"])
def test_a_package_cannot_write_outside_its_folder(tmp_path: Path, to: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    way = str(outside) if to == "absolute" else "../outside"
    members = [("./link", way), ("./link/file", None), ("./../outside/climbed", None), (f"{outside}/absolute", None)]
    with contextlib.suppress(ArchiveUnreachable):
        unpack(hostile_package(tmp_path, *members), root)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("link", "./link/file"),
        ("link", "link/file"),
        ("link", "././link//file"),
        ("link", "./link/"),
        ("l i\tn\nk", "./l i\tn\nk/file"),
        ("línk", "./línk/file"),
    ],
)
def test_a_later_package_cannot_use_an_earlier_ones_link(tmp_path: Path, link: str, name: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    unpack(hostile_package(tmp_path, (f"./{link}", str(outside))), root)
    with pytest.raises(ArchiveUnreachable, match="/' leads out of its folder"):
        unpack(hostile_package(tmp_path, (name, None)), root)
    assert list(outside.iterdir()) == []
