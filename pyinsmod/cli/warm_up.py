"""Done once in a guest before its snapshot: what every trace would otherwise do again in its first second.

The agent's process calls this; jobs are forks of it and inherit its imports, tables and compiled patterns.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path

from tracer.kernel_side.function_graph import remember_functions


def warm_up() -> None:
    """Go the whole way of a check and of a trace once, with any module and with a command that does nothing."""
    from pyinsmod.cli import main

    module = next(Path("/lib/modules").glob("*/kernel/**/*.ko*"), None)
    if module is not None:
        with contextlib.redirect_stdout(io.StringIO()):
            main(["check", str(module)])
        shutil.rmtree("/run/pyinsmod", ignore_errors=True)  # a machine's first command finds its facts by itself
    main(
        [
            "trace",
            "--kernel-events",
            "--quick",
            "--format",
            "json",
            "--calls",
            "module-loading",
            "-o",
            "/dev/null",
            "--",
            "true",
        ]
    )
    remember_functions()
