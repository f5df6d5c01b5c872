"""How a module is to be loaded: what the checks and the system calls need to know beside file and kernel."""

from __future__ import annotations

from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.policies import Policy

# include/uapi/linux/module.h; see finit_module(2).
MODULE_INIT_IGNORE_MODVERSIONS = 1
MODULE_INIT_IGNORE_VERMAGIC = 2
MODULE_INIT_COMPRESSED_FILE = 4

NOT_ASKED: Fact[bool] = unknown("not asked")


class LoadRequest(NamedTuple):
    """The arguments of one load.

    `caller_may_load` says whether the process has the right to; unknown means: do not judge it, which is what
    a prediction for another machine wants. `compressed` says that a compressed file is given to the kernel as
    it is, which then has to unpack it; `by_memory` that the bytes are given by init_module in any case. `policies`
    are those that may refuse this process, as far as they show.
    """

    parameters: str = ""
    force_vermagic: bool = False
    force_modversion: bool = False
    caller_may_load: Fact[bool] = NOT_ASKED
    compressed: bool = False
    by_memory: bool = False
    policies: tuple[Policy, ...] = ()

    @property
    def force_flags(self) -> int:
        """Return the flags of finit_module that the user asked for."""
        return (MODULE_INIT_IGNORE_MODVERSIONS if self.force_modversion else 0) | (
            MODULE_INIT_IGNORE_VERMAGIC if self.force_vermagic else 0
        )

    def goes_by_memory(self, compression: str | None, kernel_unpacks: str | None) -> bool:
        """Tell whether the loader makes the call init_module: for what is compressed and the kernel cannot unpack.

        Args:
            compression: the format of the file, None for a plain one.
            kernel_unpacks: the one format the kernel unpacks; None when unknown, empty when none.
        """
        return self.by_memory or (compression not in (None, kernel_unpacks) and not self.compressed)
