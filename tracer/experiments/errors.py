"""What making a module for an experiment may fail with.

ExperimentError
├── NotRelocatable      the bytes are no ELF64 little-endian relocatable file this room can edit
├── UnsuitableDonor     the kernel's package has no module (or symbol) the experiment could be made from
├── UnknownFault        no fault of that name, or its argument is missing or makes no sense
└── FaultNotApplicable  the fault needs something this kernel's modules do not have
"""

from __future__ import annotations

from pyinsmod.errors import PyinsmodError


class ExperimentError(PyinsmodError):
    """Base of everything this room raises; its text is one line made for people."""


class NotRelocatable(ExperimentError):
    """The bytes are no ELF64 little-endian relocatable file, or one with parts that cannot be edited."""


class UnsuitableDonor(ExperimentError):
    """Nothing in the kernel's package can serve as the donor, or the donor lacks a needed part."""


class UnknownFault(ExperimentError):
    """A fault was asked for that is not in the table, or with a wrong argument."""


class FaultNotApplicable(ExperimentError):
    """The fault makes no sense for this kernel, such as a wrong CRC where modules carry none."""
