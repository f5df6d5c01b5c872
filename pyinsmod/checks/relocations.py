"""Can every relocation be applied? `apply_relocations` (kernel/module/main.c), `apply_relocate_add` (arch/).

No kernel tests where a relocation writes or whether its symbol exists: one that points out of the module is a write
to memory that is not there, or not the module's. A module in which every relocation stays inside its section is
judged in one sweep; any other is laid out in memory and relocated as the kernel would do it. What differs from one
architecture to another: relocation_types_NAME.py, and loader_NAME.py for those whose loader is followed so far.
"""

from __future__ import annotations

from pyinsmod.checks.plain import is_plain
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "relocations", 10


def check_relocations(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield the first relocation that cannot be applied: the kernel goes no further."""
    if not is_plain(image):
        from pyinsmod.checks.loader_run import loader_run  # big, and only for modules that no build system makes

        yield from loader_run(image, facts).relocating
