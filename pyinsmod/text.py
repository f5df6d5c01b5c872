"""Text that came from a module, a log or a trace is data: make it safe and whole before it is shown."""

from __future__ import annotations

# A value of a module may be a megabyte long; people get to see so many characters of it.
LONGEST_SHOWN = 400


def printable(text: str | bytes) -> str:
    r"""Return `text` on one line with every control character and undecodable byte escaped.

    Backslashes stay as they are; `\n`, ESC, C1 controls, bidi overrides and lone surrogates become
    `\xNN` or `\uNNNN`, so that nothing read from a file can steer a terminal.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def shown(raw: bytes) -> str:
    r"""Return a few bytes for people: `"\x7fFLE" (7f 46 4c 45)`, or just the hexadecimal when nothing is text."""
    digits = raw.hex(" ")
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in raw)
    return f'"{text}" ({digits})' if any(0x20 < byte < 0x7F for byte in raw) else digits


def shortened(text: str, length: int = LONGEST_SHOWN) -> str:
    """Return `text` cut in the middle to about `length` characters; what is left out is counted there."""
    if len(text) <= length:
        return text
    kept = length // 2
    return f"{text[:kept]}…[{len(text) - 2 * kept} characters more]…{text[-kept:]}"


def pasteable(remedy: str, file: str, module: str | None = None) -> str:
    """Return a remedy whose words FILE and NAME are the file, quoted for a shell, and the module's name."""
    import re

    words = {"FILE": shell_word(file), "NAME": shell_word(module) if module else "NAME"}
    return re.sub(r"\b(FILE|NAME)\b", lambda match: words[match[1]], remedy)


def shell_word(text: str) -> str:
    r"""Return a file's name quoted for a shell, so that it can be pasted from a terminal.

    One that has something unprintable in it is written as in `$'a\377'`, which bash, zsh, ksh and POSIX.1-2024 know.
    """
    from shlex import quote

    if text.isprintable():
        return quote(text)
    plain = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\")
    raw = text.encode("utf-8", "surrogateescape")
    escaped = "".join([chr(byte) if byte in plain else f"\\{byte:03o}" for byte in raw])
    return f"$'{escaped}'"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
