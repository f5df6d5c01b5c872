"""Strings as strace shows them."""

from __future__ import annotations

from tracer.escapes import unescaped

#: strace's default for strings that are not paths (-s).
STRING_LIMIT = 32

#: Bytes that stand for themselves.
PLAIN = bytes({*range(0x20, 0x7F)} - {0x22, 0x5C})
_ESCAPES = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x09: "\\t",
    0x0A: "\\n",
    0x0B: "\\v",
    0x0C: "\\f",
    0x0D: "\\r",
}


def quoted(data: bytes, limit: int | None = None) -> str:
    """Return bytes as strace shows a string: C escapes, octal for the rest, `...` where it was cut."""
    shown = data if limit is None else data[:limit]
    parts = []
    for position, byte in enumerate(shown):
        if byte in _ESCAPES:
            parts.append(_ESCAPES[byte])
        elif 0x20 <= byte < 0x7F:
            parts.append(chr(byte))
        else:
            following = shown[position + 1 : position + 2]
            # Three digits only before another digit, which would else be taken for part of the number.
            parts.append(f"\\{byte:03o}" if following.isdigit() else f"\\{byte:o}")
    return f'"{"".join(parts)}"' + ("..." if len(shown) < len(data) else "")


def _is_plain(text: str) -> bool:
    """Whether nothing needs an escape: then the recorded text is the string itself."""
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def quoted_text(text: str) -> str:
    """Return a string of a record (see `tracer.escapes`) as strace shows a path: whole."""
    return f'"{text}"' if _is_plain(text) else quoted(unescaped(text))


def quoted_start(text: str, *, cut: bool = False) -> str:
    """Return the first bytes of a record's string as strace shows data; `cut`: the record has not all of it."""
    if len(text) <= STRING_LIMIT and _is_plain(text):
        shown = f'"{text}"'
    else:
        # An escape takes at most four characters a byte: what is looked at is more than is shown, and an
        # escape cut in two at its end is not.
        shown = quoted(unescaped(text[: 8 * STRING_LIMIT]), STRING_LIMIT)
    return shown + "..." if cut and not shown.endswith('"...') else shown


def quoted_in_hex(text: str) -> str:
    """Return the first bytes of a record's string as strace shows what is no text: each of them in hex."""
    data = unescaped(text[: 8 * STRING_LIMIT])
    shown = "".join(f"\\x{byte:02x}" for byte in data[:STRING_LIMIT])
    return f'"{shown}"' + ("..." if len(data) > STRING_LIMIT else "")
