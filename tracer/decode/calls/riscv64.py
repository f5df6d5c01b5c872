"""Calls that 64-bit RISC-V programs make otherwise, or alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.cloning import clone
from tracer.decode.signature import Signature

CALLS: Mapping[str, Signature] = MappingProxyType({"clone": clone(tls=3, child_tid=4)})
