"""In a disposable machine: load one module with nothing but the kernel's own judgement, and report as JSON.

The host's half is `reality.py`. An oops becomes a panic here, so that no crash passes for a refusal, and the
initcall tracepoint tells whether init was reached, which the errno alone does not.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pyinsmod.load_request import LoadRequest
from pyinsmod.loader import LoadOptions, Syscall, load

PANIC_ON_OOPS = Path("/proc/sys/kernel/panic_on_oops")
LOADED = Path("/proc/modules")
TRACING = Path("/sys/kernel/tracing")
PATIENCE_SECONDS = 5.0


def main(argv: Sequence[str]) -> int:
    """Load as the JSON object in `argv[0]` says; `reality.py` writes it."""
    order = json.loads(argv[0])
    PANIC_ON_OOPS.write_text("1")
    refused_first = _load_first(order["first"])
    loaded = [line.partition(" ")[0] for line in LOADED.read_text().splitlines()]
    _watch_initcalls()
    threading.Thread(target=_say_when_init_lasts, daemon=True).start()
    started = time.monotonic()
    syscall: Syscall = order["syscall"]
    request = LoadRequest(
        order["parameters"], force_vermagic=order["force_vermagic"], force_modversion=order["force_modversion"]
    )
    outcome = load(order["file"], LoadOptions(request, syscall, anyway=True, check=False))
    seconds = time.monotonic() - started
    print(
        json.dumps(
            {
                "outcome": outcome.outcome,
                "errno": outcome.errno,
                "log": list(outcome.log),
                "seconds": seconds,
                "init_reached": _init_reached(),
                "refused_first": refused_first,
                "loaded": loaded,
            }
        )
    )
    return 0


def _load_first(modules: Sequence[str]) -> str | None:
    """Load what the module depends on; return what modprobe complained of."""
    if not modules:
        return None
    done = subprocess.run(["modprobe", "-a", *modules], capture_output=True, text=True, check=False)
    return done.stderr.strip() or None if done.returncode else None


def _watch_initcalls() -> None:
    (TRACING / "trace").write_text("")
    # Of this process only: to verify a signature, the kernel may load modules of its own.
    (TRACING / "set_event_pid").write_text(str(os.getpid()))
    (TRACING / "events/initcall/enable").write_text("1")


def _say_when_init_lasts() -> None:
    """Report an init function that does not come back, while there is somebody to report: the load may never end."""
    time.sleep(PATIENCE_SECONDS)
    if _init_called():
        print(json.dumps({"init_reached": True}), flush=True)


def _init_reached() -> bool:
    (TRACING / "events/initcall/enable").write_text("0")
    return _init_called()


def _init_called() -> bool:
    """Tell whether the kernel called any init function meanwhile (do_one_initcall, init/main.c)."""
    return "initcall_start" in (TRACING / "trace").read_text()
