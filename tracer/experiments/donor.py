"""Choose real modules of a kernel's package to make experiments from; always the same ones of the same package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from tracer.experiments import modinfo
from tracer.experiments.errors import NotRelocatable, UnsuitableDonor
from tracer.experiments.init_code import THIS_MODULE
from tracer.experiments.kernel_modules import module_files, read_module
from tracer.experiments.relocatable import Relocatable

# What the documents name, and what the experiments need to append to.
_NEEDED_SECTIONS = (
    ".text",
    ".data",
    ".bss",
    ".rela.text",
    ".modinfo",
    ".init.text",
    ".exit.text",
    THIS_MODULE,
)
# Code that patches itself, exports, or per-CPU data: each is one more way for a copy to fail.
_UNWANTED_SECTIONS = (
    ".altinstructions",
    ".smp_locks",
    ".static_call_sites",
    ".data..percpu",
    ".parainstructions",
    "__jump_table",
    "__tracepoints",
    "__ksymtab",
    "__ksymtab_gpl",
)
# Small, without hardware, parameters, aliases or imports of GPL-only symbols; in packages of all ages.
_PREFERRED = ("nls_utf8", "nls_koi8_ru", "nls_euc_jp", "hangcheck_timer", "ttyprintk")
# (needed, needing): protocol and helper code that does nothing until somebody uses it.
_PREFERRED_PAIRS = (
    ("llc", "stp"),
    ("failover", "net_failover"),
    ("psample", "act_sample"),
    ("lzo", "lzo_rle"),
)
_LARGEST_OF_A_PAIR = 64 * 1024

Role = Literal["plain", "exporting", "parametrised", "dependent"]
ROLES: tuple[Role, ...] = ("plain", "exporting", "parametrised", "dependent")
_PREFERRED_FOR: dict[Role, tuple[str, ...]] = {
    "exporting": ("tcp_vegas", "psample", "nf_defrag_ipv4", "tunnel4"),
    "parametrised": ("tcp_bic", "tcp_illinois", "tcp_htcp"),
    "dependent": ("xt_mac", "tcp_yeah", "xt_length"),
}
# What a donor of any role needs, and what is in the way whatever the role.
_NEEDED_BY_ANY = (".text", ".rela.text", ".modinfo", ".init.text", THIS_MODULE)
_UNWANTED_BY_ANY = tuple(name for name in _UNWANTED_SECTIONS if not name.startswith("__ksymtab"))


@dataclass(frozen=True)
class Donor:
    """A module of the package: its name, where it lies, its decompressed bytes."""

    name: str
    path: Path
    image: bytes


@lru_cache(maxsize=16)
def choose_donor(tree: Path) -> Donor:
    """Choose the module to make experiments from.

    It has init and exit functions, every section the documents name, non-empty, needs no other module,
    and has nothing that the kernel patches at load time beyond calls and returns.

    Raises:
        UnsuitableDonor: the package has no such module.
    """
    for donor in _candidates(tree):
        if why_unsuitable(donor.image) is None:
            return donor
    raise UnsuitableDonor(f"{tree}: no module is fit to make experiments from")


@lru_cache(maxsize=16)
def dependent_pair(tree: Path) -> tuple[Donor, Donor]:
    """Choose two unchanged modules: the first needs no other, the second needs the first and no other.

    Raises:
        UnsuitableDonor: the package has no such two.
    """
    files = module_files(tree)
    small = [name for name, path in files.items() if path.stat().st_size <= _LARGEST_OF_A_PAIR]
    for needing in [*(second for _, second in _PREFERRED_PAIRS), *small]:
        needed = _needed_by(tree, needing)
        if len(needed) == 1 and needed[0] in files and not _needed_by(tree, needed[0]):
            return _donor(tree, needed[0]), _donor(tree, needing)
    raise UnsuitableDonor(f"{tree}: no module needs exactly one other")


@lru_cache(maxsize=16)
def choose_donors(tree: Path) -> dict[Role, Donor]:
    """Choose one module for each role; no two roles get the same one.

    `plain` is the module of `choose_donor`; `exporting` exports symbols, `parametrised` has parameters,
    `dependent` needs exactly one other module.

    Raises:
        UnsuitableDonor: the package has no module for one of the roles.
    """
    chosen: dict[Role, Donor] = {"plain": choose_donor(tree)}
    for role in ROLES[1:]:
        taken = {donor.name for donor in chosen.values()}
        candidates = _candidates(tree, _PREFERRED_FOR[role])
        found = next((each for each in candidates if each.name not in taken and _fits(each.image, role)), None)
        if found is None:
            raise UnsuitableDonor(f"{tree}: no module is fit to be the {role} donor")
        chosen[role] = found
    return chosen


def needed_modules(donor: Donor) -> tuple[str, ...]:
    """Return the modules a donor names in `depends=`."""
    needs = modinfo.value_of(Relocatable.parse(donor.image), "depends") or ""
    return tuple(name.replace("-", "_") for name in needs.split(",") if name)


def _fits(image: bytes, role: Role) -> bool:
    try:
        module = Relocatable.parse(image)
    except NotRelocatable:
        return False
    sizes = {section.name: section.size for section in module.sections}
    needs = [name for name in (modinfo.value_of(module, "depends") or "").split(",") if name]
    exports = bool(sizes.get("__ksymtab") or sizes.get("__ksymtab_gpl"))
    names = {symbol.name for symbol in module.symbols()}
    return (
        all(sizes.get(name) for name in _NEEDED_BY_ANY)
        and not any(sizes.get(name) for name in _UNWANTED_BY_ANY)
        and {"init_module", "cleanup_module"} <= names
        and exports == (role == "exporting")
        and (role != "parametrised" or bool(sizes.get("__param")))
        and len(needs) == (role == "dependent")
    )


def why_unsuitable(image: bytes) -> str | None:
    """Say why a module cannot be the donor; None if it can."""
    try:
        module = Relocatable.parse(image)
    except NotRelocatable as e:
        return str(e)
    sizes = {section.name: section.size for section in module.sections}
    missing = [name for name in _NEEDED_SECTIONS if not sizes.get(name)]
    unwanted = [name for name in _UNWANTED_SECTIONS if sizes.get(name)]
    needs = modinfo.value_of(module, "depends")
    if missing:
        return f"no {', '.join(missing)}"
    if unwanted:
        return f"has {', '.join(unwanted)}"
    if needs:
        return f"needs {needs}"
    if {"init_module", "cleanup_module"} - {symbol.name for symbol in module.symbols()}:
        return "no init or no exit function"
    return None


def _candidates(tree: Path, preferred: tuple[str, ...] = _PREFERRED) -> Iterator[Donor]:
    """Yield the preferred modules, then all others, the smallest first."""
    files = module_files(tree)
    for name in dict.fromkeys([*preferred, *files]):
        if name in files:
            yield _donor(tree, name)


def _needed_by(tree: Path, name: str) -> list[str]:
    """Return what `depends=` names; for a module that is not in the package, nothing."""
    if name not in module_files(tree):
        return []
    try:
        needs = modinfo.value_of(Relocatable.parse(_donor(tree, name).image), "depends")
    except NotRelocatable:
        return []
    return [needed.replace("-", "_") for needed in (needs or "").split(",") if needed]


def _donor(tree: Path, name: str) -> Donor:
    path = module_files(tree)[name]
    return Donor(name, path, read_module(path))
