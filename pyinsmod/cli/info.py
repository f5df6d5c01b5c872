"""`pyinsmod info FILE`: everything the kernel's loader will look at."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from pyinsmod.cli.arguments import ArgumentParser
from pyinsmod.errors import MalformedModule
from pyinsmod.module_file import opened_module
from pyinsmod.module_image import read_image
from pyinsmod.module_info import ModuleInfo, SignatureInfo, module_info
from pyinsmod.text import printable, shortened

# Shown in places of their own, or as yes and no.
NOT_AGAIN = frozenset(
    {"name", "vermagic", "license", "depends", "parm", "parmtype", "import_ns", "intree", "retpoline"}
)

# Of a field that is there many times (aliases of a driver), the text shows so many values.
MOST_VALUES = 10
LABEL = 14
WIDTH = 100

# Descriptions of parameters have a hundred words; a megabyte of them is nobody's description.
LONGEST = 2000


def run(argv: Sequence[str]) -> int:
    """Show a module; exit status 0, 1 unreadable or malformed, 2 usage."""
    options = parser().parse_args(argv)
    info = _read(options.file)
    if options.json:
        import json

        print(json.dumps(info.to_json()))
        return 0
    for line in lines(info):
        print(line)
    return 0


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser("pyinsmod info", "Show everything the kernel's loader will look at in a module.")
    made.add_argument("file", metavar="FILE", help="a module, packed or not")
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return made


def _read(path: str) -> ModuleInfo:
    with opened_module(path) as file:
        try:
            return module_info(read_image(file.content), path, len(file.content))
        except MalformedModule as error:
            raise MalformedModule(f"{path}: {error}") from error


def lines(info: ModuleInfo) -> Iterator[str]:
    """Yield the text, escaped, long values cut."""
    for label, value in _facts(info):
        yield f"{printable(shortened(label, LONGEST)) + ':':{LABEL}}{printable(shortened(value, LONGEST))}"
    yield from _parameters(info)
    imports = [f"{each.name} (weak)" if each.weak else each.name for each in info.imports]
    yield from _list("imports", _imports_in_words(info), imports)
    exports = [f"{each.name} (GPL only)" if each.gpl else each.name for each in info.exports]
    yield from _list("exports", f"{len(exports)} symbols" if exports else "none", exports)
    yield f"{'sections:':{LABEL}}{len(info.sections)}"
    for section in info.sections:
        yield f"  {section.size:>10}  {section.type:12} {section.flags:5} {printable(shortened(section.name))}"


def _facts(info: ModuleInfo) -> Iterator[tuple[str, str]]:
    yield "file", info.file
    packed = f", {info.compression}-compressed, {info.unpacked_size:,} unpacked" if info.compression else ""
    yield "size", f"{info.size:,} bytes{packed}"
    yield "ELF", f"{info.machine}, {info.elf_type}"
    yield "name", _name(info)
    yield "vermagic", info.vermagic if info.vermagic is not None else "none"
    yield "licence", f"{info.licence} ({'GPL-compatible' if info.gpl_compatible else 'not GPL-compatible: taints'})"
    yield "depends", ", ".join(info.depends) or "nothing"
    if info.imported_namespaces:
        yield "namespaces", ", ".join(info.imported_namespaces)
    yield from _other_fields(info)
    yield "signature", _signature(info.signature)
    yield "BTF", "yes" if info.has(".BTF") else "no"
    keys = dict(info.fields)
    yield "retpoline", keys.get("retpoline", "no")
    yield "in tree", keys.get("intree", "no")
    yield "functions", ", ".join(_functions(info)) or "neither init nor exit"


def _name(info: ModuleInfo) -> str:
    if info.registered_name == info.name:
        return info.name or "none"
    return f"registered as '{info.registered_name or ''}', '{info.name or ''}' in .modinfo"


def _functions(info: ModuleInfo) -> Iterator[str]:
    if info.has_init:
        yield "init"
    if info.has_exit:
        yield "exit"
    elif info.has_init:
        yield "no exit: cannot be unloaded"


def _other_fields(info: ModuleInfo) -> Iterator[tuple[str, str]]:
    """Yield the rest of .modinfo in its order; of many values of one key the first ones."""
    shown: dict[str, int] = {}
    for key, value in info.fields:
        if key in NOT_AGAIN:
            continue
        shown[key] = shown.get(key, 0) + 1
        if shown[key] <= MOST_VALUES:
            yield key, value
    for key, count in shown.items():
        if count > MOST_VALUES:
            yield key, f"… and {count - MOST_VALUES} more (--json has them)"


def _signature(signature: SignatureInfo | None) -> str:
    if signature is None:
        return "none"
    if signature.damaged is not None:
        return f"damaged: {signature.damaged}"
    signer = f"by '{signature.signer}', " if signature.signer else ""
    return f"PKCS#7, {signature.digest}, {signer}key {signature.key.hex(':').upper()}"


def _parameters(info: ModuleInfo) -> Iterator[str]:
    yield f"{'parameters:':{LABEL}}{len(info.parameters) or 'none'}"
    for name, kind, description in info.parameters:
        words = f"{name} ({kind or 'no type'})" + (f": {description}" if description else "")
        yield f"  {printable(shortened(words, LONGEST))}"


def _imports_in_words(info: ModuleInfo) -> str:
    if not info.imports:
        return "none"
    versioned = sum(1 for each in info.imports if each.crc is not None)
    return f"{len(info.imports)} symbols, {versioned or 'none'} with a version (CRC)"


def _list(label: str, summary: str, names: Sequence[str]) -> Iterator[str]:
    yield f"{label + ':':{LABEL}}{summary}"
    words = ", ".join(printable(shortened(name)) for name in names)
    yield from textwrap.wrap(
        words, WIDTH, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
