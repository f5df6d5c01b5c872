"""What a console's last lines tell: captured crashes of real kernels, cut to a few lines each."""

from __future__ import annotations

import pytest

from pyinsmod.last_words import telling_lines

NULL_POINTER = """\
[   19.290934] mymod: module verification failed: signature and/or required key missing - tainting kernel
[   19.342457] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   19.342846] #PF: supervisor read access in kernel mode
[   19.343937] Oops: 0000 [#1] PREEMPT SMP NOPTI
[   19.351128] RIP: 0010:init_module+0x18/0xfd0 [mymod]
[   19.357193] Code: c0 48 c7 c7 00 a0 5f c0
[   19.389495] RIP: 0010:init_module+0x18/0xfd0 [mymod]
[   19.397479] Kernel panic - not syncing: Fatal exception"""
INVALID_OPCODE = """\
[   19.093937] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI
[   19.100613] RIP: 0010:init_module+0x16/0xfd0 [mymod]
[   19.147827] Kernel panic - not syncing: Fatal exception"""
LOCKUP = """\
[   45.111615] watchdog: BUG: soft lockup - CPU#0 stuck for 27s! [python3:104]
[   45.126276] RIP: 0010:init_module+0x16/0xfd0 [mymod]"""
ARM64 = """\
[    1.0][    T1] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000
[    1.1][    T1] pc : init_module+0x10/0x20 [mymod]"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", ()),
        ("[ 1.0] hello\nworld", ()),
        (
            "[    2.5] Kernel panic - not syncing: the module said so",
            ("Kernel panic - not syncing: the module said so",),
        ),
        (
            NULL_POINTER,
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000000",
                "RIP: 0010:init_module+0x18/0xfd0 [mymod]",
            ),
        ),
        (
            INVALID_OPCODE,
            ("invalid opcode: 0000 [#1] PREEMPT SMP NOPTI", "RIP: 0010:init_module+0x16/0xfd0 [mymod]"),
        ),
        (
            LOCKUP,
            (
                "watchdog: BUG: soft lockup - CPU#0 stuck for 27s! [python3:104]",
                "RIP: 0010:init_module+0x16/0xfd0 [mymod]",
            ),
        ),
        (
            ARM64,
            (
                "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
                "pc : init_module+0x10/0x20 [mymod]",
            ),
        ),
    ],
)
def test_what_went_wrong_and_where(words: str, told: tuple[str, ...]) -> None:
    assert telling_lines(words.splitlines()) == told
