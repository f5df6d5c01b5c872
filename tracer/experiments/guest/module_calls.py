"""Runs in a guest: makes module system calls with any arguments, also such as no loader would make.

Usage: python3 module_calls.py JSON. JSON is a list of calls as docs/claims-format.md describes them; each is made in
turn and its outcome is printed. The trace around it is the evidence, not what is printed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from pyinsmod.module_syscalls import NUMBERS

BAD_ADDRESS = 1 << 20  # below every mapping of a Python process and above vm.mmap_min_addr
PATIENCE = 5.0
FLAGS = {
    "MODULE_INIT_IGNORE_MODVERSIONS": 1,
    "MODULE_INIT_IGNORE_VERMAGIC": 2,
    "MODULE_INIT_COMPRESSED_FILE": 4,
    "O_NONBLOCK": os.O_NONBLOCK,
    "O_TRUNC": os.O_TRUNC,
}

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_kept: list[object] = []  # buffers and descriptors live as long as the process


def main(calls: list[dict[str, Any]]) -> None:
    """Make the calls in turn; those `in_thread` are waited for at the end, or when a `wait` says so."""
    threads: list[threading.Thread] = []
    numbers: dict[str, int] = {}
    for call in calls:
        if call["call"] == "wait":
            _join(threads)
            continue
        prepared = _prepared(call)
        if call.get("in_thread"):
            thread = threading.Thread(target=_make, args=prepared)
            thread.start()
            threads.append(thread)
            _wait_until_loading(thread)
            number = _number_of_call(thread)
            if number is not None:
                numbers[call["call"]] = number
        else:
            _make(*prepared)
    _join(threads)
    if len(numbers) > 1:
        _say("in the order of their numbers: " + ", ".join(sorted(numbers, key=lambda name: numbers[name])))


def _join(threads: list[threading.Thread]) -> None:
    while threads:
        threads.pop().join()


def _number_of_call(thread: threading.Thread) -> int | None:
    """Return the number of the call the thread sleeps in, as the kernel tells it (proc(5)); None when it never does."""
    late = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < late:
        try:
            word = Path(f"/proc/self/task/{thread.native_id}/syscall").read_text().split()[0]
        except OSError:
            return None
        if word.isdigit():
            return int(word)
        time.sleep(0.002)  # “running”: not asleep yet
    return None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _prepared(call: dict[str, Any]) -> tuple[str, tuple[object, ...]]:
    name = call["call"]
    if name == "open":
        return name, (call["path"], _open_flags(call))
    if name == "finit_module":
        arguments: tuple[object, ...] = (
            _descriptor(call),
            _string(call.get("params", "")),
            _number(call.get("flags", 0)),
        )
    elif name == "init_module":
        image, length = _image(call)
        arguments = (image, ctypes.c_ulong(call.get("len", length)), _string(call.get("params", "")))
    else:
        arguments = (_string(_name(call)), _number(call.get("flags", 0)))
    return name, arguments


def _make(name: str, arguments: tuple[object, ...]) -> None:
    if name == "open":
        path, flags = arguments
        _kept.append(os.open(str(path), int(str(flags))))
        return
    result = _syscall(ctypes.c_long(NUMBERS[os.uname().machine][name]), *arguments)
    number = ctypes.get_errno()
    said = errno.errorcode.get(number, number) if result == -1 else result
    _say(f"{name}: {said}")


def _descriptor(call: dict[str, Any]) -> ctypes.c_int:
    wanted = call.get("fd", {})
    if isinstance(wanted, int):
        return ctypes.c_int(wanted)
    if "memfd" in wanted:
        descriptor = os.memfd_create("module")
        os.write(descriptor, Path(wanted["memfd"]).read_bytes())
        os.lseek(descriptor, 0, os.SEEK_SET)
    elif "pipe" in wanted:
        descriptor = os.pipe()[0]
    else:
        descriptor = os.open(wanted["open"], _open_flags(wanted))
    _kept.append(descriptor)
    return ctypes.c_int(descriptor)


def _open_flags(table: dict[str, Any]) -> int:
    flags = 0
    for name in table.get("flags", ["O_RDONLY"]):
        flags |= getattr(os, name)
    return flags


def _image(call: dict[str, Any]) -> tuple[object, int]:
    wanted = call.get("image", {})
    if wanted == "bad-address":
        return ctypes.c_void_p(BAD_ADDRESS), 4096
    content = Path(wanted["file"]).read_bytes()
    buffer = ctypes.create_string_buffer(content, max(len(content), 1))
    _kept.append(buffer)
    return buffer, len(content)


def _string(text: str) -> object:
    return ctypes.c_void_p(BAD_ADDRESS) if text == "bad-address" else ctypes.c_char_p(os.fsencode(text))


def _name(call: dict[str, Any]) -> str:
    """Return a module's name, or the one that the module in a file goes by."""
    wanted = call.get("name", "")
    if isinstance(wanted, str):
        return wanted
    from pyinsmod.module_image import read_image

    return read_image(Path(wanted["of"]).read_bytes()).name or ""


def _number(flags: int | list[str]) -> ctypes.c_uint:
    if isinstance(flags, int):
        return ctypes.c_uint(flags)
    value = 0
    for name in flags:
        value |= FLAGS[name]
    return ctypes.c_uint(value)


def _wait_until_loading(thread: threading.Thread) -> None:
    """Wait until the thread's module is being initialised, or the thread's call has returned."""
    late = time.monotonic() + PATIENCE
    while thread.is_alive() and time.monotonic() < late:
        states = [line.split()[4] for line in Path("/proc/modules").read_text().splitlines()]
        if "Loading" in states or "Unloading" in states:
            return
        time.sleep(0.002)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
