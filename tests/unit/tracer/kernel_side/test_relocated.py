"""What relocated places of arm64 say, bit by bit; instructions are those that objdump shows for such bytes."""

from __future__ import annotations

import struct

import pytest

from tracer.kernel_side import relocated
from tracer.kernel_side.relocated import TYPES

PLACE = 0xFFFF_AB6F_7964_9008
PAGE, LOWER, LOAD64, CALL, ADDRESS, NEAR = 275, 277, 286, 283, 257, 261


@pytest.mark.parametrize(
    ("kind", "instruction", "target"),
    [
        (PAGE, 0xD0000000, 0xFFFF_AB6F_7964_B123),  # adrp x0, two pages on
        (PAGE, 0xF0FFFFE1, 0xFFFF_AB6F_7964_8FFF),  # adrp x1, one page back
        (LOWER, 0x9104A000, 0xFFFF_AB6F_0000_0128),  # add x0, x0, #0x128
        (LOAD64, 0xF9409400, 0xFFFF_AB6F_0000_0128),  # ldr x0, [x0, #0x128]
        (CALL, 0x94000002, PLACE + 8),  # bl, two instructions on
        (CALL, 0x97FFFFFF, PLACE - 4),  # bl, one back
    ],
)
def test_an_instruction_leads_where_its_fields_say(kind: int, instruction: int, target: int) -> None:
    places = TYPES["aarch64"][kind]
    content = struct.pack("<I", instruction)
    assert places.says(content, target, PLACE)
    assert not places.says(content, target + 0x1008, PLACE)


def test_data_is_the_whole_number() -> None:
    types = TYPES["aarch64"]
    assert types[ADDRESS].says(struct.pack("<Q", PLACE), PLACE, 0)
    assert types[NEAR].says(struct.pack("<i", -16), PLACE - 16, PLACE)
    assert not types[NEAR].says(struct.pack("<i", -12), PLACE - 16, PLACE)


def test_a_far_branch_leads_where_its_helper_does(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {PLACE + 0x40: struct.pack("<III", 0x90000030, 0x9104A210, 0xD61F0200)}  # four pages on, lower part 0x128
    monkeypatch.setattr(relocated, "read_memory", lambda _file, address, size: entry[address][:size])
    branch = TYPES["aarch64"][CALL]
    assert branch.by_way is not None
    assert branch.by_way(PLACE, struct.pack("<I", 0x94000010)) == 0xFFFF_AB6F_7964_D128
    entry[PLACE + 0x40] = bytes(12)
    assert branch.by_way(PLACE, struct.pack("<I", 0x94000010)) is None


def test_an_address_of_x86_that_is_cut_is_compared_as_far_as_it_goes() -> None:
    signed = TYPES["x86_64"][11]
    assert signed.says(struct.pack("<I", 0x81000010), 0xFFFFFFFF81000010, 0)
    assert TYPES["x86_64"][4].says(struct.pack("<i", -0x104), PLACE - 0x104, PLACE)
