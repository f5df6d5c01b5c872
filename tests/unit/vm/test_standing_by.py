from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vm.guest import held
from vm.standing_by import copy_sparse

MIB = 1 << 20


PIECES = [{}, {0: b"first"}, {3 * MIB: b"middle"}, {0: b"a", 5 * MIB: b"b", 8 * MIB - 1: b"e"}]


@pytest.mark.parametrize("pieces", PIECES)
def test_a_copy_has_the_same_bytes_and_no_more_blocks(tmp_path: Path, pieces: dict[int, bytes]) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(8 * MIB)
        for at, data in pieces.items():
            file.seek(at)
            file.write(data)
    os.sync()
    copy_sparse(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks


def test_a_program_gets_its_words_and_the_jobs_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    agent, program = held.channel()
    monkeypatch.setenv(held.VARIABLE, str(program.detach()))
    monkeypatch.chdir("/")
    monkeypatch.setenv("COLOUR", "none")
    said = []

    def answer() -> None:
        said.append(agent.recv(1))
        held.go_on(agent, {"argv": ["sh", "-c", "true"], "cwd": str(tmp_path), "env": {"COLOUR": "red"}})

    agents = threading.Thread(target=answer)
    agents.start()
    words = held.stand_by()
    agents.join()
    assert (words, said, Path.cwd(), os.environ["COLOUR"]) == (["sh", "-c", "true"], [b"!"], tmp_path, "red")
    assert held.VARIABLE not in os.environ


def test_a_program_whose_agent_is_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, program = held.channel()
    monkeypatch.setenv(held.VARIABLE, str(program.detach()))

    def leave() -> None:
        agent.recv(1)
        agent.close()

    agents = threading.Thread(target=leave)
    agents.start()
    with pytest.raises(EOFError):
        held.stand_by()
    agents.join()
