"""The build options that count, found in the text of a configuration."""

from __future__ import annotations

import pytest

from pyinsmod.kernel_facts.config import options_in


def test_options_that_count_are_read_with_their_values() -> None:
    config = b'CONFIG_MODULES=y\n# CONFIG_MODULE_SIG is not set\nCONFIG_MODULE_SIG_HASH="sha256"\nCONFIG_NR_CPUS=64'
    assert options_in(config) == {"MODULES": "y", "MODULE_SIG_HASH": '"sha256"', "NR_CPUS": "64"}


@pytest.mark.parametrize(
    "line", [b"", b"CONFIG_NET=y", b"CONFIG_IMAGE=y", b" CONFIG_IMA=y", b"xCONFIG_IMA=y", b"CONFIG_MODULE"]
)
def test_other_lines_are_passed_over(line: bytes) -> None:
    assert options_in(b"\n" + line + b"\n") == {}


@pytest.mark.parametrize(
    "line", [b"CONFIG_MODULE FOO=y", b"CONFIG_MODULE\xff=y", b"CONFIG_MODULES", b"CONFIG_KALLSYMS\n=y"]
)
def test_a_name_is_of_letters_digits_and_underscores(line: bytes) -> None:
    assert options_in(line) == {}


def test_of_an_option_given_twice_the_last_one_counts() -> None:
    assert options_in(b"CONFIG_SMP=y\nCONFIG_SMP=n\n") == {"SMP": "n"}
