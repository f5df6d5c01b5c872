"""Every pattern of the table fits a sentence that a real kernel holds; a pattern that fits nowhere is a defect."""

from __future__ import annotations

import itertools
import re

import pytest

from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.kernel_message_table import MESSAGES
from vm.kernel_store import fetch

KERNELS = ("5.10", "6.1", "6.12", "7.2")

# Sentences of the kernel's sources that these four builds do not have, and why.
ELSEWHERE = {
    r"unsupported RELA relocation: (?P<other>\d+)": "arch/arm64/kernel/module.c",
    r": module (?:PLT|symtab) section\(?s?\)? missing": "arch/arm64/kernel/module-plts.c",
    r"has both \.ctors and \.init_array": "only with CONFIG_CONSTRUCTORS",
    r"marked as livepatch module, but livepatch support": "only without CONFIG_LIVEPATCH",
    r"Failed to load code tags of type \S+ from the module": "only with CONFIG_MEM_ALLOC_PROFILING",
    r"LoadPin: kernel-module (?:old-api-)?denied": "only with CONFIG_SECURITY_LOADPIN",
}

# What stands for a conversion in a line: the values that some pattern insists on.
WORDS = ("word", "module_layout", "unsigned module loading", "/module")
NUMBERS = ("22", "-22", "-2")

_SENTENCE = re.compile(rb"[\x01\t\n\x20-\x7e]{8,400}")
_CONVERSION = re.compile(r"%(?:\*?ph[NCD]|#?l*[xX]|L[xX]|p\w*|\.?\*?s|(?:ll|l|z)?[diu])")


@pytest.fixture(scope="module")
def sentences() -> set[str]:
    """Every text with a space in the four kernels, without its log level."""
    found: set[bytes] = set()
    for name in KERNELS:
        found.update(_SENTENCE.findall(vmlinux_in(fetch(name).vmlinuz.read_bytes())))
    plain = (re.sub(r"^\x01[0-7c]", "", sentence.decode()).strip("\n") for sentence in found)
    return {sentence for sentence in plain if " " in sentence}


def test_there_are_enough_sentences(sentences: set[str]) -> None:
    assert len(sentences) > 20_000
    assert "%s: version magic '%s' should be '%s'" in sentences


@pytest.mark.parametrize("pattern", [pattern for message in MESSAGES for pattern in message.patterns])
def test_a_kernel_writes_such_a_line(pattern: str, sentences: set[str]) -> None:
    holds = any(re.search(pattern, line) for sentence in _likely(pattern, sentences) for line in _filled(sentence))
    assert holds != (pattern in ELSEWHERE), ELSEWHERE.get(pattern, "no kernel holds such a sentence")


def _likely(pattern: str, sentences: set[str]) -> set[str]:
    """Leave out the sentences that share no longer word with the pattern."""
    words = set(re.findall(r"(?<![\\<P])\b[A-Za-z]{4,}", re.sub(r"\(\?P<\w+>", "(", pattern)))
    return {sentence for sentence in sentences if any(word in sentence for word in words)}


def _filled(sentence: str) -> set[str]:
    """Return the lines that the format can give with WORDS and NUMBERS."""

    def value(conversion: re.Match[str], word: str, number: str) -> str:
        kind = conversion[0][-1]
        return word if kind == "s" else number if kind in "di" else "22" if kind == "u" else "abcd"

    return {
        _CONVERSION.sub(lambda conversion, w=word, n=number: value(conversion, w, n), sentence)  # type: ignore[misc]
        for word, number in itertools.product(WORDS, NUMBERS)
    }
