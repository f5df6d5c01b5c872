"""Limits, capabilities, sets of CPUs, and what else a process is told of itself and its system."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import of_number, show_address
from tracer.decode.kinds.numbers import ADDRESS, hexadecimal
from tracer.decode.kinds.structures import pointed_in, pointed_out, structure
from tracer.decode.kinds.symbols import enum, shown_flags
from tracer.decode.quoting import STRING_LIMIT, quoted_text
from tracer.decode.signature import Kind, LateReader, Reader, Returns, Value
from tracer.decode.tables import process_flags
from tracer.decode.tables import process_numbers as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, buffer, unreadable
from tracer.decode.values import flags as split_flags
from tracer.escapes import escaped, unescaped
from tracer.ptrace.tracee import RawArguments


def _limit(infinity: int, symbol: str) -> Kind:
    return of_number(lambda value: symbol if value == infinity else value, _show_limit)


def _show_limit(value: Value) -> str:
    if isinstance(value, int) and value > 1024 and value % 1024 == 0:
        return f"{value // 1024}*1024"
    return str(value)


_LIMIT64 = _limit((1 << 64) - 1, "RLIM64_INFINITY")
_LIMIT32 = _limit((1 << 32) - 1, "RLIM_INFINITY")
_RLIMIT64 = structure(("rlim_cur", "Q", _LIMIT64), ("rlim_max", "Q", _LIMIT64))
_RLIMIT32 = structure(("rlim_cur", "I", _LIMIT32), ("rlim_max", "I", _LIMIT32))
LIMIT_IN = pointed_in(_RLIMIT64)
LIMIT_OUT = pointed_out(_RLIMIT64)
LIMIT32_IN = pointed_in(_RLIMIT32)
LIMIT32_OUT = pointed_out(_RLIMIT32)
RESOURCE = enum(table.RESOURCES, "RLIMIT_???")


def _set_of_cpus(data: bytes) -> list[int]:
    mask = int.from_bytes(data, "little")
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _show_cpus(value: Value) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else show_address(value)


def _given_cpus(_arch: Architecture) -> Reader:
    def read(task: Task, value: int, raw: RawArguments) -> Value:
        size = min(raw[1] & 0xFFFFFFFF, 1 << 13)
        data = task.read(value, size) if value else b""
        return _set_of_cpus(data) if value and len(data) == size else unreadable(value)

    return read


def _told_cpus(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, result) if value else b""
        return _set_of_cpus(data) if value and len(data) == result else before

    return late


#: cpu_set_t *: the second register has its size, the result how much of it was filled in.
CPUS_IN = Kind(_given_cpus, _show_cpus)
CPUS_OUT = ADDRESS._replace(late=_told_cpus, show=_show_cpus, shown_late=True)


def _name(data: bytes) -> str:
    return escaped(data.split(b"\0", 1)[0])


_FIELDS = ("sysname", "nodename", "release", "version", "machine", "domainname")
_UTSNAME = structure(*((field, "65s", None, _name) for field in _FIELDS))


def _show_utsname(value: Value) -> str:
    if not isinstance(value, dict) or "sysname" not in value:
        return show_address(value)
    return f"{{sysname={quoted_text(value['sysname'])}, nodename={quoted_text(value['nodename'])}, ...}}"


UTSNAME = pointed_out(_UTSNAME._replace(show=_show_utsname))


def _random_bytes(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, _before: Value) -> Value:
        return buffer(task, value, result)

    return late


def _show_random(value: Value) -> str:
    if not isinstance(value, dict) or "data" not in value:
        return show_address(value)
    data = unescaped(value["data"])
    shown = "".join(f"\\x{byte:02x}" for byte in data[:STRING_LIMIT])
    return f'"{shown}"{"..." if len(data) > STRING_LIMIT or "truncated" in value else ""}'


RANDOM_BYTES = ADDRESS._replace(late=_random_bytes, show=_show_random, shown_late=True)

_LOADS = [(f"load_{minutes}", "L") for minutes in (1, 5, 15)]
_MEMORY = ("totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap")
_SYSINFO = structure(
    ("uptime", "l"),
    *_LOADS,
    *((name, "L") for name in _MEMORY),
    ("procs", "H"),
    ("pad", "H"),
    ("totalhigh", "L"),
    ("freehigh", "L"),
    ("mem_unit", "I"),
)


def _show_sysinfo(value: Value) -> str:
    if not isinstance(value, dict) or "uptime" not in value:
        return show_address(value)
    loads = ", ".join(str(value[name]) for name, _ in _LOADS)
    names = (*_MEMORY, "procs", "totalhigh", "freehigh", "mem_unit")
    rest = ", ".join(f"{name}={value[name]}" for name in names)
    return f"{{uptime={value['uptime']}, loads=[{loads}], {rest}}}"


SYSINFO = pointed_out(_SYSINFO._replace(show=_show_sysinfo))

_VERSION_1 = "_LINUX_CAPABILITY_VERSION_1"
_HEADER = structure(("version", "I", enum(table.CAPABILITY_VERSIONS, "_LINUX_CAPABILITY_VERSION_???")), ("pid", "i"))
CAPABILITY_HEADER = pointed_in(_HEADER)
_SETS = ("effective", "permitted", "inheritable")
_CAPABILITY_BITS = tuple((1 << number, symbol) for number, symbol in table.CAPABILITIES.items())


def _capabilities(task: Task, address: int, header: int) -> Value:
    """Return the three sets at an address; the header's version tells whether they have 32 bits or 64."""
    version = int.from_bytes(task.read(header, 4), "little") if header else 0
    words = 3 if table.CAPABILITY_VERSIONS.get(version) in {None, _VERSION_1} else 6
    data = task.read(address, 4 * words) if address and header else b""
    if len(data) < 4 * words:
        return unreadable(address)
    numbers = [int.from_bytes(data[start : start + 4], "little") for start in range(0, len(data), 4)]
    upper = numbers[3:] or [0, 0, 0]
    return {
        name: split_flags(low | high << 32, _CAPABILITY_BITS)
        for name, low, high in zip(_SETS, numbers[:3], upper, strict=True)
    }


def _show_bits(value: Value) -> str:
    return "|".join(f"1<<{symbol}" if symbol.startswith("CAP_") else symbol for symbol in value) or "0"


def _show_capabilities(value: Value) -> str:
    if not isinstance(value, dict) or "effective" not in value:
        return show_address(value)
    return "{" + ", ".join(f"{name}={_show_bits(value[name])}" for name in _SETS) + "}"


def _told_capabilities(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
        return _capabilities(task, value, raw[0]) if value else before

    return late


def _given_capabilities(_arch: Architecture) -> Reader:
    return lambda task, value, raw: _capabilities(task, value, raw[0])


CAPABILITIES_OUT = ADDRESS._replace(late=_told_capabilities, show=_show_capabilities, shown_late=True)
CAPABILITIES_IN = Kind(_given_capabilities, _show_capabilities)

_PERSONALITY_MASK, _ASKING = 0xFF, 0xFFFFFFFF


def _personality(value: int) -> list[str]:
    value &= 0xFFFFFFFF
    if value == _ASKING:
        return [hexadecimal(value)]
    kind = value & _PERSONALITY_MASK
    first = table.PERSONALITIES.get(kind) or f"{hexadecimal(kind)} /* PER_??? */"
    return [first, *split_flags(value & ~_PERSONALITY_MASK, process_flags.PERSONALITY_FLAGS)]


def _show_personality_result(value: int, _arguments: Mapping[str, Value]) -> str:
    return f"{hexadecimal(value)} ({'|'.join(_personality(value))})"


PERSONALITY = of_number(_personality, shown_flags(None))
PERSONALITY_RESULT = Returns(_show_personality_result)
