"""Run in a guest: let `pyinsmod watch` look on while modules are loaded and removed in every way.

Prints what it wrote, JSON lines, and then one object with its exit status and its last words.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pyinsmod.cli import main

SEEN, SAID = "watch.jsonl", "watch.err"
COMMANDS = (
    ("sh", "-c", "insmod good.ko; true"),
    ("rmmod", "mymod"),
    ("insmod", "vermagic.ko"),
    ("insmod", "init.ko"),
    ("busybox", "rmmod", "no_such_module"),
    ("modprobe", "dummy", "numdummies=3"),
    ("modprobe", "nft_ct"),
    ("mount", "-t", "squashfs", "none", "/mnt"),
)


def watching() -> int:
    pid = os.fork()
    if pid == 0:
        for stream, path in ((1, SEEN), (2, SAID)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        status = 99
        try:
            status = main(["watch", "--json"])
            sys.stdout.flush()
        finally:
            os._exit(status)
    switch = Path(f"/sys/kernel/tracing/instances/pyinsmod-{pid}/tracing_on")
    while not switch.exists() or switch.read_text().strip() != "1":
        time.sleep(0.01)
    return pid


if __name__ == "__main__":
    Path("/mnt").mkdir(exist_ok=True)
    watch = watching()
    for command in COMMANDS:
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        time.sleep(0.1)
    time.sleep(1)
    os.kill(watch, signal.SIGINT)
    ended = os.waitstatus_to_exitcode(os.waitpid(watch, 0)[1])
    end = {"status": ended, "stderr": Path(SAID).read_text()}
    sys.stdout.write(Path(SEEN).read_text() + json.dumps(end) + "\n")
