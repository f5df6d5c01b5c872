"""Can the kernel unpack the file it is given? `module_decompress` (kernel/module/decompress.c, since 5.17).

Asked only where the compressed file itself goes to the kernel, as with `--syscall finit_module`.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "compression", 5


def check_compression(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a refusal when the kernel unpacks nothing, or another format."""
    unpacks = facts.compression.value
    if image.compression is None or not request.compressed or unpacks is None or unpacks == image.compression:
        return
    yield Finding(
        NAME,
        STEP,
        "refuses",
        f"the file is {image.compression}-compressed, and this kernel "
        + (f"unpacks {unpacks} only" if unpacks else "unpacks no modules (CONFIG_MODULE_DECOMPRESS is off)"),
        # Without the option the flag is refused: EOPNOTSUPP, or EINVAL where it is not even known (before 5.17).
        errno="EINVAL" if unpacks else None,
        module_has=image.compression,
        kernel_has=f"{unpacks or 'nothing'} ({facts.compression.source})",
        remedy="let pyinsmod unpack it: leave --syscall out, or say --syscall init_module",
        log=f"not {'a' if unpacks == 'zstd' else 'a' if unpacks == 'gzip' else 'an'} {unpacks} compressed module"
        if unpacks
        else None,
    )
