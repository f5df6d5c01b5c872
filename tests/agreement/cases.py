"""All cases for one kernel, the same from run to run: faults, pairs, mutations, the distribution's own modules."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.module_image import read_image
from tests.agreement import fault_table, mutations
from tests.agreement.case import Case
from tests.agreement.fault_table import Row
from tests.agreement.symbols import Symbols, owned_import
from tracer.experiments import modinfo, signing
from tracer.experiments.donor import ROLES, Donor, Role, choose_donors, needed_modules
from tracer.experiments.errors import ExperimentError, FaultNotApplicable
from tracer.experiments.init_code import Exit, Init
from tracer.experiments.kernel_modules import module_files, read_module
from tracer.experiments.module_spec import Compression, ModuleSpec, build
from tracer.experiments.relocatable import Relocatable
from tracer.experiments.signing import MARKER
from vm.cache import cache_root
from vm.kernel_store import Kernel, fetch

SEED = 3
MUTATIONS = 1000
MODULES = 200
# Some modules depend on one that finds no hardware and goes: their place is taken by these.
SPARE_MODULES = 40
# Every how many-th mutation is of a distribution module with its signature.
SIGNED_EVERY = 10
_INITS = (Init(returns=-19), Init(returns=-5000), Init(returns=1), Init(returns=-17), Init(log=None))


@dataclass(frozen=True)
class Bench:
    """One kernel with all that its cases are made from.

    Attributes:
        seed: what the random ones are made from.
        absent: faults that modules of this kernel cannot have, as far as they were tried: class, faults, reason.
    """

    kernel: Kernel
    known: OtherKernel
    seed: int = SEED
    absent: set[tuple[str, tuple[str, ...], str]] = field(default_factory=set, compare=False)

    @classmethod
    def of(cls, name: str, seed: int = SEED) -> Bench:
        """Return the bench of a kernel of the store."""
        return cls(fetch(name), kernel_named(name), seed)

    @cached_property
    def donors(self) -> dict[Role, Donor]:
        """The modules that faults are put into."""
        return choose_donors(self.kernel.root)

    @cached_property
    def symbols(self) -> Symbols:
        """What the placeholders of the fault table stand for."""
        owned = owned_import(self.donors["dependent"], self.known.facts)
        return Symbols(self.known.facts, self.kernel.root, owned)

    def dependencies(self, module: str) -> tuple[str, ...]:
        """Return what has to be loaded before a module of the kernel's tree."""
        return () if self.known.tree is None else self.known.tree.dependencies(module)

    def built(self, role: Role, faults: Sequence[str], spec: ModuleSpec | None = None) -> bytes:
        """Make a module with these faults.

        Raises:
            FaultNotApplicable: this kernel's modules cannot have one of them.
        """
        filled = tuple(self.symbols.filled_in(fault) for fault in faults)
        quiet = spec or ModuleSpec(init=Init(log=None), exit=Exit(log=None))
        whole = ModuleSpec(quiet.name, quiet.init, quiet.exit, filled, quiet.compression)
        return build(whole, self.kernel.root, self.donors[role])

    def first_for(self, role: Role) -> tuple[str, ...]:
        """Return what a module made from that donor needs loaded."""
        return self.dependencies(self.donors[role].name) if needed_modules(self.donors[role]) else ()


def cases(bench: Bench) -> Iterator[Case]:
    """Yield every case of a kernel, by class."""
    seen = set()
    for case in (*fault_cases(bench), *pair_cases(bench), *mutation_cases(bench), *module_cases(bench)):
        if case.name not in seen:
            seen.add(case.name)
            yield case


# --- single faults


def fault_cases(bench: Bench) -> Iterator[Case]:
    """Yield modules with one fault each, and sound ones loaded in a way that is one."""
    tables: tuple[tuple[Role, tuple[Row, ...]], ...] = (
        ("plain", fault_table.PLAIN),
        ("exporting", fault_table.EXPORTING),
        ("parametrised", fault_table.PARAMETRISED),
        ("dependent", fault_table.DEPENDENT),
    )
    for role, rows in tables:
        for row in rows:
            yield from _fault_case(bench, role, row, bench.first_for(role))
    for row in fault_table.UNMET:
        yield from _fault_case(bench, "dependent", row, (), "alone ")
    yield from _parameter_cases(bench, "parametrised", fault_table.PARAMETERS)
    yield from _parameter_cases(bench, "plain", fault_table.PLAIN_PARAMETERS)
    yield from _init_cases(bench)
    yield from _signed_cases(bench)
    yield from _compressed_cases(bench)


def _fault_case(bench: Bench, role: Role, row: Row, first: tuple[str, ...], note: str = "") -> Iterator[Case]:
    faults = (row,) if isinstance(row, str) else row
    try:
        content = bench.built(role, faults)
    except FaultNotApplicable as why:
        bench.absent.add(("fault", (role, note, *faults), str(why)))
        return
    yield Case(f"fault/{role}/{note}{' + '.join(faults) or 'sound'}", content, first=first)


def _parameter_cases(bench: Bench, role: Role, texts: Sequence[str]) -> Iterator[Case]:
    sound = bench.built(role, ())
    for text in texts:
        yield Case(f"fault/{role}/parameters {text}", sound, with_parameter(bench.donors[role], text))


def _init_cases(bench: Bench) -> Iterator[Case]:
    """Init functions that fail: the kernel's loader has nothing against them."""
    for init in _INITS:
        content = bench.built("plain", (), ModuleSpec(init=init, exit=Exit(log=None)))
        yield Case(f"fault/plain/init returns {init.returns}{'' if init.log else ', silent'}", content)


def _signed_cases(bench: Bench) -> Iterator[Case]:
    """Yield a distribution module with its signature, and what can be wrong with that."""
    for role in ("plain", "exporting"):
        whole = bench.donors[role].image
        if not whole.endswith(MARKER):
            continue
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        in_signature = whole[:-60] + bytes([whole[-60] ^ 1]) + whole[-59:]
        variants = {
            "signed": whole,
            "signed, a byte of it changed": flipped,
            "signed, a byte of the signature changed": in_signature,
            "signed, a byte appended": whole + b"\n",
            "signed, its marker cut off": whole[: -len(MARKER)],
            "signed, its last byte cut off": whole[:-1],
            "signed twice": whole + whole[_end_of_elf(whole) :],
        }
        for note, content in variants.items():
            yield Case(f"fault/{role}/{note}", content)
    yield from _foreign_signatures(bench)


def _foreign_signatures(bench: Bench) -> Iterator[Case]:
    """Yield modules signed with a key of our own, which no kernel trusts. RSA gives the same bytes each time."""
    sound, key = bench.built("plain", ()), _foreign_key()
    for digest in ("sha1", "sha256", "sha512"):
        signed = signing.sign(sound, key, digest)
        yield Case(f"fault/plain/signed by a stranger, {digest}", signed)
    yield Case("fault/plain/signed by a stranger, a byte changed", signed[:-2000] + b"\x01" + signed[-1999:])


def _foreign_key() -> signing.SigningKey:
    """Return the stranger's key, kept beside the answers, so that they hold for the next run as well."""
    paths = [cache_root() / "agreement" / f"stranger.{part}" for part in ("key", "certificate")]
    if not all(path.exists() for path in paths):
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, signing.new_key("stranger"), strict=True):
            path.write_bytes(content)
    return signing.SigningKey(*(path.read_bytes() for path in paths))


def _end_of_elf(image: bytes) -> int:
    """Return where the ELF file ends and its signature begins."""
    info = image[: -len(MARKER)][-12:]
    return len(image) - len(MARKER) - 12 - int.from_bytes(info[8:], "big")


def _compressed_cases(bench: Bench) -> Iterator[Case]:
    """Yield compressed files: unpacked by us, or given to the kernel as they are."""
    kinds: tuple[Compression, ...] = ("xz", "gz")
    for kind in kinds:
        spec = ModuleSpec(init=Init(log=None), exit=Exit(log=None), compression=kind)
        content = bench.built("plain", (), spec)
        yield Case(f"fault/plain/{kind}-compressed", content)
        yield Case(f"fault/plain/{kind}-compressed, for the kernel to unpack", content, syscall="finit_module")


def with_parameter(donor: Donor, text: str) -> str:
    """Return parameters with `{int}` replaced by the name of the donor's first parameter of that type."""
    types = [
        value.partition(":") for key, value in modinfo.entries(Relocatable.parse(donor.image)) if key == "parmtype"
    ]
    name = next((name for name, _, kind in types if kind == "int"), "none_of_its_own")
    return text.replace("{int}", name)


# --- pairs


def pair_cases(bench: Bench) -> Iterator[Case]:
    """Yield modules with a fault of one stage and one of a later stage: which the kernel names shows its order."""
    for number, ((first, ones), (second, others)) in enumerate(combinations(fault_table.STAGES, 2)):
        one, other = ones[number % len(ones)], others[number % len(others)]
        role = _role_for(number, one, other)
        yield from _pair_case(bench, role, f"pair/{role}/{first} and {second}: {one} + {other}", (one, other))


def _role_for(number: int, *faults: str) -> Role:
    if any(fault.startswith("export-") for fault in faults):
        return "exporting"
    if any(fault.startswith("?") for fault in faults):
        return "parametrised"
    return ROLES[number % 3]


def _pair_case(bench: Bench, role: Role, name: str, faults: tuple[str, str]) -> Iterator[Case]:
    parameters = [fault[1:] for fault in faults if fault.startswith("?")]
    try:
        content = bench.built(role, [fault for fault in faults if not fault.startswith("?")])
    except FaultNotApplicable as why:
        bench.absent.add(("pair", faults, str(why)))
        return
    yield Case(name, content, with_parameter(bench.donors[role], " ".join(parameters)))


# --- mutations


def mutation_cases(bench: Bench, count: int = MUTATIONS) -> Iterator[Case]:
    """Yield modules with random damage; the seed is made from kernel and number, so each can be made by itself."""
    sound = {role: bench.built(role, ()) for role in ROLES}
    for number in range(count):
        role = ROLES[number // len(mutations.MUTATIONS) % len(ROLES)]
        kind = list(mutations.MUTATIONS)[number % len(mutations.MUTATIONS)]
        signed = number % SIGNED_EVERY == SIGNED_EVERY - 1
        image = bench.donors[role].image if signed else sound[role]
        chance = random.Random(f"{bench.seed}/{bench.kernel.name}/{number}")
        damaged = mutations.MUTATIONS[kind](bytearray(image), chance)
        name = f"mutation/{kind}/{number:04} of {'signed ' if signed else ''}{role}"
        yield Case(name, bytes(damaged), first=bench.first_for(role))


# --- modules of the distribution


def module_cases(bench: Bench, count: int = MODULES + SPARE_MODULES) -> Iterator[Case]:
    """Yield unmodified modules of the kernel's package, chosen by seed, with what they depend on."""
    files = module_files(bench.kernel.root)
    chance = random.Random(f"{bench.seed}/{bench.kernel.name}/modules")
    for name in chance.sample(sorted(files), min(count, len(files))):
        try:
            content = read_module(files[name])
            image = read_image(content)
            first = bench.dependencies(image.known_name or name)
        except (ExperimentError, MalformedModule, KeyError):
            continue
        yield Case(f"module/{name}", content, first=first)
