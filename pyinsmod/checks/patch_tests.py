"""What an entry of `patch_tables` says by its own bytes and by the code it lies on, wherever the module lies."""

from __future__ import annotations

from pyinsmod.checks import patch_tables as tables
from pyinsmod.elf_format import EM_AARCH64
from pyinsmod.finding import Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import NamedTuple, struct

# What jump_label.h and static_call.h leave for code to be put in, and the first bytes of jumps and calls.
NOP5, CALL, JUMPS, RETURN = bytes.fromhex("0f1f440000"), 0xE8, (0xE9, 0xEB), 0xC3
XOR5 = bytes.fromhex("2e2e2e31c0")
ESCAPE, NEAR_JUMPS = 0x0F, 0x80


class Trouble(NamedTuple):
    """What the kernel stumbles over; `unsettled`: unless somebody else's memory happens to stand there."""

    what: str
    severity: Severity = "crashes"
    unsettled: bool = False


class Tests(NamedTuple):
    """What does not depend on where the module comes to lie: an entry's own bytes, and the code it lies on.

    Attributes:
        nops: whether the code under a jump label is compared with the usual no-operation (5.10,
            `jump_label_apply_nops`).
        flags: whether struct alt_instr has flags (since 6.3); None when that is not known, as of a folder of headers:
            then it is taken to be as the module has it, whose version magic and versions tell of another kernel.
        literals: whether the function tracer puts something before each function it may trace, untested: arm64 with
            CONFIG_DYNAMIC_FTRACE_WITH_CALL_OPS (`ftrace_init_nop`); None when that cannot be known.
    """

    nops: bool
    flags: bool | None
    literals: bool | None = False

    @classmethod
    def of(cls, facts: KernelFacts) -> Tests:
        """Return the tests of a kernel."""
        return cls(facts.has("symbol-sections-tested") is False, facts.has("idempotent-load"))

    def alternative(self, entry: bytes, code: bytes) -> Trouble | None:
        """`apply_alternatives`: what is there is replaced, if the processor has that feature."""
        feature, flags = struct.unpack_from("<HH", entry, 8)
        length, new_length = entry[-2:]
        if not self.flags:
            feature &= 0x7FFF
        if length > tables.LONGEST_PATCH or feature >= tables.CPU_FEATURES:
            return Trouble(f"is for {length} bytes and feature {feature}, which the kernel takes for a bug of its own")
        if self.flags and flags & tables.DIRECT_CALL and (new_length != 5 or length < 6):
            return Trouble("is a direct call of another length, which the kernel takes for a bug of its own")
        return Trouble("changes an instruction outside of the module") if len(code) < length else None

    def misaligned(self, where: int) -> Trouble | None:
        """`ftrace_call_adjust` of arm64: of such a place it makes 0, and goes on with that."""
        return Trouble("leads to no boundary of 8 bytes") if self.literals and where & 7 else None

    def replacement(self, _entry: bytes, _code: bytes) -> Trouble | None:
        """What is put there is taken as it is, but for its first bytes."""
        return None

    def paravirt(self, entry: bytes, code: bytes) -> Trouble | None:
        """`apply_paravirt`: the call there is replaced by what the machine needs."""
        length = entry[9]
        if length > tables.LONGEST_PATCH:
            return Trouble(f"is for {length} bytes, which the kernel takes for a bug of its own")
        return Trouble("changes code outside of the module") if len(code) < (length or 1) else None

    def jump_label(self, _entry: bytes, code: bytes) -> Trouble | None:
        """`jump_label_add_module` and `jump_label_apply_nops`."""
        if len(code) < len(NOP5):
            return Trouble("lies on code outside of the module", "crashes" if self.nops else "cannot-tell")
        if self.nops and code[: len(NOP5)] != NOP5 and code[0] not in JUMPS:
            return Trouble("lies on code that is neither a jump nor the no-operation it should be")
        return None

    def static_call(self, code: bytes, *, tail: bool) -> Trouble | None:
        """`__static_call_validate`: the call there is changed at once."""
        if len(code) < len(NOP5):
            return Trouble("lies on code outside of the module")
        if tail and (code[0] in (JUMPS[0], RETURN) or (code[0] == ESCAPE and code[1] & 0xF0 == NEAR_JUMPS)):
            return None
        if not tail and (code[0] == CALL or code[: len(NOP5)] in (NOP5, XOR5)):
            return None
        return Trouble("lies on code that is no call")


class AArch64Tests(Tests):
    """Those of arm64, whose alternatives are whole instructions (`__apply_alternatives`, arch/arm64)."""

    def alternative(self, entry: bytes, code: bytes) -> Trouble | None:
        """What is there is replaced if the processor has that feature, which no file tells."""
        (feature,) = struct.unpack_from("<H", entry, 8)
        length, new_length = entry[-2:]
        if feature & ~BY_FUNCTION >= AARCH64_FEATURES:
            return None
        if new_length != (0 if feature & BY_FUNCTION else length):
            return Trouble(f"replaces {length} bytes by {new_length}: a bug to a kernel that does so", "cannot-tell")
        if len(code) < length:
            return Trouble("changes instructions outside of the module", "cannot-tell")
        return None

    def replacement(self, entry: bytes, code: bytes) -> Trouble | None:
        """`get_alt_insn`: what is counted from the instruction's own place cannot be put elsewhere."""
        if entry[9] & (BY_FUNCTION >> 8):
            return None
        words = struct.unpack(f"<{len(code) // 4}I", code[: len(code) & ~3])
        if any(word & mask == bits for word in words for mask, bits in UNMOVABLE):
            return Trouble("has an instruction that cannot be put elsewhere: a bug to the kernel", "cannot-tell")
        for place, word in enumerate(words):
            distance = _branches(word)
            if distance is not None and not -BRANCH_AWAY < distance + 4 * place < BRANCH_AWAY:
                return Trouble("has a branch out of the module: a bug to the kernel", "cannot-tell")
        return None


# Of arm64's features: the bit that says that a function replaces the code, and a number that none of them has.
BY_FUNCTION, AARCH64_FEATURES = 0x8000, 1024
# (mask, bits) of adr, ldr and ldrsw of a literal, prfm (Arm Architecture Reference Manual, C4.1).
UNMOVABLE = (
    (0x9F000000, 0x10000000),
    (0xBF000000, 0x18000000),
    (0xFF000000, 0x98000000),
    (0xFF000000, 0xD8000000),
)
# No module of a build is bigger.
BRANCH_AWAY = 1 << 22


def _branches(word: int) -> int | None:
    """Return how far an instruction branches, in bytes; None if it is no branch to a place it says itself."""
    for mask, bits, width, position in (
        (0x7C000000, 0x14000000, 26, 0),  # b, bl
        (0x7E000000, 0x34000000, 19, 5),  # cbz, cbnz
        (0xFF000010, 0x54000000, 19, 5),  # b.cond
        (0x7E000000, 0x36000000, 14, 5),  # tbz, tbnz
    ):
        if word & mask == bits:
            distance = word >> position & (1 << width) - 1
            return ((distance ^ 1 << width - 1) - (1 << width - 1)) * 4
    return None


def tests_of(machine: int, facts: KernelFacts) -> Tests:
    """Return the tests of a kernel for modules of its machine."""
    if machine != EM_AARCH64:
        return Tests.of(facts)
    return AArch64Tests(nops=False, flags=False, literals=facts.option("DYNAMIC_FTRACE_WITH_CALL_OPS"))
