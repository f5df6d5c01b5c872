"""Where a running kernel's facts stand. One root, so that a captured tree can be read like the live one.

Paths are text: pathlib, with what it imports, would be a sixth of what `pyinsmod hello.ko` costs.
"""

from __future__ import annotations

from pyinsmod.lean import NamedTuple


class KernelPaths(NamedTuple):
    """The files of a running system below `root`; the empty root is the system's own."""

    root: str = ""

    @property
    def proc(self) -> str:
        """/proc."""
        return f"{self.root}/proc"

    @property
    def kallsyms(self) -> str:
        """Every symbol of the kernel and its modules; names are readable by anyone, addresses are not."""
        return f"{self.proc}/kallsyms"

    @property
    def kcore(self) -> str:
        """The kernel's memory as an ELF core file; needs CAP_SYS_RAWIO."""
        return f"{self.proc}/kcore"

    @property
    def iomem(self) -> str:
        """What is where in physical memory."""
        return f"{self.proc}/iomem"

    @property
    def modules(self) -> str:
        """The loaded modules; missing when the kernel was built without loadable modules."""
        return f"{self.proc}/modules"

    @property
    def sys_module(self) -> str:
        """One directory a module, built-in ones with parameters or a version among them."""
        return f"{self.root}/sys/module"

    @property
    def btf(self) -> str:
        """The type information of vmlinux; missing without CONFIG_DEBUG_INFO_BTF."""
        return f"{self.root}/sys/kernel/btf/vmlinux"

    @property
    def security(self) -> str:
        """What security modules tell; securityfs may not be mounted."""
        return f"{self.root}/sys/kernel/security"

    @property
    def command_line(self) -> str:
        """What the kernel was started with."""
        return f"{self.proc}/cmdline"

    @property
    def kmsg(self) -> str:
        """The kernel's log, record by record."""
        return f"{self.root}/dev/kmsg"

    def module_tree(self, release: str) -> str:
        """Return the directory of the kernel's own modules."""
        return f"{self.root}/lib/modules/{release}"

    def kernel_folders(self, release: str) -> tuple[str, ...]:
        """Return the folders a release's boot image may stand in, and its modules."""
        return f"{self.root}/boot", self.module_tree(release), f"{self.root}/usr/lib/modules/{release}"

    def configs(self, release: str) -> tuple[str, ...]:
        """Return where the build options may stand, best first."""
        tree = self.module_tree(release)
        return (
            f"{self.proc}/config.gz",
            f"{self.root}/boot/config-{release}",
            f"{tree}/config",
            f"{tree}/build/.config",
        )
