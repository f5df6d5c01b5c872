"""What we use of `typing`, `functools`, `contextlib`, `collections.abc`, `os` and others, at the price of a few lines.

`pyinsmod hello.ko` and `pyinsmod check hello.ko` are to cost little more than starting Python. `typing`, with `re`,
`enum`, `collections` and `functools` behind it, costs as much again as starting Python does, and `os` with the abstract
classes behind it an eighth of that where nobody has imported it. A type checker reads the real ones; the running
program gets what it needs of them, `os` without its paths and its environment, which are Python.
"""

# Type checkers look at the real ones, never at what stands below `else`.
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, ANN206

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    import os
    import signal as signals
    import stat
    import struct
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from contextlib import contextmanager, nullcontext, suppress
    from functools import cache, cached_property
    from types import MappingProxyType
    from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, cast

else:
    import _signal as signals  # the numbers and functions, without an enum of them
    import _stat as stat
    import _struct as struct
    import posix as os
    from _collections import _tuplegetter

    Any = TypeAlias = object
    MappingProxyType = type(object.__dict__)

    def TypeVar(name):  # noqa: N802 - it stands for typing.TypeVar
        """Return something that can stand where a type variable stands."""
        return name

    def cast(_kind, value):
        """Return the value."""
        return value

    class Generic:
        """A class that takes arguments in brackets and forgets them."""

        __slots__ = ()

        def __class_getitem__(cls, _arguments):
            return cls

    Callable = Container = Iterable = Iterator = Sequence = Generic

    class Mapping(Generic):
        """The methods of a mapping by `__getitem__` and `__iter__`, as `collections.abc.Mapping` has them."""

        __slots__ = ()
        __hash__ = None

        def get(self, key, default=None):
            """Return the value, or the default where there is none."""
            try:
                return self[key]
            except KeyError:
                return default

        def __contains__(self, key):
            try:
                self[key]
            except KeyError:
                return False
            return True

        def keys(self):
            """Return the keys."""
            return dict.fromkeys(self).keys()

        def values(self):
            """Return the values."""
            return {key: self[key] for key in self}.values()

        def items(self):
            """Return pairs of key and value."""
            return {key: self[key] for key in self}.items()

        def __eq__(self, other):
            return dict(self) == dict(other) if hasattr(other, "keys") else NotImplemented

    class Literal(Generic):
        """Stands for `typing.Literal`."""

    class Protocol:
        """Stands for `typing.Protocol`."""

        __slots__ = ()

    class NamedTuple(tuple):
        """A tuple whose fields have names: annotations, defaults and methods as in `typing.NamedTuple`."""

        __slots__ = ()
        _fields = ()
        _field_defaults = {}  # noqa: RUF012 - each class has its own, and nobody writes to it

        def __init_subclass__(cls):
            own = cls.__dict__
            if "__annotations__" not in own:
                return
            cls._fields = cls.__match_args__ = tuple(own["__annotations__"])
            cls._field_defaults = {name: own[name] for name in cls._fields if name in own}
            for index, name in enumerate(cls._fields):
                setattr(cls, name, _tuplegetter(index, None))

        def __new__(cls, *values, **named):
            """Make one of values in the fields' order, of named values, or of both."""
            if named or len(values) != len(cls._fields):
                values = cls._completed(values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _completed(cls, values, named):
            if not named and (rest := cls._fields[len(values) :]) and cls._field_defaults.keys() >= set(rest):
                return (*values, *[cls._field_defaults[name] for name in rest])
            given = dict(zip(cls._fields, values, strict=False))
            if len(values) > len(cls._fields) or not given.keys().isdisjoint(named):
                raise TypeError(f"{cls.__name__}() got too many values")
            given = {**cls._field_defaults, **given, **named}
            if len(given) != len(cls._fields) or not given.keys() <= set(cls._fields):
                raise TypeError(f"{cls.__name__}() takes {cls._fields}, not {tuple(given)}")
            return [given[name] for name in cls._fields]

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **named):
            return type(self)(**{**self._asdict(), **named})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self):
            return tuple(self)

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

    class cached_property:  # noqa: N801 - it stands for functools.cached_property
        """An attribute that is computed on first use, and then stands in the object itself."""

        def __init__(self, compute):
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, _owner, name):
            self._name = name

        def __get__(self, instance, _owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self._name] = self._compute(instance)
            return value

    class _Managed:
        """What `contextmanager` makes of a generator that yields once."""

        def __init__(self, generator):
            self._generator = generator

        def __enter__(self):
            return next(self._generator)

        def __exit__(self, _kind, error, _traceback):
            if error is None:
                next(self._generator, None)
                return False
            try:
                self._generator.throw(error)
            except StopIteration:
                return True
            except BaseException as raised:
                if raised is error or (isinstance(error, StopIteration) and raised.__cause__ is error):
                    return False
                raise
            raise RuntimeError("the generator did not stop")

    def contextmanager(function):
        """Return a function whose generator is a context, as `contextlib.contextmanager`."""
        return lambda *values, **named: _Managed(function(*values, **named))

    class nullcontext:  # noqa: N801 - it stands for contextlib.nullcontext
        """A context in which nothing is different."""

        def __enter__(self):
            return None

        def __exit__(self, *_raised):
            return None

    class suppress:  # noqa: N801 - it stands for contextlib.suppress
        """A context in which some exceptions end the block, and nothing else."""

        def __init__(self, *kinds):
            self._kinds = kinds

        def __enter__(self):
            return None

        def __exit__(self, kind, _error, _traceback):
            return kind is not None and issubclass(kind, self._kinds)

    def cache(compute):
        """Return a function without arguments that computes once."""
        found = []

        def computed():
            if not found:
                found.append(compute())
            return found[0]

        return computed


T = TypeVar("T")

__all__ = [
    "TYPE_CHECKING",
    "Any",
    "Callable",
    "Container",
    "Generic",
    "Iterable",
    "Iterator",
    "Literal",
    "Mapping",
    "MappingProxyType",
    "NamedTuple",
    "Protocol",
    "Sequence",
    "T",
    "TypeAlias",
    "TypeVar",
    "cache",
    "cached_property",
    "cast",
    "contextmanager",
    "nullcontext",
    "os",
    "signals",
    "stat",
    "struct",
    "suppress",
]
