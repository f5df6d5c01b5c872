"""Symbols the faults need, looked up in the kernel's own modules: free ones, GPL-only ones, ones of a namespace."""

from __future__ import annotations

import re
from pathlib import Path

from pyinsmod.kernel_facts.facts import KernelFacts
from tracer.experiments import versions
from tracer.experiments.donor import Donor
from tracer.experiments.errors import FaultNotApplicable
from tracer.experiments.relocatable import Relocatable

_PLACEHOLDER = re.compile(r"\$(\w+)(=crc)?")
# Imported by many modules of each kernel, by what the export table says of them.
_CANDIDATES = {
    "free": ("kfree", "vfree", "mutex_lock", "msleep"),
    "gpl": ("class_destroy", "device_register", "platform_driver_unregister", "debugfs_create_dir", "kobject_put"),
    "namespaced": ("dma_buf_put", "dma_buf_attach", "crypto_cipher_encrypt_one", "crypto_cipher_setkey"),
}


class Symbols:
    """The symbols of one kernel that placeholders stand for."""

    def __init__(self, facts: KernelFacts, tree: Path, owned: str | None = None) -> None:
        self._exports = facts.exports.value or {}
        self._tree = tree
        self._owned = owned

    def filled_in(self, fault: str) -> str:
        """Return a fault's name with its placeholders replaced.

        Raises:
            FaultNotApplicable: the kernel has no such symbol.
        """
        return _PLACEHOLDER.sub(self._replacement, fault)

    def _replacement(self, match: re.Match[str]) -> str:
        if match[1] == "namespace":
            return self._exports[self._named("namespaced")].namespace or ""
        symbol = self._named(match[1])
        if match[2] is None:
            return symbol
        crc = self._exports[symbol].crc
        return f"{symbol}={crc:#x}" if crc is not None else symbol

    def _named(self, role: str) -> str:
        if role == "owned":
            if self._owned is None:
                raise FaultNotApplicable("the donor imports nothing from another module")
            return self._owned
        for symbol in _CANDIDATES[role]:
            export = self._exports.get(symbol)
            if export is None:
                continue
            fits = {
                "free": not export.gpl and not export.namespace,
                "gpl": bool(export.gpl) and not export.namespace,
                "namespaced": bool(export.namespace),
            }
            if fits[role]:
                return symbol
        raise FaultNotApplicable(f"the kernel itself exports no {role} symbol known here")


def owned_import(donor: Donor, facts: KernelFacts) -> str | None:
    """Return a symbol a module imports that vmlinux does not export: one of the module it depends on."""
    exported = facts.exports.value or {}
    imported = versions.imports(Relocatable.parse(donor.image))
    return next((symbol for symbol in imported if symbol not in exported), None)
