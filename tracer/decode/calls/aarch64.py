"""Calls that 64-bit ARM programs make otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.cloning import clone
from tracer.decode.kinds.fcntl import fcntl
from tracer.decode.signature import Signature

CALLS: Mapping[str, Signature] = MappingProxyType({"clone": clone(tls=3, child_tid=4), "fcntl": fcntl("aarch64")})
