"""What this project puts into its guests: itself, and the packages it runs on."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from vm.image import GuestContent

PACKAGES = ("pyinsmod", "tracer", "elftools", "ptrace", "pyroute2")
# What judges, reports and makes modules does its work outside: a change there asks for no other guest.
LEFT_OUT = (
    *("pyinsmod/documents", "pyinsmod/cli/here.py", "pyinsmod/cli/here_scratch.py", "pyinsmod/cli/laboratory.py"),
    *("pyinsmod/cli/cluster_machines.py", "pyinsmod/cli/machines.py", "pyinsmod/cluster", "vm/shipped.py"),
    *("pyinsmod/cli/manual_pages.py", "pyinsmod/cli/measuring.py", "pyinsmod/cli/recorded.py"),
    *("pyinsmod/cli/validate.py", "vm/box", "vm/running_system.py", "vm/guest/private_room.py"),
    *("tracer/claims", "tracer/compare.py", "tracer/describe.py", "tracer/document_parts.py", "tracer/selectors.py"),
    *("tracer/errno_table.py", "tracer/experiments", "tracer/manual", "tracer/report"),
)
# Without `site`, which looks for packages in more places than there are here: a fifth of what starting Python costs.
COMMAND = b"""#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, "/usr/lib/python3/dist-packages")
from pyinsmod.cli import program

program()
"""
STANDS_BY = "pyinsmod-stand-by"  # a trace that waits for its command
# Imported before the snapshot, so that no command pays for it: seconds each under emulation.
PRELOAD = (
    "pyinsmod.agreement",
    "pyinsmod.cli.check",
    "pyinsmod.cli.info",
    "pyinsmod.cli.load",
    "pyinsmod.cli.load_once",
    "pyinsmod.cli.stand_by",
    "pyinsmod.cli.trace",
    "pyinsmod.cli.unload",
    "pyinsmod.cli.watch",
    "pyinsmod.cli.wording",
    "pyinsmod.explain",
    "pyinsmod.loader",
    "pyinsmod.report",
    "tracer.recorder",
    "tracer.kernel_side.tracing",
    "tracer.watch.watching",
)


def guest_content() -> GuestContent:
    """Return the content of every guest this command line starts."""
    return GuestContent(
        python_packages=tuple(_package_folder(name) for name in PACKAGES),
        left_out=LEFT_OUT,
        files={"usr/bin/pyinsmod": COMMAND},
        preload=(*PRELOAD, *_checks()),
        warm_up=("pyinsmod.cli.warm_up:warm_up",),
        warm={
            "pyinsmod": "pyinsmod.cli:main",
            "pyinsmod-load-once": "pyinsmod.cli.load_once:main",
            STANDS_BY: "pyinsmod.cli.stand_by:main",
        },
    )


def _checks() -> list[str]:
    """Return the modules of all checks, which import each other when there is something to find."""
    return sorted(f"pyinsmod.checks.{file.stem}" for file in (_package_folder("pyinsmod") / "checks").glob("[!_]*.py"))


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"the package {name} is not installed", name=name)
    return Path(spec.origin).parent
