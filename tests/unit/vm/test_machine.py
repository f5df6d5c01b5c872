"""What a machine keeps of its console. The rest of it needs one that runs: tests/machine."""

from __future__ import annotations

import asyncio

from vm.architectures import ARCHITECTURES
from vm.machine import LAST_WORDS, LONGEST_LINE, READ_SIZE, Machine


def last_words(*pieces: bytes) -> tuple[str, ...]:
    """Return what is kept of a console that says so, in such pieces."""

    async def main() -> tuple[str, ...]:
        console = asyncio.StreamReader()
        machine = Machine(ARCHITECTURES["x86_64"], [])
        listening = asyncio.create_task(machine._listen(console))
        for piece in pieces:
            console.feed_data(piece)
            await asyncio.sleep(0)
        console.feed_eof()
        await listening
        return machine.last_words

    return asyncio.run(main())


def test_lines_are_whole_however_they_come() -> None:
    assert last_words(b"[    0.1] Linux ver", b"sion\r\n\r\n[    0.2] Ker", b"nel panic\r\n") == (
        "[    0.1] Linux version",
        "[    0.2] Kernel panic",
    )


def test_what_is_no_text_is_escaped() -> None:
    assert last_words(b"\xff\xfe\n") == ("\\xff\\xfe",)


def test_a_guest_that_never_ends_its_line_does_not_fill_the_memory() -> None:
    assert last_words(*[bytes([0x61]) * READ_SIZE] * 8, b"\nthe end\n") == ("a" * LONGEST_LINE, "the end")
    assert last_words(b"b" * READ_SIZE + b"\n" + b"c" * READ_SIZE) == ("b" * LONGEST_LINE, "c" * LONGEST_LINE)


def test_the_last_lines_are_kept() -> None:
    said = b"".join(b"%d\n" % number for number in range(3 * LAST_WORDS))
    assert last_words(said)[-1] == str(3 * LAST_WORDS - 1)
    assert len(last_words(said)) <= LAST_WORDS
