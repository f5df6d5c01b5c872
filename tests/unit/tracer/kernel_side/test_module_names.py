from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.kernel_side import module_names

INDEX = b"""\
kernel/net/nft_ct.ko: kernel/net/nf_tables.ko kernel/net/nfnetlink.ko
kernel/drivers/a-b.ko.xz: kernel/lib/c-d.ko.xz
kernel/x/not_nft_ct.ko:
"""


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lib/modules" / os.uname().release
    folder.mkdir(parents=True)
    (folder / "modules.dep").write_bytes(INDEX)
    monkeypatch.setattr(module_names, "Path", lambda path: tmp_path / str(path).lstrip("/"))


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ([], []),
        (["insmod", "nft_ct"], []),
        (["modprobe", "no_such_module"], []),
        (["modprobe", "-v", "nft_ct"], ["nft_ct", "nf_tables", "nfnetlink"]),
        (["sh", "-c", "/sbin/modprobe a_b x=1; true"], ["a_b", "c_d"]),
        (["modprobe", "a-b"], ["a_b", "c_d"]),
        (["sh", "-c", "modprobe 'unbalanced"], []),
    ],
)
def test_what_modprobe_would_load(command: list[str], names: list[str]) -> None:
    assert module_names.modules_asked_for(command) == names


def test_a_name_is_no_pattern() -> None:
    assert module_names.modules_asked_for(["modprobe", "a_b.*"]) == []
