"""Text from files and logs, made safe to show; remedies, made ready to paste."""

from __future__ import annotations

import pytest

from pyinsmod.text import pasteable, printable, shown


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\r", "a\\x0ab\\x0d"),
        (b"\xff\x80", "\\xff\\x80"),
        ("\u202eevil", "\\u202eevil"),
        ("plain ä'\\", "plain ä'\\"),
    ],
)
def test_nothing_can_steer_a_terminal(raw: str | bytes, safe: str) -> None:
    assert printable(raw) == safe


def test_a_remedy_is_quoted_for_the_shell() -> None:
    assert pasteable("check FILE; unload NAME", "/a b.ko", "m") == "check '/a b.ko'; unload m"
    assert pasteable("unload NAME", "x", None) == "unload NAME"


def test_a_few_bytes_are_shown_as_people_read_them() -> None:
    assert shown(b"\x7fFLE") == '"\\x7fFLE" (7f 46 4c 45)'
    assert shown(b"\0\x01") == "00 01"
