"""Everything this room raises on purpose.

VmError
├── UnknownKernel       no such name in the catalogue and no such thing on disk
├── ArchiveUnreachable  the package archive gave nothing: no network, no such package, not a Debian host
├── MissingTool         a program of the host is not installed; the text is the apt line
├── StoreBroken         the cache cannot be written or what it holds is damaged beyond redoing
├── MachineLost         QEMU or the channel to the guest went away without a word of the guest's own
├── GuestCrashed        the guest's kernel died; keeps its last words
└── GuestHung           the time limit passed and the machine was stopped; keeps its last words
"""

from __future__ import annotations


class VmError(Exception):
    """Base of every error of this room; its text is one line made for people."""


class UnknownKernel(VmError):
    """No kernel of that name."""


class ArchiveUnreachable(VmError):
    """The package archive could not give what was asked for."""


class MissingTool(VmError):
    """A program that has to be on the host is not there."""


class StoreBroken(VmError):
    """The cache could not be read or written."""


class MachineEnded(VmError):
    """The machine ended before the command did; `last_words` are the console's last lines."""

    def __init__(self, what: str, last_words: tuple[str, ...] = ()) -> None:
        self.last_words = last_words
        super().__init__(what)


class MachineLost(MachineEnded):
    """The machine went away, and not by the guest's doing."""


class GuestCrashed(MachineEnded):
    """The guest's kernel panicked or reset the machine."""


class GuestHung(MachineEnded):
    """The command was not done when its time was up."""
