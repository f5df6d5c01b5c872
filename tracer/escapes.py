r"""Bytes as text that survives JSON and comes back whole: UTF-8 stays, `\` is doubled, the rest is `\xNN`."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\\(\\|x[0-9a-f]{2})")
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def escaped(data: bytes) -> str:
    r"""Return `data` as text: what is not UTF-8 as `\xNN`, `\` doubled; `unescaped` is the inverse."""
    if b"\\" in data:
        data = data.replace(b"\\", b"\\\\")
    if data.isascii():
        return data.decode("ascii")
    return _UNDECODABLE.sub(_hexadecimal, data.decode("utf-8", "surrogateescape"))


def unescaped(text: str) -> bytes:
    """Return the bytes that `escaped` was given."""
    return _ESCAPE.sub(_byte, text.encode("utf-8", "surrogateescape"))


def without_surrogates(text: str) -> str:
    r"""Return text from outside (arguments, file names) with undecodable bytes as `\xNN`; otherwise as it is.

    For strings that were never bytes in our hands: backslashes stay single, so this has no inverse.
    """
    return _UNDECODABLE.sub(_hexadecimal, text)


def _hexadecimal(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]) - 0xDC00:02x}"


def _byte(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return b"\\" if code == b"\\" else bytes.fromhex(code[1:].decode("ascii"))
