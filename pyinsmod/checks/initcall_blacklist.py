"""Does the kernel's command line forbid its init function? `initcall_blacklisted` (init/main.c).

`initcall_blacklist=` names functions, and is meant for those built in; it holds for modules all the same. The name is
the one kallsyms gives for the address: of several symbols there the first in the symbol table, which is the static
function's own and not `init_module`.
"""

from __future__ import annotations

from pyinsmod.elf_format import SHN_UNDEF, Symbol
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "initcall-blacklist", 12

ENTRY = "init_module"


def check_initcall_blacklist(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EPERM when the init function is named there; an unknown command line counts as one without the word."""
    forbidden = facts.initcall_blacklist.value
    function = init_function(image) if forbidden else None
    if not forbidden or function not in forbidden:
        return
    yield Finding(
        NAME,
        STEP,
        "refuses",
        f"its init function '{function}' is named in initcall_blacklist= of the kernel's command line",
        errno="EPERM",
        module_has=f"init function '{function}'",
        kernel_has=f"initcall_blacklist={','.join(sorted(forbidden))} ({facts.initcall_blacklist.source})",
        remedy="boot without it; this shows the line: cat /proc/cmdline",
        log=f"initcall {function} blacklisted",
    )


def init_function(image: ModuleImage) -> str | None:
    """Return the name `find_kallsyms_symbol` gives for the address of init_module; None without such a symbol."""
    defined = [symbol for symbol in image.symbols if symbol.section != SHN_UNDEF and _has_name(symbol)]
    entry = next((symbol for symbol in defined if symbol.name == ENTRY), None)
    if entry is None:
        return None
    # The nearest at or before the address; the entry itself is one, so that the nearest is at it.
    return next(s.name for s in defined if (s.section, s.value) == (entry.section, entry.value))


def _has_name(symbol: Symbol) -> bool:
    """Leave out what kallsyms does not look at: section symbols, and marks of assemblers (`is_mapping_symbol`)."""
    return bool(symbol.name) and not symbol.name.startswith(("$", ".L", "L0"))
