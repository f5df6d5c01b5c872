"""Does the kernel get an address for every symbol? `simplify_symbols` (kernel/module/main.c).

It walks over the symbol table and goes on after an error: the caller gets the errno of the last symbol that failed.
So findings stand in the table's order, and `predict` counts the last one of the group (`prediction.LAST_ONE_COUNTS`).
"""

from __future__ import annotations

from pyinsmod.checks.symbol_resolution import IGNORED, NAME, STEP, Doubt, Resolution
from pyinsmod.elf_format import SECTION, SHN_ABS, SHN_COMMON, SHN_UNDEF, Symbol, page_end
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

# include/uapi/linux/elf.h: left to live patching.
SHN_LIVEPATCH = 0xFF20

# Compilers leave such a common symbol in objects for link-time optimisation.
LTO_MARK = "__gnu_lto"


def check_symbols(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a finding for every symbol that is refused, and one for each reason why some cannot be judged.

    A finding of the second kind stands where the last symbol it is about stands: only what comes after the last
    refusal can still change the errno.
    """
    last: Finding | None = None
    doubts: dict[Doubt, tuple[Symbol, int, bool]] = {}
    for symbol, found in _judged(image, facts, request):
        if isinstance(found, Doubt):
            doubts[found] = (symbol, doubts[found][1] + 1 if found in doubts else 1, True)
            continue
        if found.severity not in ("refuses", "crashes"):
            yield found
            continue
        if last is not None:
            yield last
        last = found
        doubts = {doubt: (about, count, False) for doubt, (about, count, _after) in doubts.items()}
    yield from (_doubtful(doubt, about, count, facts) for doubt, (about, count, after) in doubts.items() if not after)
    if last is not None:
        yield last
    yield from (_doubtful(doubt, about, count, facts) for doubt, (about, count, after) in doubts.items() if after)


def _judged(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[tuple[Symbol, Finding | Doubt]]:
    exports = facts.exports.value
    resolution = None if exports is None else Resolution(image, facts, request, exports)
    for symbol in image.unplaced_symbols:
        if symbol.section == SHN_UNDEF:
            if resolution is not None:
                if not resolution.is_plain(symbol):
                    yield from ((symbol, found) for found in resolution.resolve(symbol))
            elif not symbol.weak and symbol.name != IGNORED:
                yield symbol, Doubt(NAME, None, f"what the kernel exports is unknown: {facts.exports.source}")
        elif symbol.section == SHN_COMMON:
            if not symbol.name.startswith(LTO_MARK):
                yield symbol, _common(symbol, image)
        elif symbol.section not in (SHN_ABS, SHN_LIVEPATCH):
            yield symbol, _nowhere(symbol, image, facts)


def _doubtful(doubt: Doubt, last: Symbol, count: int, facts: KernelFacts) -> Finding:
    about = f"symbol '{last.name}'" if count == 1 else f"{count} symbols, '{last.name}' the last of them"
    return Finding(
        doubt.check,
        STEP,
        "cannot-tell",
        f"{about}: {doubt.why}",
        errno=doubt.errno,
        module_has=f"uses {about}",
        remedy=doubt.remedy
        or f"run it as root with /proc/kcore readable, or with /boot/vmlinuz-{facts.release} in place",
    )


def _common(symbol: Symbol, image: ModuleImage) -> Finding:
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"symbol '{symbol.name}' is common: the compiler left it to a linker to make room for it",
        errno="ENOEXEC",
        module_has=f"'{symbol.name}' in SHN_COMMON",
        kernel_has="makes no room for common symbols",
        remedy="build it with -fno-common, as the kernel's own build system does",
        log=f"{image.name}: please compile with -fno-common",
    )


def _nowhere(symbol: Symbol, image: ModuleImage, facts: KernelFacts) -> Finding:
    """Return what happens to a symbol of a section that does not exist.

    Loaders that do not test it (5.10) read a section header where none is. Within the pages the image fills that
    does no harm by itself; behind them is a page that is not there, and then anything.
    """
    count = image.header.shnum
    tested = facts.has("symbol-sections-tested")
    read = image.header.shoff + (symbol.section + 1) * SECTION.size
    inside = read <= page_end(len(image.data))
    what = f"symbol '{symbol.name}' lies in section {symbol.section}, and there are {count}"
    finding = Finding(
        NAME,
        STEP,
        "refuses",
        what,
        errno="ENOEXEC",
        module_has=f"'{symbol.name}' in section {symbol.section}",
        kernel_has=f"wants a section below {count}",
        remedy="get the file again, and compare the copy with the original: sha256sum FILE",
        log=f"{image.name}: Symbol {symbol.name} has an invalid section index {symbol.section} (max {count - 1})",
    )
    if tested:
        return finding
    if tested is None:
        return finding._replace(severity="cannot-tell", summary=f"{what}, which old loaders do not notice", log=None)
    return finding._replace(
        severity="warns" if inside else "crashes",
        summary=f"{what}, which this kernel does not notice: it reads "
        + ("whatever stands there" if inside else "memory that is not the module's, and may crash"),
        errno=None,
        log=None,
        goes_on=True,
    )
