"""Where a running kernel's facts stand. One root, so that a captured tree can be read like the live one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class KernelPaths:
    """The files of a running system below `root`."""

    root: Path = Path("/")

    @property
    def proc(self) -> Path:
        """/proc."""
        return self.root / "proc"

    @property
    def kallsyms(self) -> Path:
        """Every symbol of the kernel and its modules; names are readable by anyone, addresses are not."""
        return self.proc / "kallsyms"

    @property
    def kcore(self) -> Path:
        """The kernel's memory as an ELF core file; needs CAP_SYS_RAWIO."""
        return self.proc / "kcore"

    @property
    def modules(self) -> Path:
        """The loaded modules; missing when the kernel was built without loadable modules."""
        return self.proc / "modules"

    @property
    def sys_module(self) -> Path:
        """One directory a module, built-in ones with parameters or a version among them."""
        return self.root / "sys/module"

    @property
    def kmsg(self) -> Path:
        """The kernel's log, record by record."""
        return self.root / "dev/kmsg"

    def module_tree(self, release: str) -> Path:
        """Return the directory of the kernel's own modules."""
        return self.root / "lib/modules" / release

    def configs(self, release: str) -> tuple[Path, ...]:
        """Return where the build options may stand, best first."""
        tree = self.module_tree(release)
        return (
            self.proc / "config.gz",
            self.root / f"boot/config-{release}",
            tree / "config",
            tree / "build/.config",
        )
