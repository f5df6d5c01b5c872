r"""Bytes as text that survives JSON and comes back whole: UTF-8 stays, `\` is doubled, the rest is `\xNN`."""

from __future__ import annotations

_DIGITS = b"0123456789abcdef"
_FIRST_SURROGATE, _LAST_SURROGATE = "\udc80", "\udcff"


def escaped(data: bytes) -> str:
    r"""Return `data` as text: what is not UTF-8 as `\xNN`, `\` doubled; `unescaped` is the inverse."""
    if b"\\" in data:
        data = data.replace(b"\\", b"\\\\")
    if data.isascii():
        return data.decode("ascii")
    return without_surrogates(data.decode("utf-8", "surrogateescape"))


def unescaped(text: str) -> bytes:
    """Return the bytes that `escaped` was given."""
    data = text.encode("utf-8", "surrogateescape")
    parts = []
    done = 0
    while (at := data.find(b"\\", done)) >= 0:
        parts.append(data[done:at])
        digits = data[at + 2 : at + 4]
        if data[at + 1 : at + 2] == b"x" and len(digits) == 2 and not digits.strip(_DIGITS):
            parts.append(bytes((int(digits, 16),)))
            done = at + 4
        else:
            parts.append(b"\\")
            done = at + (2 if data[at + 1 : at + 2] == b"\\" else 1)
    return b"".join([*parts, data[done:]])


def without_surrogates(text: str) -> str:
    r"""Return text from outside (arguments, file names) with undecodable bytes as `\xNN`; otherwise as it is.

    For strings that were never bytes in our hands: backslashes stay single, so this has no inverse.
    """
    if text.isascii():
        return text
    return "".join(
        f"\\x{ord(char) - 0xDC00:02x}" if _FIRST_SURROGATE <= char <= _LAST_SURROGATE else char for char in text
    )
