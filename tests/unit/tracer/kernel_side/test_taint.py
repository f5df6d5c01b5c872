from __future__ import annotations

from pathlib import Path

import pytest

from tracer.kernel_side import taint


def test_nothing_is_no_taint() -> None:
    assert taint.taint_names(0) == []


def test_bits_have_letters_and_unknown_ones_numbers() -> None:
    # Documentation/admin-guide/tainted-kernels.rst: bit 0 is P, 12 is O (4096), 13 is E (8192)
    assert [name[0] for name in taint.taint_names(1 | 4096 | 8192)] == ["P", "O", "E"]
    assert taint.taint_names(1 << 40) == ["bit 40"]


@pytest.mark.parametrize(("text", "value"), [("12288\n", 12288), ("rubbish", None)])
def test_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: int | None) -> None:
    (tmp_path / "tainted").write_text(text)
    monkeypatch.setattr(taint, "TAINTED", tmp_path / "tainted")
    record = taint.taint_record("before")
    assert (record["what"], record["moment"], record["value"]) == ("taint", "before", value)


def test_an_unreadable_file_is_no_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taint, "TAINTED", tmp_path / "none")
    assert taint.taint_record("after")["value"] is None
