"""Following the entries of `patch_tables` through a module's relocated memory, as their readers in the kernel do."""

from __future__ import annotations

import struct

from pyinsmod.checks import patch_tables as tables
from pyinsmod.checks.loader_memory import LoaderMemory, near
from pyinsmod.checks.memory_layout import LONG
from pyinsmod.checks.patch_tests import Tests, Trouble
from pyinsmod.checks.traced_functions import trouble_at
from pyinsmod.elf_format import Section
from pyinsmod.lean import Callable, Iterator, Mapping


class Walk:
    """One module's tables in its memory."""

    def __init__(self, memory: LoaderMemory, tests: Tests) -> None:
        self.memory = memory
        self.tests = tests

    def troubles(self, sections: Mapping[str, Section], kinds: Mapping[str, tables.Table]) -> Iterator[Trouble]:
        """Yield the first entry of each table that leads wrong."""
        for name, section in sections.items():
            table, reader = kinds[name], _READERS[name]
            start = self.memory.address(section.number)
            # A table found by its name is walked to its end, be it in the midst of an entry; others are counted.
            count = -(-section.size // table.entry) if table.found != "allocated" else section.size // table.entry
            for number in range(count):
                at = start + number * table.entry
                entry = self.memory.read(at, table.entry)
                trouble = Trouble("lies outside of the module") if entry is None else reader(self, at, entry)
                if trouble:
                    yield trouble._replace(what=f"entry {number} of {name} {trouble.what}")
                    break

    def _away(self, where: int, what: str, size: int = 1) -> Trouble | None:
        """Return the trouble of reading at an address, None if the kernel can."""
        return None if self.memory.mapped(where, size) else Trouble(what, unsettled=self.memory.unsettled(where))

    def _code(self, where: int, size: int = 5) -> bytes:
        return self.memory.read(where, size) or b""

    def traced(self, _at: int, entry: bytes) -> Trouble | None:
        """`ftrace_process_locs` of arm64."""
        return trouble_at(self.memory, self.tests, struct.unpack("<Q", entry)[0])

    def site(self, at: int, entry: bytes) -> Trouble | None:
        """`apply_returns`, `apply_retpolines`: the instruction there is decoded."""
        where = near(at, struct.unpack("<i", entry)[0])
        return self._away(where, "leads to an instruction outside of the module")

    def alternative(self, at: int, entry: bytes) -> Trouble | None:
        """`apply_alternatives`."""
        old, new = struct.unpack_from("<ii", entry)
        length, new_length = entry[-2:]
        away = self._away(near(at + 4, new), "takes instructions from outside of the module", new_length)
        if new_length and away:
            return away
        trouble = self.tests.alternative(entry, self._code(near(at, old), length))
        return trouble or self.tests.replacement(entry, self._code(near(at + 4, new), new_length))

    def paravirt(self, _at: int, entry: bytes) -> Trouble | None:
        """`apply_paravirt`."""
        return self.tests.paravirt(entry, self._code(struct.unpack_from("<Q", entry)[0], entry[9] or 1))

    def jump_label(self, at: int, entry: bytes) -> Trouble | None:
        """`jump_label_add_module`: the entry is put into the list of its key."""
        code, _target, key = struct.unpack("<iiq", entry)
        if not self.memory.writable((at + 8 + key) & LONG & ~3):
            return Trouble("has a key that cannot be written to")
        return self.tests.jump_label(entry, self._code(near(at, code)))

    def static_call(self, at: int, entry: bytes) -> Trouble | None:
        """`__static_call_init`."""
        code, key = struct.unpack("<ii", entry)
        if not self.memory.writable(near(at + 4, key) & ~3):
            return Trouble("has a key that cannot be written to")
        return self.tests.static_call(self._code(near(at, code)), tail=bool(near(at + 4, key) & 1))

    def export(self, at: int, entry: bytes) -> Trouble | None:
        """`verify_exported_symbols`: the name is looked up."""
        name = near(at + 4, struct.unpack_from("<i", entry, 4)[0])
        return self._away(name, "has its name outside of the module")

    def parameter(self, _at: int, entry: bytes) -> Trouble | None:
        """`module_param_sysfs_setup`: those with permissions get a file of their name."""
        name, permissions = struct.unpack_from("<Q", entry)[0], struct.unpack_from("<H", entry, 24)[0]
        return self._away(name, "has its name outside of the module") if permissions else None

    def object(self, _at: int, entry: bytes) -> Trouble | None:
        """Pointers to what a notifier registers and changes: trace events, SRCU structures."""
        return (
            None if self.memory.writable(struct.unpack("<Q", entry)[0]) else Trouble("leads to what cannot be written")
        )

    def pointer(self, _at: int, entry: bytes) -> Trouble | None:
        """Pointers to what is read: formats of trace_printk()."""
        return self._away(struct.unpack("<Q", entry)[0], "leads out of the module", 8)


_READERS: dict[str, Callable[[Walk, int, bytes], Trouble | None]] = {
    ".return_sites": Walk.site,
    ".retpoline_sites": Walk.site,
    ".parainstructions": Walk.paravirt,
    tables.TRACED: Walk.traced,
    tables.ALTERNATIVES: Walk.alternative,
    "__jump_table": Walk.jump_label,
    ".static_call_sites": Walk.static_call,
    "__ksymtab": Walk.export,
    "__ksymtab_gpl": Walk.export,
    tables.PARAMETERS: Walk.parameter,
    "_ftrace_events": Walk.object,
    "___srcu_struct_ptrs": Walk.object,
    "__trace_printk_fmt": Walk.pointer,
}
