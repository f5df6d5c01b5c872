"""The kernel that runs this process, read from /proc, /sys, its memory and its own module tree.

Most of what is imported here is imported where it is used: facts that are remembered need none of it.
"""

from __future__ import annotations

from pyinsmod.elf_format import MACHINE_NAMES, text
from pyinsmod.kernel_facts.facts import Fact, KernelExport, KernelFacts, LoadedModule, TrustedKey, unknown
from pyinsmod.kernel_facts.files import names_in, read, read_line
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.kernel_facts.sources import RunningSources
from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Mapping, os

if TYPE_CHECKING:
    from pyinsmod.btf import Searchable
    from pyinsmod.btf.base import BaseBtf
    from pyinsmod.kernel_facts.remembered import Keeper, Producers

# struct module is a section of this name in every module, and as long as the structure is.
THIS_MODULE = ".gnu.linkonce.this_module"


def running_kernel(paths: KernelPaths | None = None) -> KernelFacts:
    """Return the facts of the running kernel, each read when it is asked for.

    Never raises, now or later: what cannot be read is an unknown fact.
    """
    paths = paths or KernelPaths()
    release = read_line(f"{paths.proc}/sys/kernel/osrelease").value or "unknown"
    sources = RunningSources(paths, release)
    slow = dict(_slow_facts(sources))
    keeper = _keeper(sources, slow) if os.geteuid() == 0 else None
    if keeper is not None:
        slow = dict(keeper.facts())
    in_image = slow.pop("built_in_keys")
    return KernelFacts(
        name="running",
        release=release,
        keep=None if keeper is None else keeper.write,
        machine=lambda: _machine(paths),
        loaded=lambda: loaded_modules(paths),
        sysfs_modules=lambda: names_in(paths.sys_module),
        modules_disabled=lambda: modules_disabled(paths),
        providers=lambda: _providers(f"{paths.module_tree(release)}/modules.symbols"),
        compression=lambda: kernel_compression(paths),
        sig_enforce=_policy("sig_enforce", paths),
        lockdown=_policy("lockdown", paths),
        trusted_keys=lambda: _trusted_keys(sources, in_image()),
        blacklist=_policy("blacklist", paths),
        initcall_blacklist=_policy("initcall_blacklist", paths),
        security_modules=_policy("security_modules", paths),
        **slow,
    )


def _keeper(sources: RunningSources, producers: Producers) -> Keeper:
    """Return who keeps facts for root, who alone may read them from the kernel's memory."""
    from pyinsmod.kernel_facts.export_lookup import LookedUpExports
    from pyinsmod.kernel_facts.feature_lookup import LookedUpFeatures
    from pyinsmod.kernel_facts.remembered import Keeper, Store

    revived: Mapping[str, Callable[[Any], Any]] = {
        "exports": LookedUpExports.from_plain,
        "features": lambda plain: LookedUpFeatures(sources, *plain),
        "btf": lambda plain: _kept_btf(sources.paths, plain),
    }
    # Where boot images and modules stand: nothing else can make these known.
    places = sources.paths.kernel_folders(sources.release)
    unknown_until = dict.fromkeys(("built_in_keys", "struct_module_size"), places)
    store = Store(f"{sources.paths.root}/run/pyinsmod", 0)
    return Keeper(store, sources.paths, producers, revived, unknown_until)


def _policy(name: str, paths: KernelPaths) -> Callable[[], Fact[Any]]:
    """Return what reads one of the small files of policies.py."""

    def find() -> Fact[Any]:
        from pyinsmod.kernel_facts import policies

        fact: Fact[Any] = getattr(policies, name)(paths)
        return fact

    return find


def _slow_facts(sources: RunningSources) -> Producers:
    """Return what finds out the facts that a thousand system calls or some megabytes stand behind."""
    return {
        "exports": lambda: _exports(sources),
        "vermagic": lambda: _vermagic(sources),
        "features": lambda: _features(sources),
        "config": lambda: _config(sources),
        "struct_module_size": lambda: _struct_module_size(sources),
        "built_in_keys": lambda: _built_in_keys(sources),
        "btf": lambda: _btf(sources),
    }


def _exports(sources: RunningSources) -> Fact[Mapping[str, KernelExport]]:
    from pyinsmod.kernel_facts.exported import exports_of_running

    return exports_of_running(sources)


def _vermagic(sources: RunningSources) -> Fact[str]:
    from pyinsmod.kernel_facts.vermagic import vermagic_of_running

    return vermagic_of_running(sources)


def _features(sources: RunningSources) -> Fact[Mapping[str, bool]]:
    from pyinsmod.kernel_facts.loader_features import features_of_running

    return features_of_running(sources)


def _trusted_keys(sources: RunningSources, in_image: Fact[Any]) -> Fact[tuple[TrustedKey, ...]]:
    from pyinsmod.kernel_facts.keyrings import trusted_keys_of_running

    return trusted_keys_of_running(sources, in_image)


def _built_in_keys(sources: RunningSources) -> Fact[Any]:
    from pyinsmod.kernel_facts.keyrings import built_in_keys

    return built_in_keys(sources)


def _btf(sources: RunningSources) -> Fact[BaseBtf]:
    """Return the type information of vmlinux; a kernel without CONFIG_DEBUG_INFO_BTF has none."""
    from pyinsmod.btf.base import base_of

    raw = sources.btf
    return Fact(None if raw.value is None else base_of(raw.value), raw.source)


def _kept_btf(paths: KernelPaths, plain: tuple[int, ...]) -> BaseBtf:
    """Return it by its figures; raise OSError where the file it is then read from is not there."""
    from pyinsmod.btf.base import BaseBtfInFile, Figures

    os.stat(paths.btf)
    return BaseBtfInFile(paths.btf, Figures(*plain))


def _struct_module_size(sources: RunningSources) -> Fact[int]:
    """Return sizeof(struct module): by the type information, else by a module that was built with the kernel."""
    from pyinsmod.btf import struct_size

    in_memory = sources.btf_in_memory
    raw: Searchable | None = in_memory.value or sources.btf.value
    source = sources.btf.source if in_memory.value is None else in_memory.source
    size = None if raw is None else struct_size(raw, "module")
    if size is not None:
        return Fact(size, f"struct module in {source}")
    from pyinsmod.kernel_facts.vermagic import in_tree_modules

    for path, module in in_tree_modules(sources):
        section = module.find_section(THIS_MODULE)
        if section is not None:
            return Fact(section.size, f"in-tree module {path}")
    return unknown(f"{source}; no in-tree module of {sources.release}")


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


def _config(sources: RunningSources) -> Fact[Mapping[str, str]]:
    from pyinsmod.kernel_facts.config import options_in

    for path in sources.paths.configs(sources.release):
        raw = read(path).value
        text_of_it = _unpacked(raw) if raw is not None and path.endswith(".gz") else raw
        if text_of_it is not None:
            return Fact(options_in(text_of_it), path)
    return unknown(f"no build configuration of {sources.release} is found")


def _unpacked(raw: bytes) -> bytes | None:
    import gzip
    import zlib

    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error):
        return None


def _providers(path: str) -> Fact[Mapping[str, str]]:
    """Read the aliases `symbol:NAME` that depmod(8) writes into modules.symbols."""
    raw = read(path)
    if raw.value is None:
        return unknown(raw.source)
    lines = (line.split() for line in text(raw.value).splitlines() if line.startswith("alias symbol:"))
    return Fact({words[1].removeprefix("symbol:"): words[2] for words in lines if len(words) == 3}, path)


def kernel_compression(paths: KernelPaths) -> Fact[str]:
    """Read the one format the kernel unpacks (kernel/module/decompress.c); no such file: it unpacks none."""
    path = f"{paths.sys_module}/compression"
    return Fact(read_line(path).value or "", path)
