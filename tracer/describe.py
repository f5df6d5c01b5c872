"""Records in words: the sentences of a report are made of these, so that none can say what no record shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pyinsmod.text import printable
from tracer.strace_text import words

# Addresses differ from run to run and say nothing to a reader; the evidence beside a sentence keeps them.
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
ENVIRONMENT = re.compile(r", (?:0x[0-9a-f]+|NULL) /\* \d+ vars? \*/")
STREAMS = {1: "standard output", 2: "standard error"}
STATE_MOMENTS = {
    "before": "before the command",
    "entry": "when the call began",
    "during": "while the call was under way",
    "exit": "when the call had returned",
    "after": "after the command",
}


def sentence(record: Mapping[str, Any]) -> str:
    """Return one record as a short phrase without a full stop; control characters in it are escaped."""
    make = _BY_TYPE.get(str(record.get("type")), _other)
    return printable(ADDRESS.sub("0x…", make(record)))


def _call(record: Mapping[str, Any]) -> str:
    args = record.get("args", {})
    if record.get("name") == "write" and args.get("fd", {}).get("value") in STREAMS:
        said = str((args.get("buf") or {}).get("data", "")).strip()
        return f"it wrote to {STREAMS[args['fd']['value']]}: “{said}”"
    text = words(dict(record)) or str(record.get("name"))
    return ENVIRONMENT.sub("", text)


def _kernel_call(record: Mapping[str, Any]) -> str:
    result = f" = {record['return']}" if "return" in record else ""
    return f"the kernel ran {record['name']}(){result}"


def _kernel_event(record: Mapping[str, Any]) -> str:
    return f"tracepoint {record['name']}: {record['text']}" if record.get("text") else f"tracepoint {record['name']}"


def _uevent(record: Mapping[str, Any]) -> str:
    return f"uevent {record['action']}@{record['devpath']}"


def _log(record: Mapping[str, Any]) -> str:
    return f"the kernel logged “{record['text']}”"


def _exit(record: Mapping[str, Any]) -> str:
    if record.get("signal") is not None:
        return f"process {record['pid']} was killed by {record['signal']}"
    return f"it exited with status {record['status']}"


def _end(record: Mapping[str, Any]) -> str:
    return f"the command ended with status {record['status']}"


def _state(record: Mapping[str, Any]) -> str:
    moment = STATE_MOMENTS.get(str(record.get("moment")), str(record.get("moment")))
    what = record.get("what")
    if what == "module":
        loaded, folder = record.get("proc_modules"), record.get("sys_module")
        listed = f"listed as {loaded['state']} in /proc/modules" if loaded else "not in /proc/modules"
        shown = "in /sys/module" if folder else "not in /sys/module"
        return f"{moment}, {record['module']} was {listed} and {shown}"
    if what == "relocations":
        return f"in memory, {_relocations(record)}"
    if what == "module_file":
        named = [name for name in (".text", ".data", ".bss", ".modinfo") if name in (record.get("sections") or {})]
        return f"the file has {record.get('symbols')} symbols and the sections {', '.join(named)}"
    return f"{what} {moment}"


def _relocations(record: Mapping[str, Any]) -> str:
    parts = []
    for group in ("functions", "globals"):
        tally = record.get(group)
        if tally:
            parts.append(
                f"{tally['fixed']} of {tally['sites']} relocations of {group} hold the target's address"
                f" and {tally['patched_again']} were patched again by the architecture's code"
            )
    return "; ".join(parts)


def _survey(record: Mapping[str, Any]) -> str:
    lacking = ", ".join(
        f"{count} have no {what} ({record['example'][what]} for one)" if count else f"all have {what}"
        for what, count in record["lacking"].items()
    )
    return f"of the {record['modules']} modules of the kernel's package, {lacking}"


def _exec(record: Mapping[str, Any]) -> str:
    return f"{record.get('path')} was executed as {record.get('argv')}"


def _output(record: Mapping[str, Any]) -> str:
    stream = {"stdout": STREAMS[1], "stderr": STREAMS[2]}.get(str(record.get("stream")), "")
    return f"it wrote to {stream}: “{str(record.get('text', '')).strip()}”"


def _file(record: Mapping[str, Any]) -> str:
    moment = {"before": "before the command", "after": "after the command"}.get(str(record.get("moment")), "meanwhile")
    held = f"held “{str(record.get('content')).strip()}”" if record.get("exists") else "was not there"
    return f"{moment}, {record.get('path')} {held}"


def _other(record: Mapping[str, Any]) -> str:
    return str(record.get("name") or record.get("type"))


_BY_TYPE: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "syscall": _call,
    "exec": _exec,
    "exit": _exit,
    "end": _end,
    "kernel_call": _kernel_call,
    "kernel_event": _kernel_event,
    "uevent": _uevent,
    "log": _log,
    "state": _state,
    "survey": _survey,
    "output": _output,
    "file": _file,
}
