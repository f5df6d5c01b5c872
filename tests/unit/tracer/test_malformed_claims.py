"""A claims file is written by hand: whatever is wrong in it is said, at its line, and the rest is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracer.claims import read_claims

HEAD = 'id = "a"\nquote = "word"\nsays = "s"\n'
LOG = "see = [{ type = 'log' }]"
FILE = [
    "experiments = 3",
    "[[experiments]]\nabout = 'with two brackets'",
    "claims = 3",
    "moments = 'x'",
    "loaders = 3",
    "loaders = ['nobody']",
    "errors_of = 3",
    "errors_of = [3]",
    "[experiments]\na = 3",
]
EXPERIMENTS = [
    *("like = 3", "seconds = true", "seconds = 'x'", "modules = 3", "modules = { x = 3 }"),
    "modules.x.faults = 3",
    "modules.x.faults = [3]",
    "modules.x.faults = ['no']",
    "modules.x.init = 3",
    "modules.x.init.returns = 'x'",
    "modules.x.init.sleeps = 3",
    "modules.x.exit.log = 3",
    "modules.x.name = 3",
    "modules.x.unchanged = 3",
    "modules.x.compression = 3",
    "calls = [{ call = 3 }]",
    "calls = [{ call = 'finit_module', fd = 'x' }]",
    "calls = [{ call = 'finit_module', flags = 'x' }]",
]
CLAIMS = [
    *("tests = 3", "tests = []", "tests = [3]", "tests = [{ see = 3 }]", "tests = [{ see = [3] }]"),
    f"tests = [{{ experiment = 3, {LOG} }}]",
    f"tests = [{{ when = 3, {LOG} }}]",
    f"tests = [{{ optional = 3, {LOG} }}]",
    f"words = 3\ntests = [{{ {LOG} }}]",
    f"words = {{ a = 3 }}\ntests = [{{ {LOG} }}]",
    f"step = 'x'\ntests = [{{ {LOG} }}]",
    f"row = 3\ntests = [{{ {LOG} }}]",
    "tests = [{ see = [{ type = ['log'] }] }]",
    "tests = [{ see = [{ type = 'log', text = { matches = '(' } }] }]",
    "tests = [{ see = [{ type = 'log', text = { at_least = 'x' } }] }]",
    "tests = [{ see = [{ type = 'log', text = { starts = 3 } }] }]",
    "tests = [{ see = [{ type = 'log', text = { exists = 3 } }] }]",
]
MOMENTS = [
    *("faults = 3", "faults = ['no']", "init = 3", "with = 3", "with = ['no']", "seen = 3", "complains = 3"),
    *("complains = [3]", "experiment = 3", "experiment = 'no'\nseen = { type = 'log' }"),
]


def problems(folder: Path, written: str) -> list[tuple[int, str]]:
    (folder / "doc.md").write_text("a word\n")
    (folder / "doc.claims.toml").write_text(f"schema = 1\n{written}\n")
    return [(problem.line, problem.text) for problem in read_claims(folder / "doc.md").problems]


@pytest.mark.parametrize("written", FILE)
def test_of_the_file(tmp_path: Path, written: str) -> None:
    ((line, _),) = problems(tmp_path, written)
    assert line in {2, 3}


@pytest.mark.parametrize("written", EXPERIMENTS)
def test_of_an_experiment(tmp_path: Path, written: str) -> None:
    ((line, text),) = problems(tmp_path, f"[experiments.a]\n{written}")
    assert line in {2, 3}
    assert text.startswith("[experiments.a]: ")


@pytest.mark.parametrize(
    ("kind", "written"), [*(("claim", one) for one in CLAIMS), *(("moment", one) for one in MOMENTS)]
)
def test_of_a_claim_or_a_moment(tmp_path: Path, kind: str, written: str) -> None:
    ((line, text),) = problems(tmp_path, f"[[{kind}s]]\n{HEAD}{written}")
    assert line >= 2
    assert text.startswith(f"{kind} ")
