"""The kernel that runs this process, read from /proc, /sys, its memory and its own module tree.

Most of what is imported here is imported where it is used: facts that are remembered need none of it.
"""

from __future__ import annotations

from pyinsmod.elf_format import MACHINE_NAMES, text
from pyinsmod.kernel_facts.facts import Fact, KernelFacts, LoadedModule, TrustedKey, unknown
from pyinsmod.kernel_facts.files import names_in, read, read_line
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Mapping, cache, os

if TYPE_CHECKING:
    from pyinsmod.btf.base import BaseBtf
    from pyinsmod.kernel_facts.remembered import Keeper, Producers
    from pyinsmod.kernel_facts.sources import RunningSources

# A thousand system calls or some megabytes stand behind each: the functions of slow_facts.py that are kept for a boot.
SLOW_FACTS = ("exports", "vermagic", "features", "config", "struct_module_size", "built_in_keys", "btf")


def running_kernel(paths: KernelPaths | None = None) -> KernelFacts:
    """Return the facts of the running kernel, each read when it is asked for.

    Never raises, now or later: what cannot be read is an unknown fact.
    """
    paths = paths or KernelPaths()
    release = read_line(f"{paths.proc}/sys/kernel/osrelease").value or "unknown"
    sources = cache(lambda: _sources(paths, release))
    slow: Producers = {name: _slow_fact(name, sources) for name in SLOW_FACTS}
    keeper = _keeper(sources, paths, release, slow) if os.geteuid() == 0 else None
    if keeper is not None:
        slow = keeper.facts()
    in_image = slow["built_in_keys"]
    return KernelFacts(
        name="running",
        release=release,
        keep=None if keeper is None else keeper.write,
        machine=lambda: _machine(paths),
        loaded=lambda: loaded_modules(paths),
        sysfs_modules=lambda: names_in(paths.sys_module),
        modules_disabled=lambda: modules_disabled(paths),
        providers=_slow_fact("providers", sources),
        compression=lambda: kernel_compression(paths),
        sig_enforce=_setting("sig_enforce", paths),
        lockdown=_setting("lockdown", paths),
        trusted_keys=lambda: _trusted_keys(sources(), in_image()),
        blacklist=_setting("blacklist", paths),
        initcall_blacklist=_setting("initcall_blacklist", paths),
        security_modules=_setting("security_modules", paths),
        **{name: find for name, find in slow.items() if name != "built_in_keys"},
    )


def _sources(paths: KernelPaths, release: str) -> RunningSources:
    from pyinsmod.kernel_facts.sources import RunningSources

    return RunningSources(paths, release)


def _slow_fact(name: str, sources: Callable[[], RunningSources]) -> Callable[[], Fact[Any]]:
    """Return what finds out one of the facts of slow_facts.py."""

    def find() -> Fact[Any]:
        from pyinsmod.kernel_facts import slow_facts

        fact: Fact[Any] = getattr(slow_facts, name)(sources())
        return fact

    return find


def _keeper(sources: Callable[[], RunningSources], paths: KernelPaths, release: str, producers: Producers) -> Keeper:
    """Return who keeps facts for root, who alone may read them from the kernel's memory."""
    from pyinsmod.kernel_facts.export_lookup import LookedUpExports
    from pyinsmod.kernel_facts.feature_lookup import LookedUpFeatures
    from pyinsmod.kernel_facts.remembered import Keeper, Store

    revived: Mapping[str, Callable[[Any], Any]] = {
        "exports": LookedUpExports.from_plain,
        "features": lambda plain: LookedUpFeatures(sources, *plain),
        "btf": lambda plain: _kept_btf(paths, plain),
    }
    # Where boot images and modules stand: nothing else can make these known.
    places = paths.kernel_folders(release)
    unknown_until = {**dict.fromkeys(("built_in_keys", "struct_module_size"), places), "config": paths.configs(release)}
    store = Store(f"{paths.root}/run/pyinsmod", 0)
    return Keeper(store, paths, producers, revived, unknown_until)


def _setting(name: str, paths: KernelPaths) -> Callable[[], Fact[Any]]:
    """Return what reads one of the small files of loader_settings.py."""

    def find() -> Fact[Any]:
        from pyinsmod.kernel_facts import loader_settings

        fact: Fact[Any] = getattr(loader_settings, name)(paths)
        return fact

    return find


def _trusted_keys(sources: RunningSources, in_image: Fact[Any]) -> Fact[tuple[TrustedKey, ...]]:
    from pyinsmod.kernel_facts.keyrings import trusted_keys_of_running

    return trusted_keys_of_running(sources, in_image)


def _kept_btf(paths: KernelPaths, plain: tuple[int, ...]) -> BaseBtf:
    """Return it by its figures; raise OSError where the file it is then read from is not there."""
    from pyinsmod.btf.base import BaseBtfInFile, Figures

    os.stat(paths.btf)
    return BaseBtfInFile(paths.btf, Figures(*plain))


def loaded_modules(paths: KernelPaths) -> Fact[Mapping[str, LoadedModule]]:
    """Return /proc/modules (kernel/module/procfs.c): name size references users state address."""
    raw = read(paths.modules)
    if raw.value is None:
        return unknown(raw.source)
    lines = (line.split() for line in text(raw.value).splitlines())
    return Fact({words[0]: _loaded(words) for words in lines if len(words) >= 5}, paths.modules)


def _loaded(words: list[str]) -> LoadedModule:
    """Read one line; a `-` for references (kernel cannot unload) counts as 0, for users as none."""
    users = () if words[3] == "-" else tuple(user for user in words[3].split(",") if user)
    taints = words[6].strip("()") if len(words) > 6 else ""
    return LoadedModule(words[4], int(words[2]) if words[2].isdigit() else 0, users, taints)


def _machine(paths: KernelPaths) -> Fact[int]:
    """Return e_machine of the kernel's modules, by /proc/sys/kernel/arch (since 6.1) or uname(2)."""
    arch = read_line(f"{paths.proc}/sys/kernel/arch").value or os.uname().machine
    by_name = {name: number for number, name in MACHINE_NAMES.items()}
    if arch not in by_name:
        return unknown(f"architecture '{arch}' is not known to this program")
    return Fact(by_name[arch], f"uname -m: {arch}")


def modules_disabled(paths: KernelPaths) -> Fact[bool]:
    """Tell whether sysctl kernel.modules_disabled is set; `nomodule` on the command line sets it, too."""
    line = read_line(f"{paths.proc}/sys/kernel/modules_disabled")
    return Fact(None if line.value is None else line.value != "0", line.source)


def kernel_compression(paths: KernelPaths) -> Fact[str]:
    """Read the one format the kernel unpacks (kernel/module/decompress.c); no such file: it unpacks none."""
    path = f"{paths.sys_module}/compression"
    return Fact(read_line(path).value or "", path)
