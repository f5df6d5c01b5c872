"""Calls that load and remove kernel modules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.buffers import sent
from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import SIZE
from tracer.decode.kinds.symbols import flags
from tracer.decode.kinds.texts import STRING, long_string
from tracer.decode.signature import Signature, call
from tracer.decode.tables import modules as table

# The kernel takes a string of any length (strndup_user(…, ~0UL >> 1)); this is more than any module's
# parameters.
_PARAMETERS = long_string(1 << 16)

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "finit_module": call(
            ("fd", FD), ("param_values", _PARAMETERS), ("flags", flags(table.INIT_FLAGS, "MODULE_INIT_???"))
        ),
        # The image by address, length and hash.
        "init_module": call(("module_image", sent(1, with_data=False)), ("len", SIZE), ("param_values", _PARAMETERS)),
        "delete_module": call(("name", STRING), ("flags", flags(table.DELETE_FLAGS, "O_???"))),
    }
)
