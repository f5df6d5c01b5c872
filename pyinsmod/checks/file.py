"""Is the file of a size the kernel reads at all? `kernel_read_file` (fs/kernel_read_file.c)."""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "file", 5


def check_file(image: ModuleImage, _facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EINVAL for an empty file."""
    if not len(image.data):
        yield Finding(
            NAME,
            STEP,
            "refuses",
            "the file is empty",
            errno="EINVAL",
            module_has="0 bytes",
            kernel_has="wants at least 64 bytes",
            remedy="build it again: the disk may have been full when it was written",
        )
