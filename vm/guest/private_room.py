"""Do one job on a running system, in a mount namespace where nothing it writes to is the system's own.

`unshare --mount --propagation private -- python3 -m vm.guest.private_room`; the order comes as JSON on standard
input, the answer goes to standard output. In the namespace /root, /tmp and /run are empty file systems in memory, the
folders of commands are full of links to what they really hold, so that a job can put its own commands there, and all
else can be read only. The kernel is the running one: modules, its settings and its log are nobody's private affair.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vm.guest.job import prepare

HIDDEN = {"/root": "0700", "/tmp": "1777", "/run": "0755"}  # noqa: S108 - covered, not used
#: What is no file's home, but the kernel's or a device's face.
INTERFACES = ("/proc", "/sys", "/dev")
COMMAND_FOLDERS = ("/usr/bin", "/usr/sbin")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
PATIENCE = 60.0  # seconds for killed processes to leave a call that cannot be broken off, such as a slow init


def main() -> None:
    """Do as ordered; told to end, end the job first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)  # whoever ordered may be killed, and cannot tell us to end then
    order = json.load(sys.stdin)
    if os.getppid() != order["parent"]:
        sys.exit("whoever ordered this is no more")
    side = Path(order["side"])
    try:
        furnish(side, order["kept"], [folder for folder in COMMAND_FOLDERS if changes(order, folder)])
        for path, content in order["files"].items():
            put(Path(path), base64.b64decode(content))
        json.dump(answer(order, side), sys.stdout)
    except subprocess.CalledProcessError as failure:  # mount has said why
        sys.exit(failure.returncode)
    finally:
        end_children()


def changes(order: Mapping[str, Any], folder: str) -> bool:
    """Tell whether a job puts commands into a folder, as files or links."""
    return any(place.startswith(f"{folder}/") for place in (*order["files"], *order["links"]))


def furnish(side: Path, kept: Iterable[str], commands: Iterable[str]) -> None:
    """Mount what the job may change; `side` is for the room itself.

    Args:
        side: an empty folder.
        kept: folders that stay reachable where they are.
        commands: folders of commands to be changed.
    """
    make_read_only()
    mount("-t", "tmpfs", "tmpfs", str(side))
    still_there = {path: side / f"kept{number}" for number, path in enumerate(kept) if covered(path)}
    for path, place in still_there.items():
        bind(path, place)
    for folder in commands:
        place = side / folder.strip("/").replace("/", "-")
        bind(folder, place)
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
        for entry in os.scandir(place):
            target = os.readlink(entry.path) if entry.is_symlink() else entry.path  # noqa: PTH115
            os.symlink(target, f"{folder}/{entry.name}")  # noqa: PTH211
    for folder, mode in HIDDEN.items():
        mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", folder)
    for path, place in still_there.items():
        bind(str(place), Path(path))


def make_read_only() -> None:
    """Let nothing be written to any file system there is; what is mounted afterwards is not concerned."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[1])
        if not path.startswith(INTERFACES) and os.path.ismount(path):
            mount("-o", "remount,bind,ro", path)


def covered(path: str) -> bool:
    """Tell whether a path lies where something else is mounted over."""
    return any(path.startswith(f"{folder}/") for folder in HIDDEN)


def bind(path: str, place: Path) -> None:
    """Have a folder also at `place`."""
    place.mkdir(parents=True, exist_ok=True)
    mount("--bind", path, str(place))


def mount(*arguments: str) -> None:
    """Mount, or end with mount's own words."""
    subprocess.run(["mount", *arguments], check=True)


def put(path: Path, content: bytes) -> None:
    """Write a file as a guest's agent does; one of the system's has a link in its place, which is not followed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755 if "bin/" in str(path) else 0o644)


def answer(order: Mapping[str, Any], side: Path) -> dict[str, Any]:
    """Run preparations and command, end what they left behind, and return all that came of them."""
    status, complaint = 127, prepare(dict(order))
    outputs = side / "stdout", side / "stderr"
    for output in outputs:
        output.touch()
    if complaint is None:
        try:
            status = run(order, *outputs)
        except OSError as failure:
            complaint = f"{order['argv'][0]}: {failure.strerror}"
    end_children()
    files = {path: Path(path).read_bytes() for path in order["get"] if Path(path).is_file()}
    return {
        "status": status,
        "not_started": complaint,
        "stdout": base64.b64encode(outputs[0].read_bytes()).decode(),
        "stderr": base64.b64encode(outputs[1].read_bytes()).decode(),
        "files": {path: base64.b64encode(content).decode() for path, content in files.items()},
    }


def run(order: Mapping[str, Any], stdout: Path, stderr: Path) -> int:
    """Run the command; its output goes into files, which a background process may hold open for as long as it likes."""
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            order["argv"], cwd=order["cwd"], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        code = process.wait()
    return 128 - code if code < 0 else code


def end_children() -> None:
    """Kill whatever the job left running, and wait for it; orphans are this process's children."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.01)


def children() -> list[int]:
    """Return the ids of this process's children."""
    return [int(pid) for pid in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()]


if __name__ == "__main__":
    main()
