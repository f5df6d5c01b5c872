"""Packages that rpm itself built, unpacked without it; damaged ones; and what no package may do."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from vm.errors import ArchiveUnreachable, VmError
from vm.rpm_package import unpack_rpm

needs_rpmbuild = pytest.mark.skipif(not shutil.which("rpmbuild"), reason="apt-get install rpm")
COMPRESSIONS = ("w9.gzdio", "w9.bzdio", "w6.xzdio", "w6.lzdio", "w3.zstdio", "w.ufdio")
SPEC = """\
Name: kernel-core
Version: 6.1
Release: 1
Summary: s
License: GPL
%description
d
%install
mkdir -p %{buildroot}
cp -a %{from}/. %{buildroot}
%files
/*
"""


def built(files: Path, folder: Path, compression: str) -> Path:
    """Return the package that rpmbuild makes of all files below a folder."""
    (folder / "k.spec").write_text(SPEC)
    definitions = {
        "from": files,
        "_topdir": folder,
        "_binary_payload": compression,
        "__os_install_post": "%{nil}",
        "_invalid_encoding_terminates_build": 0,
    }
    options = [word for name, value in definitions.items() for word in ("--define", f"{name} {value}")]
    command = ["rpmbuild", "-bb", "--quiet", "--target", "noarch", *options]
    subprocess.run([*command, str(folder / "k.spec")], check=True, capture_output=True)
    return next((folder / "RPMS").rglob("*.rpm"))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of all kinds that kernel packages have."""
    root = tmp_path / "files"
    (root / "lib/modules/6.1/kernel").mkdir(parents=True)
    (root / "lib/modules/6.1/.vmlinuz.hmac").write_text("hidden")
    (root / "lib/modules/6.1/big").write_bytes(random.Random(1).randbytes(200 << 10))
    (root / "lib/modules/6.1/kernel/odd\udcff.ko").write_bytes(b"x")
    (root / "lib/modules/6.1/empty").touch()
    (root / "lib/modules/6.1/build").symlink_to("/usr/src/kernels/6.1")
    os.link(root / "lib/modules/6.1/big", root / "lib/modules/6.1/same")
    (root / "usr/share/doc/k").mkdir(parents=True)
    (root / "usr/share/doc/k/README").write_text("text")
    return root


def listing(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): path.readlink() if path.is_symlink() else path.is_dir() or path.read_bytes()
        for path in root.rglob("*")
    }


@needs_rpmbuild
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_rpmbuild_packed_is_unpacked(files: Path, tmp_path: Path, compression: str) -> None:
    (tmp_path / "build").mkdir()
    package = built(files, tmp_path / "build", compression)
    (tmp_path / "out").mkdir()
    unpack_rpm(package, tmp_path / "out", leave_out=("usr/share/doc",))
    assert listing(tmp_path / "out/lib") == listing(files / "lib")
    assert not (tmp_path / "out/usr/share/doc").exists()


@needs_rpmbuild
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_damaged_package_is_one_line(files: Path, tmp_path: Path, compression: str) -> None:
    (tmp_path / "build").mkdir()
    whole = built(files, tmp_path / "build", compression).read_bytes()
    package = tmp_path / "damaged.rpm"
    for size in (0, 50, 97, 200, len(whole) // 2, len(whole) - 4000):
        package.write_bytes(whole[:size])
        with pytest.raises(ArchiveUnreachable, match=r"^damaged.rpm could not be unpacked: [^\n]+$"):
            unpack_rpm(package, tmp_path / "build")
    chance = random.Random(3)
    for _ in range(20):
        changed = bytearray(whole)
        for _ in range(20):
            changed[chance.randrange(len(whole))] ^= 0xFF
        package.write_bytes(changed)
        with suppress(VmError):
            unpack_rpm(package, tmp_path / "build")


def cpio(*entries: tuple[str, int, bytes]) -> bytes:
    """Return an archive of (name, mode, contents)."""
    found = b""
    for name, mode, content in (*entries, ("TRAILER!!!", 0, b"")):
        raw = name.encode() + b"\0"
        fields = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + raw
        found += head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    return found


def package_of(archive: bytes) -> bytes:
    """Return lead, two headers without entries, and the archive."""
    header = struct.pack(">4s4xII", b"\x8e\xad\xe8\x01", 0, 0)
    return b"\xed\xab\xee\xdb".ljust(96, b"\0") + header + header + archive


@pytest.mark.parametrize("name", ["../outside", "./a/../../outside", "a/.."])
def test_no_file_comes_to_stand_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "p.rpm").write_bytes(package_of(cpio((name, 0o100644, b"evil"))))
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveUnreachable, match="would stand outside"):
        unpack_rpm(tmp_path / "p.rpm", tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = str(tmp_path / "elsewhere").encode()
    archive = cpio(("./link", 0o120777, target), ("./link/file", 0o100644, b"evil"), ("/absolute", 0o100644, b"fine"))
    (tmp_path / "p.rpm").write_bytes(package_of(archive))
    (tmp_path / "out").mkdir()
    unpack_rpm(tmp_path / "p.rpm", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "out/absolute").read_bytes() == b"fine"


def test_no_link_comes_to_stand_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    archive = cpio(
        ("./link", 0o120777, str(tmp_path / "elsewhere").encode()), ("./link/evil", 0o120777, b"/etc/passwd")
    )
    (tmp_path / "p.rpm").write_bytes(package_of(archive))
    (tmp_path / "out").mkdir()
    with pytest.raises(ArchiveUnreachable, match="would stand outside: 'link/evil'"):
        unpack_rpm(tmp_path / "p.rpm", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(("name", "mode"), [("link/file", 0o100644), ("link/folder", 0o40755), ("link/to", 0o120777)])
def test_a_later_package_cannot_use_an_earlier_ones_link(tmp_path: Path, name: str, mode: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "p.rpm").write_bytes(package_of(cpio((f"./{name}", mode, b"" if mode == 0o40755 else b"evil"))))
    with pytest.raises(ArchiveUnreachable, match="would stand outside"):
        unpack_rpm(tmp_path / "p.rpm", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "p.rpm").write_bytes(package_of(cpio(("file", 0o100644, b"content"))))
    unpack_rpm(tmp_path / "p.rpm", tmp_path / "out")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert (tmp_path / "out/file").read_bytes() == b"content"


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"07070X" + b"0" * 100, "more than 4 GiB"),
        (b"070707" + b"0" * 100, "unknown format"),
        (b"PK\3\4" + b"0" * 100, "no known compression"),
        (b"070701" + b"xyz" * 100, "Non-hexadecimal"),
        # A size below 0, which int() would take, and which is never skipped.
        (b"070701" + b"00000001" * 6 + b"-0000004" + b"00000001" * 60, "Non-hexadecimal"),
    ],
)
def test_an_unknown_archive_is_one_line(tmp_path: Path, archive: bytes, why: str) -> None:
    (tmp_path / "p.rpm").write_bytes(package_of(archive))
    with pytest.raises(ArchiveUnreachable, match=why):
        unpack_rpm(tmp_path / "p.rpm", tmp_path)


@pytest.mark.skipif(not shutil.which("zstd"), reason="apt-get install zstd")
def test_what_follows_the_archive_in_its_stream_is_read_for_damage(tmp_path: Path) -> None:
    archive = cpio(("file", 0o100644, b"content")) + random.Random(2).randbytes(300_000)  # more than a pipe holds
    packed = subprocess.run(["zstd", "-cq", "--check"], input=archive, capture_output=True, check=True).stdout
    package = tmp_path / "p.rpm"
    package.write_bytes(package_of(packed))
    unpack_rpm(package, tmp_path)
    assert (tmp_path / "file").read_bytes() == b"content"
    package.write_bytes(package_of(packed[:-1] + bytes([packed[-1] ^ 1])))
    with pytest.raises(ArchiveUnreachable, match="zstd stream is damaged"):
        unpack_rpm(package, tmp_path)
