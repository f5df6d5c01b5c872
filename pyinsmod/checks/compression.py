"""Can the kernel unpack the file it is given? `module_decompress` (kernel/module/decompress.c, since 5.17).

Asked only where the compressed file itself goes to the kernel, as with `--syscall finit_module`.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "compression", 5
IN_USER_SPACE = "let pyinsmod unpack it: leave --syscall out, or say --syscall init_module"
PACK_AGAIN = {
    "xz": "xz -dc FILE | xz --check=crc32 --lzma2=dict=1MiB > again.ko.xz",
    "gzip": "gzip -dc FILE | gzip -n > again.ko.gz",
    "zstd": "zstd -dc FILE | zstd > again.ko.zst",
}


def check_compression(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a refusal when the kernel unpacks nothing, another format, or not what this stream is made with."""
    unpacks = facts.compression.value
    if image.compression is None or not request.compressed or unpacks is None:
        return
    if not unpacks:
        yield _no_unpacker(image.compression, facts)
    elif unpacks != image.compression:
        article = "an" if unpacks == "xz" else "a"
        yield Finding(
            NAME,
            STEP,
            "refuses",
            f"the file is {image.compression}-compressed, and this kernel unpacks {unpacks} only",
            errno="EINVAL",
            module_has=image.compression,
            kernel_has=f"{unpacks} ({facts.compression.source})",
            remedy=IN_USER_SPACE,
            log=f"not {article} {unpacks} compressed module",
        )
    else:
        yield from _obstacle(image, image.compression, facts)


def _no_unpacker(compression: str, facts: KernelFacts) -> Finding:
    """The flag is refused: EOPNOTSUPP where it is known, EINVAL where it is not (before 5.17)."""
    errnos = {True: "EOPNOTSUPP", False: "EINVAL", None: None}
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"the file is {compression}-compressed, and this kernel unpacks no modules (CONFIG_MODULE_DECOMPRESS is off)",
        errno=errnos[facts.has("compressed-flag")],
        module_has=compression,
        kernel_has=f"nothing ({facts.compression.source})",
        remedy=IN_USER_SPACE,
    )


def _obstacle(image: ModuleImage, compression: str, facts: KernelFacts) -> Iterator[Finding]:
    from pyinsmod.compressed_stream import obstacle  # only for who gives compressed files to the kernel

    found = obstacle(image.packed, compression, facts.option)
    if found is None:
        return
    numbered = found.certain and found.status is not None
    yield Finding(
        NAME,
        STEP,
        "refuses" if found.certain else "cannot-tell",
        f"the kernel's unpacker {'cannot' if found.certain else 'may not be able to'} read it: {found.why}",
        errno=found.errno,
        module_has=found.why,
        kernel_has=found.wants,
        remedy=f"{IN_USER_SPACE}; or pack it again: {PACK_AGAIN[compression]}",
        log=f"decompression failed with status {found.status}" if numbered else None,
    )
