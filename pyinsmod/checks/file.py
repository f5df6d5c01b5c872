"""Is the file of a size the kernel reads at all? `kernel_read_file` (fs/), `copy_module_from_user` (kernel/module/)."""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "file", 5

# `kernel_read_file` takes no more than INT_MAX bytes.
LARGEST = 0x7FFFFFFF


def check_file(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield what both ways into the kernel say to sizes: as a file (finit_module), as memory (init_module)."""
    size = len(image.data)
    if request.goes_by_memory(image.compression, facts.compression.value):
        if size < elf.HEADER.size:
            yield _too_short(size)
    elif image.compression is None:
        if not size:
            yield _empty()
        elif size > LARGEST:
            yield too_long(size)


def _empty() -> Finding:
    return Finding(
        NAME,
        STEP,
        "refuses",
        "the file is empty",
        errno="EINVAL",
        module_has="0 bytes",
        kernel_has=f"wants at least {elf.HEADER.size} bytes",
        remedy="build it again: the disk may have been full when it was written",
    )


def too_long(size: int) -> Finding:
    """Return what the kernel says to a file of so many bytes, which nobody needs to read for that."""
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"the file has {size} bytes, more than the kernel reads of any file",
        errno="EFBIG",
        module_has=f"{size} bytes",
        kernel_has=f"reads at most {LARGEST} bytes",
        remedy="see whether that is the right file: ls -l FILE",
    )


def _too_short(size: int) -> Finding:
    """The kernel says nothing to the log: it has not even copied the image when it answers."""
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"{size} bytes are too few for an ELF header",
        errno="ENOEXEC",
        module_has=f"{size} bytes",
        kernel_has=f"wants at least {elf.HEADER.size} bytes",
        remedy="build it again: the disk may have been full when it was written",
    )
