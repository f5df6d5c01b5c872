"""Load Linux kernel modules, predict what the kernel's loader will say, and explain what it said.

The names of `__all__` are for programs that import this package; see `pyinsmod.library`.
"""

# As in pyinsmod.lean: typing takes longer to import than a module to check.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinsmod.library import check, info, kernel, load, unload

# The one place of the version: pyproject.toml reads it here.
__version__ = "0.1.0"
__all__ = ["check", "info", "kernel", "load", "unload"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import what is asked for (PEP 562)."""
        if name in __all__:
            return getattr(__import__("pyinsmod.library", fromlist=(name,)), name)
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
