"""Where the running kernel's facts can be read: each source is opened on first use, and once."""

from __future__ import annotations

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import read
from pyinsmod.lean import TYPE_CHECKING, Mapping, Sequence, cached_property, os

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.kcore import KernelMemory, MemoryWindow
    from pyinsmod.kernel_facts.list_file import ListFile
    from pyinsmod.kernel_facts.paths import KernelPaths
    from pyinsmod.kernel_facts.symbol_table import SymbolTable
    from pyinsmod.kernel_facts.vmlinux import VmlinuxFacts

# No kernel's is bigger (those of the distributions have 5 MB); an address that leads further is a wrong one.
LARGEST_BTF = 64 << 20


class RunningSources:
    """What is read at most once of a running kernel, however many facts come from it."""

    def __init__(self, paths: KernelPaths, release: str) -> None:
        self.paths = paths
        self.release = release

    @cached_property
    def kallsyms(self) -> Fact[bytes]:
        """The kernel's symbols: /proc/kallsyms, whole."""
        return read(self.paths.kallsyms)

    @cached_property
    def read_only_lines(self) -> Sequence[bytes]:
        """The lines of /proc/kallsyms about read-only data, in pieces; all where these cannot be told.

        The list is in the order of addresses, and each line costs the kernel time to make: it is read as far as they
        go. From others than root addresses are hidden: they want the names, and thus the whole list, sooner or later.
        """
        from pyinsmod.kernel_facts.kallsyms import FIRST, LAST, read_only_part

        first, last = f" {FIRST}\n".encode(), f" {LAST}\n".encode()
        part = self._list.part(first, last).value if os.geteuid() == 0 else None
        return part or (read_only_part(self.kallsyms.value or b""),)

    @cached_property
    def module_lines(self) -> bytes:
        """The end of /proc/kallsyms, where the symbols of loaded modules stand, and perhaps what is before them."""
        if self.symbol_table is None:
            return self._list.rest().value or b""
        from pyinsmod.kernel_facts.list_file import ListFile

        no_line = b"\n\n"  # to the end
        return b"".join(ListFile(self.paths.kallsyms).part(b"\t[", no_line).value or ())

    @cached_property
    def symbol_table(self) -> SymbolTable | None:
        """The kernel's own table of symbols; None where memory is closed, or it is not found there."""
        from pyinsmod.kernel_facts.symbol_table import SymbolTable, read_only_data

        try:
            return SymbolTable(read_only_data(read(self.paths.iomem).value or b"", self.memory))
        except (OSError, ValueError):
            return None

    @cached_property
    def _list(self) -> ListFile:
        from pyinsmod.kernel_facts.list_file import ListFile

        return ListFile(self.paths.kallsyms)

    @cached_property
    def addresses(self) -> Mapping[str, int]:
        """Where the kernel's tables begin and end, as far as this process may know."""
        from pyinsmod.kernel_facts.kallsyms import BETWEEN, FIRST, LAST, addresses_in

        if self.symbol_table is None:
            return addresses_in(self.read_only_lines)
        try:
            return self.symbol_table.addresses_of((FIRST, *BETWEEN, LAST))
        except (OSError, ValueError):
            return {}

    def has_entry(self, name: bytes, address: int) -> bool:
        """Tell whether the export entry of a symbol of vmlinux stands at an address; raises as `memory` does."""
        from pyinsmod.kernel_facts.kallsyms import ENTRY, entry_address

        if self.symbol_table is None:
            return entry_address(self.read_only_lines, name) == address
        return ENTRY.encode() + name in self.symbol_table.names_at(address)

    @cached_property
    def memory(self) -> KernelMemory:
        """The kernel's memory. Reading it raises OSError or ValueError."""
        from pyinsmod.kernel_facts.kcore import KernelMemory

        return KernelMemory(self.paths.kcore)

    @cached_property
    def btf_in_memory(self) -> Fact[MemoryWindow]:
        """The kernel's type information in its memory, which is sooner read than /sys/kernel/btf/vmlinux."""
        start, stop = (self.addresses.get(name, 0) for name in ("__start_BTF", "__stop_BTF"))
        if not 0 < start < stop <= start + LARGEST_BTF:
            return unknown("/proc/kallsyms shows no address of type information")
        window = self.memory.window(start, stop - start)
        try:
            if len(window[:1]) + len(window[-1:]) == 2:  # all of it can be read
                return Fact(window, "the running kernel's memory (/proc/kcore)")
        except (OSError, ValueError) as error:
            return unknown(f"{self.paths.kcore}: {error}")
        return unknown(f"{self.paths.kcore}: type information ends before its end")

    @cached_property
    def btf(self) -> Fact[bytes]:
        """The kernel's type information, whole."""
        return read(self.paths.btf)

    @cached_property
    def image(self) -> Fact[VmlinuxFacts]:
        """What the boot image says, once it is proven to be the running kernel's: unpacking takes a second."""
        from pyinsmod.kernel_facts.kernel_files import installed_kernel

        files = installed_kernel(self.release, self.paths.root)
        if files is None or not files.image:
            return unknown(f"no boot image of {self.release} is found")
        version = read(f"{self.paths.proc}/version")
        return _image_facts(files.image, version.value) if version.value else unknown(version.source)


def _image_facts(path: str, version: bytes) -> Fact[VmlinuxFacts]:
    """Read a boot image. It is the running kernel when the banner in it is /proc/version, to the last letter.

    `linux_banner` and `linux_proc_banner` (init/version.c) are made of the same words: release, who built it
    with which compiler, number and time of the build.
    """
    packed = read(path)
    if packed.value is None:
        return unknown(packed.source)
    from pyinsmod.kernel_facts.boot_image import vmlinux_in
    from pyinsmod.kernel_facts.vmlinux import facts_in_vmlinux

    try:
        vmlinux = vmlinux_in(packed.value)
        if version not in vmlinux:
            return unknown(f"{path}: not the running kernel, another banner stands in it")
        return Fact(facts_in_vmlinux(vmlinux), path)
    except UsageError as error:
        return unknown(f"{path}: {error}")
