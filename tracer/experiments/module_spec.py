"""A module for an experiment: described by what it does and what is wrong with it, then made."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from tracer.experiments.donor import Donor, choose_donor
from tracer.experiments.faults import spoil_image, spoil_module
from tracer.experiments.init_code import Exit, Init, replace_exit, replace_init
from tracer.experiments.module_faults import set_name
from tracer.experiments.relocatable import Relocatable

Compression = Literal["xz", "gz"]


@dataclass(frozen=True)
class ModuleSpec:
    """A module to be made.

    Attributes:
        name: what the kernel will know it by.
        init: what its init function does.
        exit: what its exit function does.
        faults: names from the table of faults; they are all put in, in this order where it matters.
        compression: how the finished file is compressed; None leaves it plain.
    """

    name: str = "mymod"
    init: Init = field(default_factory=Init)
    exit: Exit = field(default_factory=Exit)
    faults: tuple[str, ...] = ()
    compression: Compression | None = None


def build(spec: ModuleSpec, tree: Path, donor: Donor | None = None) -> bytes:
    """Make the module for the kernel whose package was unpacked into `tree`.

    The result is never signed: a signature would not survive any change.

    Args:
        spec: what to make.
        tree: the unpacked package; its modules give the donor and the CRCs of further imports.
        donor: the module to change; chosen from the package if None.

    Raises:
        UnsuitableDonor: the package has no fit module, or the donor given is not fit.
        NotRelocatable: the donor given cannot be taken apart.
        UnknownFault: a fault's name is not in the table.
        FaultNotApplicable: a fault makes no sense for this kernel.
    """
    module = Relocatable.parse((donor or choose_donor(tree)).image)
    set_name(module, spec.name)
    replace_init(module, spec.init, tree)
    replace_exit(module, spec.exit, tree)
    spoil_module(module, spec.faults)
    image = spoil_image(module.to_bytes(), spec.faults)
    return COMPRESSORS[spec.compression](image)


def _identity(image: bytes) -> bytes:
    return image


# The kernel's decoder knows CRC32 and no other check (lib/xz/xz_dec_stream.c), and 1 MiB is the
# dictionary that kbuild's own compression uses (scripts/Makefile.modinst).
_XZ_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]
COMPRESSORS: dict[Compression | None, Callable[[bytes], bytes]] = {
    None: _identity,
    "xz": partial(lzma.compress, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=_XZ_FILTERS),
    "gz": partial(gzip.compress, mtime=0),
}
