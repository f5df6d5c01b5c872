"""A module with parameters, made section by section."""

from __future__ import annotations

import struct

from pyinsmod.module_image import ModuleImage

RELA = struct.Struct("<QQq")


def made(*parameters: tuple[str, str], flags: int = 0, cut: int = 0) -> ModuleImage:
    """Return a module with parameters (name, symbol of its ops; empty for ops of its own without a set function)."""
    names = b"".join(name.encode() + b"\0" for name, _ in parameters)
    starts = [names.index(name.encode() + b"\0") for name, _ in parameters]
    symbols = [ops for _, ops in parameters]
    strings = b"\0" + b"".join(symbol.encode() + b"\0" for symbol in symbols)
    # Symbols: the two sections .rodata (1) and .ops (2), then what is undefined.
    table = [struct.pack("<IBBHQQ", 0, 0, 0, section, 0, 0) for section in (0, 1, 2)]
    relocations = b""
    for number, symbol in enumerate(symbols):
        table.append(struct.pack("<IBBHQQ", strings.index(symbol.encode() + b"\0"), 16, 0, 0, 0, 0))
        relocations += RELA.pack(number * 40, 1 << 32 | 1, starts[number])
        relocations += RELA.pack(number * 40 + 16, (number + 3 if symbol else 2) << 32 | 1, 0)
    entries = struct.pack("<QQQHbB4xQ", 0, 0, 0, 0o644, -1, flags, 0) * len(parameters)
    this = b"\0" * 24 + b"hello".ljust(56, b"\0") + b"\0" * 48
    contents: list[tuple[str, int, int, int, int, bytes]] = [
        (".rodata", 1, 2, 0, 0, names),
        (".ops", 1, 2, 0, 0, b"\0" * (32 - cut)),
        ("__param", 1, 2, 0, 0, entries),
        (".rela__param", 4, 0, 5, 3, relocations),
        (".symtab", 2, 0, 6, 0, b"".join(table)),
        (".strtab", 3, 0, 0, 0, strings),
        (".gnu.linkonce.this_module", 1, 3, 0, 0, this),
    ]
    return ModuleImage(assembled(contents))


def assembled(contents: list[tuple[str, int, int, int, int, bytes]]) -> bytes:
    names, body, headers = b"\0", b"", b"\0" * 64
    all_names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in contents) + b".shstrtab\0"
    for name, kind, flags, link, about, content in [*contents, (".shstrtab", 3, 0, 0, 0, all_names)]:
        headers += struct.pack(
            "<IIQQQQIIQQ", len(names), kind, flags, 0, 64 + len(body), len(content), link, about, 1, 0
        )
        names += name.encode() + b"\0"
        body += content
    count = len(headers) // 64
    start = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", start, 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return header + body + headers
