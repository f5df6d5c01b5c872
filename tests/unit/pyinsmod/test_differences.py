"""Two values side by side: what is marked, what is cut, and that a megabyte costs nothing."""

from __future__ import annotations

import pytest

from pyinsmod.differences import Line, columns, common, first_difference, side_by_side

KERNEL = "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions "


def marked(line: Line) -> list[str]:
    return [line.text[start:end] for start, end in line.marks]


@pytest.mark.parametrize(
    ("module", "kernel", "of_module", "of_kernel"),
    [
        ("6.1.0-50-cloud-amd64 SMP preempt mod_unload ", KERNEL, [], ["modversions"]),
        (
            "6.1.0-50-rt-amd64 SMP preempt_rt mod_unload modversions ",
            KERNEL,
            ["6.1.0-50-rt-amd64", "preempt_rt"],
            ["6.1.0-50-cloud-amd64", "preempt"],
        ),
        ("6.1 mod_unload SMP ", "6.1 SMP mod_unload ", ["mod_unload"], ["mod_unload"]),
        ("USB_STORAGE", "USB_STORAGES", [], ["S"]),
        ("0x12345678", "0x9abcdef0", [], []),
        ("uses 'foo'", "9294 exported symbols, 'foo' not among them", [], []),
        ("3860 bytes", "wants 7720 bytes", [], []),
        ("kmalloc 0x12", "kmalloc 0x34 (Module.symvers of 6.1)", ["0x12"], ["0x34"]),
        ("", "6.1 SMP ", [], []),
        (KERNEL, KERNEL, [], []),
    ],
    ids=[
        "lacks",
        "another flavour",
        "order",
        "one word",
        "nothing alike",
        "sentences",
        "sizes",
        "remark",
        "empty",
        "same",
    ],
)
def test_words_that_the_other_has_not_are_marked(
    module: str, kernel: str, of_module: list[str], of_kernel: list[str]
) -> None:
    left, right = side_by_side(module, kernel)
    assert (marked(left), marked(right)) == (of_module, of_kernel)


def test_carets_stand_below_the_words() -> None:
    _, kernel = side_by_side("6.1 SMP mod_unload ", "6.1 SMP preempt mod_unload ")
    assert kernel.text == "6.1 SMP preempt mod_unload "
    assert kernel.carets == "        ^^^^^^^"


def test_a_missing_space_shows_between_quotes() -> None:
    module, kernel = side_by_side("6.1 SMP", "6.1 SMP ")
    assert (module.text, kernel.text) == ("'6.1 SMP'", "'6.1 SMP '")
    assert kernel.carets == "        ^"


def test_the_release_is_left_unmarked_where_it_is_not_the_reason() -> None:
    module, kernel = side_by_side("6.1.0-48 SMP ", "6.1.0-50 SMP mod_unload ", first_word=False, alike=True)
    assert (marked(module), marked(kernel)) == ([], ["mod_unload"])


def test_long_values_are_cut_around_the_first_difference() -> None:
    module, kernel = side_by_side("word " * 1000 + "one", "word " * 1000 + "two", width=60)
    assert marked(module) == ["one"]
    assert marked(kernel) == ["two"]
    assert module.text.startswith("…")
    assert len(module.text) <= 61


def test_the_end_of_a_long_value_is_cut_too() -> None:
    module, _ = side_by_side("a " * 500, "b " + "a " * 500, width=40)
    assert module.text.endswith("…")
    assert len(module.text) == 40


def test_control_characters_are_escaped_before_columns_are_counted() -> None:
    module, _ = side_by_side("6.1 \x1b[2J\x1b SMP", "6.1 SMP")
    assert module.text == "6.1 \\x1b[2J\\x1b SMP"
    assert module.carets == "    ^^^^^^^^^^^"


def test_wide_characters_have_two_carets() -> None:
    assert columns("模块") == 4
    module, _ = side_by_side("6.1 模块 SMP", "6.1 SMP")
    assert module.carets == "    ^^^^"


@pytest.mark.parametrize("fill", ["a ", "a", "ab \n"])
def test_a_megabyte_is_no_matter(fill: str) -> None:
    """Comparing every part with every other would outlast the time limit of all tests."""
    long = fill * (1_000_000 // len(fill))
    for pair in ((long + "x", long + "y"), (long, "b" + long)):
        assert all(len(line.text) < 300 for line in side_by_side(*pair))


def test_the_first_difference_is_found_also_at_the_ends() -> None:
    assert [first_difference(*pair) for pair in [("", ""), ("a", ""), ("ab", "ac"), ("abc", "abc")]] == [0, 0, 1, 3]


def test_common_words_are_a_longest_common_subsequence() -> None:
    assert common(["a", "b", "c", "d"], ["a", "x", "c", "d"]) == [(0, 0), (2, 2), (3, 3)]
    assert common(["x"] * 100, ["y"] * 100) == []
