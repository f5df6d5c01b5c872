"""Traces in strace's format made comparable: tasks by their place in the family, and nothing that varies by itself.

Normalised, and nothing else: pids (by the task's place: `0` for the command, `0.1` for its first child …),
addresses (hex from 0x10000 on), times, random bytes, what sysinfo and statfs count, names that mktemp makes up,
the column of the result (checked on its own, see `padded`), and calls that strace split in two lines because
another task's came between: they are joined.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

_LINE = re.compile(r"(\d+) +(.*)")
_UNFINISHED = re.compile(r"(.*) <unfinished \.\.\.>$")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+) \+\+\+")
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)$")
_RESULT = re.compile(r"^(\w+\(.*\)) += ((?:-?\d|0x|\?).*)$")
_BIRTH = re.compile(r"(?:v?fork|clone3?)\(.* = (\d+)$")
_CALL = re.compile(r"(\w+)\(")
_COLUMN = 40

#: Where strace writes pids.
_PIDS = re.compile(
    r"(\bsi_pid=|\bpid=|parent_tid=\[|parent_tid=|by execve in pid |TIOC[GS]PGRP, \["
    r"|^(?:t?kill|tgkill|wait4|waitid|setpgid|getpgid|getsid|prlimit64|sched_\w+)\((?:P_PID, )?-?"
    r"|^tgkill\(\d+, |/proc/)(\d+)\b"
)
_PID_RESULTS = re.compile(
    r"^((?:v?fork|clone3?|get\w*p?id|gettid|set_tid_address|wait4|setsid|getpgrp|rt_sigreturn)\(.*\) = )(\d+)"
)
_VARYING = (
    (re.compile(r"0x[0-9a-f]{5,}"), "ADDRESS"),
    (re.compile(r"\b(tv_n?u?sec|si_[us]time|tms_c?[us]time|ru_\w+)=\d+(?: /\* \d+\.\d\d s \*/)?"), r"\1=TIME"),
    (re.compile(r'getrandom\("[^"]*"'), 'getrandom("RANDOM"'),
    (re.compile(r"sysinfo\(\{.*\}\)"), "sysinfo({COUNTS})"),
    (re.compile(r"\b(f_bfree|f_bavail|f_ffree)=\d+"), r"\1=COUNT"),
    (re.compile(r" /\* \d{4}-\d\d-\d\dT[^*]* \*/"), " /* DATE */"),
    (re.compile(r"port=htons\((?:3[2-9]|[456]\d)\d{3}\)"), "port=htons(EPHEMERAL)"),
    (re.compile(r"tmp\.\w{10}|\./sed\w{6}"), "tmp.NAME"),
    (re.compile(r"^(times\(.*|getppid\(\)) = \d+$"), r"\1 = VARIES"),
)
#: Files that have something else each time they are read.
_VARYING_FILES = ("/dev/urandom", "/proc/self/maps", "/proc/meminfo", "/proc/stat")
_OPENED = re.compile(r'openat\(AT_FDCWD, "([^"]*)", .*\) += (\d+)$')
_CLOSED = re.compile(r"close\((\d+)\)")
_READ = re.compile(r'(read\((\d+), )("(?:[^"\\]|\\.)*"(?:\.\.\.)?)(, \d+\).*)$')


class Trace(NamedTuple):
    """The lines of each task, by its place, and the text as it was."""

    tasks: dict[str, list[str]]
    raw: list[str]


def read(text: str) -> Trace:
    """Return the tasks of a trace in strace's format."""
    raw = text.splitlines()
    lines = _joined(raw)
    places = _places(lines)
    tasks = {
        places.get(pid, f"unknown {number}"): _normalised(found, places)
        for number, (pid, found) in enumerate(lines.items())
    }
    return Trace(tasks, raw)


def calls_of(trace: Trace) -> set[str]:
    """Return the names of the calls made."""
    return {match[1] for found in trace.tasks.values() for line in found if (match := _CALL.match(line))}


def padded(line: str) -> bool:
    """Whether a call's result stands at strace's column, or as near behind it as it can."""
    match = re.match(r"(\d+ +\w+\(.*\)) ( *)= (?:-?\d|0x|\?)", line)
    return match is None or len(match[1]) + 1 + len(match[2]) == max(_COLUMN, len(match[1]) + 1)


def first_difference(expected: Trace, got: Trace) -> str | None:
    """Return the first line that differs, with its task; None when there is none."""
    for place in sorted(expected.tasks.keys() | got.tasks.keys()):
        theirs, ours = expected.tasks.get(place, []), got.tasks.get(place, [])
        for number in range(max(len(theirs), len(ours))):
            wanted = theirs[number] if number < len(theirs) else "(nothing)"
            had = ours[number] if number < len(ours) else "(nothing)"
            if wanted != had:
                return f"task {place}, line {number + 1}\n  strace: {wanted}\n  ours:   {had}"
    return None


def _joined(raw: list[str]) -> dict[str, list[str]]:
    """Return each task's lines, in the order of their beginning, split calls put together."""
    found: dict[str, list[str]] = defaultdict(list)
    waiting: dict[str, tuple[int, str]] = {}
    superseded: dict[str, str] = {}
    for line in raw:
        match = _LINE.match(line)
        if match is None:
            continue
        pid, text = match[1], match[2]
        if unfinished := _UNFINISHED.match(text):
            waiting[pid] = (len(found[pid]), unfinished[1])
            found[pid].append(unfinished[1])
        elif resumed := _RESUMED.match(text):
            # The execve of a thread ends in its leader's name.
            owner = pid if pid in waiting else superseded.get(pid, pid)
            place, start = waiting.pop(owner)
            found[owner][place] = start + resumed[2]
        else:
            if by := _SUPERSEDED.match(text):
                superseded[pid] = by[1]
            found[pid].append(text)
    return found


def _places(lines: dict[str, list[str]]) -> dict[str, str]:
    """Return each task's place: which child of which, in the order of the calls that made them."""
    places = {next(iter(lines)): "0"} if lines else {}
    waiting = list(places)
    while waiting:
        parent = waiting.pop(0)
        children = [match[1] for line in lines.get(parent, ()) if (match := _BIRTH.match(line))]
        for number, child in enumerate(children, start=1):
            if child not in places:
                places[child] = f"{places[parent]}.{number}"
                waiting.append(child)
    return places


def _normalised(lines: list[str], places: dict[str, str]) -> list[str]:
    """Return a task's lines without what varies, and without what it read from files that do."""
    shown = []
    varying: set[str] = set()
    for line in lines:
        if (opened := _OPENED.match(line)) and opened[1] in _VARYING_FILES:
            varying.add(opened[2])
        elif closed := _CLOSED.match(line):
            varying.discard(closed[1])
        elif (data := _READ.match(line)) and data[2] in varying:
            shown.append(_normal(f"{data[1]}DATA{data[4]}", places))
            continue
        shown.append(_normal(line, places))
    return shown


def _normal(line: str, places: dict[str, str]) -> str:
    match = _RESULT.match(line)
    line = f"{match[1]} = {match[2]}" if match else line
    for _ in range(3):  # some lines have several
        line = _PIDS.sub(lambda found: f"{found[1]}<{places[found[2]]}>" if found[2] in places else found[0], line)
    line = _PID_RESULTS.sub(lambda found: f"{found[1]}{places.get(found[2], found[2])}", line)
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line
