from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.guest import frames


def test_a_flipped_bit_is_noticed() -> None:
    frame = bytearray(frames.encode(frames.DATA, b"payload"))
    frame[-1] ^= 1
    with pytest.raises(frames.FrameError, match="damaged"):
        list(frames.Decoder().feed(bytes(frame)))


def test_an_absurd_length_is_refused_before_anything_is_collected() -> None:
    header = frames.HEADER.pack(frames.DATA, 1 << 31, 0)
    with pytest.raises(frames.FrameError, match="announced"):
        list(frames.Decoder().feed(header))


def test_half_a_frame_is_no_frame_yet() -> None:
    decoder = frames.Decoder()
    frame = frames.encode(frames.STDOUT, b"hello")
    assert list(decoder.feed(frame[:-1])) == []
    assert list(decoder.feed(frame[-1:])) == [(frames.STDOUT, b"hello")]


@given(
    st.lists(st.tuples(st.sampled_from([frames.DATA, frames.STDOUT, frames.EXIT]), st.binary(max_size=200))),
    st.integers(1, 50),
)
def test_any_bytes_survive_any_fragmentation(sent: list[tuple[bytes, bytes]], piece: int) -> None:
    stream = b"".join(frames.encode(kind, payload) for kind, payload in sent)
    decoder = frames.Decoder()
    received = [
        frame for start in range(0, len(stream), piece) for frame in decoder.feed(stream[start : start + piece])
    ]
    assert received == sent


def test_bulk_data_fits_the_terminals_buffer() -> None:
    """n_tty drops what its reader has not taken: the window has to stay below its 64 KiB."""
    assert frames.WINDOW + 2 * frames.HEADER.size < 65536
    assert frames.CHUNK <= frames.WINDOW
