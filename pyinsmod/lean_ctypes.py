"""What we use of `ctypes` to call the C library, at the price of a few lines; see `pyinsmod.lean`.

`ctypes` makes a hundred types and functions when it is imported, and brings `types` and `struct` along: a quarter of
what starting Python takes. What is behind it, `_ctypes`, has all that is needed here. A function called from here
gives a C int, unless it says otherwise (`restype`), and keeps the interpreter's lock.
"""

# Type checkers look at the real ones, never at what stands below `else`.
# ruff: noqa: ANN001, ANN201, ANN204

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import (
        Array,
        PyDLL,
        addressof,
        byref,
        c_char,
        c_int32,
        c_ulong,
        c_void_p,
        create_string_buffer,
        get_errno,
        sizeof,
    )

else:
    from _ctypes import (
        FUNCFLAG_CDECL,
        FUNCFLAG_PYTHONAPI,
        FUNCFLAG_USE_ERRNO,
        Array,
        CFuncPtr,
        _SimpleCData,
        addressof,
        byref,
        dlopen,
        get_errno,
        sizeof,
    )

    class c_char(_SimpleCData):  # noqa: N801 - these stand for those of ctypes
        """Stands for `ctypes.c_char`."""

        _type_ = "c"

    class c_int32(_SimpleCData):  # noqa: N801
        """Stands for `ctypes.c_int32`."""

        _type_ = "i"

    class c_ulong(_SimpleCData):  # noqa: N801
        """Stands for `ctypes.c_ulong`."""

        _type_ = "L"

    class c_void_p(_SimpleCData):  # noqa: N801
        """Stands for `ctypes.c_void_p`."""

        _type_ = "P"

    class _Function(CFuncPtr):
        """A function of the C library; without a `_restype_` its int is handed on the shortest way."""

        _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI

    class _FunctionWithErrno(CFuncPtr):
        _flags_ = FUNCFLAG_CDECL | FUNCFLAG_PYTHONAPI | FUNCFLAG_USE_ERRNO

    class PyDLL:
        """Stands for `ctypes.PyDLL(None)`: all that this process has loaded."""

        def __init__(self, name=None, *, use_errno=False):
            if name is not None:
                raise ValueError("only for what is loaded")
            self._handle = dlopen(None, 0)
            self._kind = _FunctionWithErrno if use_errno else _Function

        def __getattr__(self, name):
            function = self._kind((name, self))
            self.__dict__[name] = function
            return function

    def create_string_buffer(init, size=None):
        """Return an array of char with these bytes, or of this size, as `ctypes.create_string_buffer`."""
        if isinstance(init, int):
            return (c_char * init)()
        buffer = (c_char * (len(init) + 1 if size is None else size))()
        buffer.value = init
        return buffer


__all__ = [
    "Array",
    "PyDLL",
    "addressof",
    "byref",
    "c_char",
    "c_int32",
    "c_ulong",
    "c_void_p",
    "create_string_buffer",
    "get_errno",
    "sizeof",
]
