"""Where the running kernel's facts can be read: each source is opened on first use, and once."""

from __future__ import annotations

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import GrowingFile, read
from pyinsmod.lean import TYPE_CHECKING, Mapping, cached_property

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.kcore import KernelMemory
    from pyinsmod.kernel_facts.paths import KernelPaths
    from pyinsmod.kernel_facts.vmlinux import VmlinuxFacts


class RunningSources:
    """What is read at most once of a running kernel, however many facts come from it."""

    def __init__(self, paths: KernelPaths, release: str) -> None:
        self.paths = paths
        self.release = release

    @cached_property
    def kallsyms_head(self) -> Fact[bytes]:
        """The kernel's symbols up to the end of its read-only data: /proc/kallsyms is in the order of addresses.

        What follows is a quarter of it, and each line costs the kernel time to make.
        """
        return self._list.until(b" __end_rodata\n")

    @cached_property
    def kallsyms(self) -> Fact[bytes]:
        """The kernel's symbols: /proc/kallsyms, whole."""
        return self._list.until(None)

    @cached_property
    def _list(self) -> GrowingFile:
        return GrowingFile(self.paths.kallsyms)

    @cached_property
    def read_only_lines(self) -> bytes:
        """The lines of /proc/kallsyms about read-only data."""
        from pyinsmod.kernel_facts.kallsyms import read_only_part

        return read_only_part(self.kallsyms_head.value or b"")

    @cached_property
    def addresses(self) -> Mapping[str, int]:
        """Where the kernel's tables begin and end, as far as this process may know."""
        from pyinsmod.kernel_facts.kallsyms import addresses_in

        return addresses_in(self.read_only_lines)

    @cached_property
    def memory(self) -> KernelMemory:
        """The kernel's memory. Reading it raises OSError or ValueError."""
        from pyinsmod.kernel_facts.kcore import KernelMemory

        return KernelMemory(self.paths.kcore)

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
