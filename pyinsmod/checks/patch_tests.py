"""What an entry of `patch_tables` says by its own bytes and by the code it lies on, wherever the module lies."""

from __future__ import annotations

from pyinsmod.checks import patch_tables as tables
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
        flags: whether struct alt_instr has flags (since 6.3).
    """

    nops: bool
    flags: bool

    @classmethod
    def of(cls, facts: KernelFacts) -> Tests:
        """Return the tests of a kernel."""
        return cls(facts.has("symbol-sections-tested") is False, bool(facts.has("idempotent-load")))

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
