"""Explanations as people see them: the order of the lines, the marks, colour where it belongs, nothing unescaped."""

from __future__ import annotations

import io

import pytest

from pyinsmod.cli.wording import BOLD, PLAIN, RED, bold, colours, reason_lines
from pyinsmod.explanation import Explanation, from_finding
from pyinsmod.finding import Finding

MAGICS = ("6.1.0-50-cloud-amd64 SMP preempt mod_unload ", "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_values_stand_side_by_side_with_the_difference_marked_then_the_remedy() -> None:
    why = Explanation("differs", "make clean modules", *MAGICS)
    assert list(reason_lines(why)) == [
        "  module: 6.1.0-50-cloud-amd64 SMP preempt mod_unload",
        "  kernel: 6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions",
        "                                                      ^^^^^^^^^^^",
        "  do: make clean modules",
    ]


def test_in_colour_the_difference_is_red() -> None:
    lines = list(reason_lines(Explanation("differs", None, *MAGICS), colour=True))
    assert lines[1].endswith(f"mod_unload {RED}modversions{PLAIN}")
    assert bold("cause", colour=True) == f"{BOLD}cause{PLAIN}"
    assert bold("cause", colour=False) == "cause"


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (io.StringIO(), {}, False),
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: io.StringIO, environment: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert colours(stream) is wanted


@pytest.mark.parametrize("values", [("\x1b[2J", None), (None, "a\nb"), ("x\x9b y", "x z")])
def test_nothing_of_a_module_steers_the_terminal(values: tuple[str | None, str | None]) -> None:
    why = Explanation("cause", "do \x07this", *values, note="see \x1b]0;title\x07")
    assert all(line.isprintable() for line in reason_lines(why))


def test_a_megabyte_is_cut() -> None:
    why = Explanation("cause", "x" * 10**6, "y" * 10**6, "z" * 10**6)
    assert all(len(line) < 1000 for line in reason_lines(why))


def test_two_version_magics_have_every_difference_marked() -> None:
    finding = Finding("modversions", 7, "refuses", "built for another kernel", "ENOEXEC")
    why = from_finding(
        finding._replace(module_has="6.1.0-50-rt-amd64 SMP preempt_rt", kernel_has="6.1.0-50-cloud-amd64 SMP preempt")
    )
    assert list(reason_lines(why)) == [
        "  module: 6.1.0-50-rt-amd64 SMP preempt_rt",
        "          ^^^^^^^^^^^^^^^^^     ^^^^^^^^^^",
        "  kernel: 6.1.0-50-cloud-amd64 SMP preempt",
        "          ^^^^^^^^^^^^^^^^^^^^     ^^^^^^^",
    ]


def test_what_module_layout_is_gets_explained_where_the_cause_does_not() -> None:
    note = from_finding(Finding("modversions", 7, "refuses", "its version of module_layout is 0x1")).note
    assert note is not None
    assert "structures that every module shares" in note


def test_the_release_is_not_marked_where_symbol_versions_replace_it() -> None:
    finding = Finding("vermagic", 7, "refuses", "vermagic differs from the kernel's: it lacks 'preempt'", "ENOEXEC")
    why = from_finding(finding._replace(module_has="6.1.0-48 SMP ", kernel_has="6.1.0-50 SMP preempt "))
    assert [line for line in reason_lines(why) if "^" in line] == ["                       ^^^^^^^"]


def test_a_crash_is_called_one() -> None:
    assert from_finding(Finding("elf", 6, "crashes", "2 symbol tables")).cause == (
        "would crash the kernel: 2 symbol tables"
    )
