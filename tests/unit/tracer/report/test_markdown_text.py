from __future__ import annotations

import pytest

from tracer.report.markdown_text import code, inline, row


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a | b", r"a \| b"),
        ("a\nb", r"a\\x0ab"),
        ("\x1b[31m", r"\\x1b\[31m"),
        ("<script>&amp;", "&lt;script>&amp;amp;"),
        ("`x` *y* [z](u)", r"\`x\` \*y\* \[z\](u)"),
        ("finit_module __x64_sys_ok_", r"finit_module \_\_x64_sys_ok\_"),
        ("# not a heading", r"\# not a heading"),
    ],
)
def test_foreign_signs_are_no_markup(text: str, wanted: str) -> None:
    assert inline(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "`plain`"),
        ("a ` b", "``a ` b``"),
        ("`.ko` is", "`` `.ko` is ``"),
        ("two\nlines", "`two ⏎ lines`"),
        ("\x1b[0m|", r"`\x1b[0m|`"),
        ("", "`  `"),
    ],
)
def test_a_code_span_holds_anything(text: str, wanted: str) -> None:
    assert code(text) == wanted


def test_a_row_is_one_line() -> None:
    assert row("a", "b") == "| a | b |"
