"""Raw calls to records' arguments: one short function for a family of calls, named here.

To decode another call: write its function in the family's file, values into `tables/`, and a row below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tracer.decode import files, memory, modules, processes
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments

Entry = Callable[[Task, RawArguments], dict[str, Any]]
Exit = Callable[[Task, RawArguments, int, dict[str, Any]], None]


class Decoder(NamedTuple):
    """How one call is decoded: its input before the call, its output after a success.

    `returns_descriptor`: the result is one, and its path goes into the record as `return_path`.
    """

    entry: Entry
    exit: Exit | None = None
    returns_descriptor: bool = False


DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "open": Decoder(files.open_entry, returns_descriptor=True),
        "openat": Decoder(files.openat_entry, returns_descriptor=True),
        "openat2": Decoder(files.openat2_entry, returns_descriptor=True),
        "creat": Decoder(files.creat_entry, returns_descriptor=True),
        "read": Decoder(files.read_entry, files.read_exit),
        "pread64": Decoder(files.pread64_entry, files.read_exit),
        "write": Decoder(files.write_entry),
        "pwrite64": Decoder(files.pwrite64_entry),
        "writev": Decoder(files.writev_entry),
        "close": Decoder(files.close_entry),
        "fstat": Decoder(files.fstat_entry),
        "stat": Decoder(files.stat_entry),
        "lstat": Decoder(files.stat_entry),
        "newfstatat": Decoder(files.newfstatat_entry),
        "statx": Decoder(files.statx_entry),
        "lseek": Decoder(files.lseek_entry),
        "mmap": Decoder(memory.mmap_entry),
        "munmap": Decoder(memory.munmap_entry),
        "mprotect": Decoder(memory.mprotect_entry),
        "execve": Decoder(processes.execve_entry),
        "execveat": Decoder(processes.execveat_entry),
        "exit": Decoder(processes.exit_entry),
        "exit_group": Decoder(processes.exit_entry),
        "finit_module": Decoder(modules.finit_module_entry),
        "init_module": Decoder(modules.init_module_entry),
        "delete_module": Decoder(modules.delete_module_entry),
    }
)

#: Arguments of calls shown raw, where there are not six.
_ARGUMENT_COUNTS: Mapping[str, int] = MappingProxyType(
    {"fork": 0, "vfork": 0, "clone": 5, "clone3": 2, "getpid": 0, "gettid": 0, "brk": 1, "dup": 1, "dup2": 2}
)


#: Calls whose registers mean something else on an architecture: a block of arguments, an offset in halves.
_RAW_ON: Mapping[str, frozenset[str]] = MappingProxyType({"i386": frozenset(("mmap", "pread64", "pwrite64"))})


def decoder_of(name: str, arch: str = "") -> Decoder:
    """Return how to decode a call; one without a row is shown raw, as `arg0`, `arg1` and so on."""
    known = None if name in _RAW_ON.get(arch, ()) else DECODERS.get(name)
    if known is not None:
        return known
    count = _ARGUMENT_COUNTS.get(name, 6)

    def raw_entry(_task: Task, raw: RawArguments) -> dict[str, Any]:
        return {f"arg{index}": hex(value) for index, value in enumerate(raw[:count])}

    return Decoder(raw_entry)
