"""The `key=value` strings of a module's `.modinfo` section, and the vermagic among them.

See `include/linux/module.h` (MODULE_INFO) and `get_next_modinfo()`: strings ended by one or more NUL;
of a key that stands there twice the kernel takes the first.
"""

from __future__ import annotations

from tracer.experiments.relocatable import Relocatable

MODINFO = ".modinfo"


def entries(module: Relocatable) -> list[tuple[str, str]]:
    """Return all (key, value) pairs in file order; none if the section is missing."""
    section = module.find(MODINFO)
    texts = bytes(section.content).split(b"\0") if section else []
    pairs = (text.decode("utf-8", "surrogateescape").partition("=") for text in texts if text)
    return [(key, value) for key, _, value in pairs]


def value_of(module: Relocatable, wanted: str) -> str | None:
    """Return the first value of a key."""
    return next((value for key, value in entries(module) if key == wanted), None)


def set_value(module: Relocatable, wanted: str, value: str | None) -> None:
    """Replace every entry of a key by one, at the first one's place or at the end; None only removes.

    The symbols that kbuild leaves for the strings (`__UNIQUE_ID_…`) keep their old offsets: the kernel
    does not keep them, as the section is not kept either.
    """
    pairs = entries(module)
    place = next((number for number, (key, _) in enumerate(pairs) if key == wanted), len(pairs))
    kept = [(key, text) for key, text in pairs if key != wanted]
    if value is not None:
        kept.insert(place, (wanted, value))
    texts = (f"{key}={text}".encode("utf-8", "surrogateescape") + b"\0" for key, text in kept)
    module.section(MODINFO).content[:] = b"".join(texts)


def without_word(vermagic: str, word: str) -> str | None:
    """Return the version magic without one of its flags; None if it has no such flag.

    Every other character stays: the kernel compares the trailing space as well.
    """
    release, _, flags = vermagic.partition(" ")
    words = flags.split(" ")
    if word not in words or not word:
        return None
    words.remove(word)
    return f"{release} {' '.join(words)}"


def with_word(vermagic: str, word: str) -> str:
    """Return the version magic with one more flag at its end."""
    return f"{vermagic}{word} " if vermagic.endswith(" ") else f"{vermagic} {word}"


def with_release(vermagic: str, release: str) -> str:
    """Return the version magic with another kernel release, its first word."""
    return f"{release} {vermagic.partition(' ')[2]}"
