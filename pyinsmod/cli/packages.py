"""What to say when one of the Python packages that a command needs is not there.

pip brings them all; a distribution's own package of pyinsmod can only ask for those that the distribution has.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Name to import → the package's name, and Debian's. Those of pyproject.toml that are always wanted.
PACKAGES = {
    "argcomplete": ("argcomplete", "python3-argcomplete"),
    "elftools": ("pyelftools", "python3-pyelftools"),
    "jinja2": ("jinja2", "python3-jinja2"),
    "ptrace": ("python-ptrace", "python3-ptrace"),
    "pyroute2": ("pyroute2", "python3-pyroute2"),
    "qemu": ("qemu.qmp", None),
    "rich": ("rich", "python3-rich"),
}


def need_machines() -> None:
    """Raise ModuleNotFoundError now, and not when a kernel has been fetched that nothing can be done with."""
    import qemu.qmp  # noqa: F401


def remedy(missing: ModuleNotFoundError) -> str | None:
    """Return what is missing and how to come by it; None when no package would bring it."""
    name = (missing.name or "").partition(".")[0]
    if name not in PACKAGES:
        return None
    package, debian = PACKAGES[name]
    return f"needs the Python package {package}, which is not installed: {_installation(package, debian)}"


def _installation(package: str, debian: str | None) -> str:
    if sys.prefix != sys.base_prefix:
        return f"{sys.prefix}/bin/python -m pip install {package}"
    if not Path("/etc/debian_version").exists():
        return f"python3 -m pip install --user {package}"
    if debian:
        return f"sudo apt-get install {debian}"
    # PEP 668: Debian's Python wants to hear that it is meant.
    return f"python3 -m pip install --user --break-system-packages {package}"
