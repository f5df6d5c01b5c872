"""Load Linux kernel modules, predict what the kernel's loader will say, and explain what it said."""

# The one place of the version: pyproject.toml reads it here.
__version__ = "0.1.0"
