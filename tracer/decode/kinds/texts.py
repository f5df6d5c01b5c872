"""Strings that end with NUL, and lists of them."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere, show_address
from tracer.decode.quoting import STRING_LIMIT, quoted_start, quoted_text
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, count_list, pointer, text, text_list
from tracer.escapes import escaped
from tracer.ptrace.tracee import RawArguments


def show_path(value: Value) -> str:
    """Show a path, whole."""
    if isinstance(value, str):
        return quoted_text(value)
    if isinstance(value, dict) and "data" in value:
        return quoted_text(value["data"]) + "..."
    return show_address(value)


def show_string(value: Value) -> str:
    """Show a string's first bytes."""
    if isinstance(value, str):
        return quoted_start(value)
    if isinstance(value, dict) and "data" in value:
        return quoted_start(value["data"], cut=True)
    return show_address(value)


PATH = everywhere(lambda task, value, _raw: text(task, value), show_path)._replace(is_string=True)
STRING = everywhere(lambda task, value, _raw: text(task, value), show_string)._replace(is_string=True)


#: Where the kernel puts a string, before it has; not to be taken for one.
UNFILLED = everywhere(lambda _task, value, _raw: {"address": pointer(value)} if value else None, show_string)


def long_string(limit: int) -> Kind:
    """Return the kind of a string longer than a path may be."""
    return everywhere(lambda task, value, _raw: text(task, value, limit), show_string)


def _show_list(value: Value) -> str:
    if not isinstance(value, list):
        return show_address(value)
    shown = [show_string(each) for each in value[:STRING_LIMIT]]
    return f"[{', '.join([*shown, '...'] if len(value) > STRING_LIMIT else shown)}]"


def _show_count(value: Value) -> str:
    if not isinstance(value, dict) or "count" not in value:
        return show_address(value)
    count = value["count"]
    return f"{value['address']} /* {count} var{'' if count == 1 else 's'} */"


def _list_reader(arch: Architecture) -> Reader:
    word = arch.word
    return lambda task, value, _raw: text_list(task, value, word)


def _count_reader(arch: Architecture) -> Reader:
    word = arch.word
    return lambda task, value, _raw: count_list(task, value, word)


ARGV = Kind(_list_reader, _show_list)
#: Of the environment, which may hold secrets, only the size.
ENVP = Kind(_count_reader, _show_count)


def _filled(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, result) if result > 0 else b""
        return escaped(data) if len(data) == result else before

    return late


#: The path that readlink fills in: as long as its result.
FILLED_PATH = UNFILLED._replace(late=_filled, shown_late=True)


def _filled_with_nul(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        found = text(task, value)
        return found if isinstance(found, str) else before

    return late


#: The path that getcwd fills in.
FILLED_PATH_WITH_NUL = UNFILLED._replace(late=_filled_with_nul, show=show_path, shown_late=True)
