"""The rules of the house: who may import whom, and what may stand where."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = [path for path in sorted((ROOT / "pyinsmod").rglob("*.py")) if "cli" not in path.parts]
TRACER = sorted((ROOT / "tracer").rglob("*.py"))
VM = sorted((ROOT / "vm").rglob("*.py"))
BELOW_THE_COMMAND_LINE = [*LIBRARY, *TRACER, *(path for path in VM if "guest" not in path.parts)]
HEAVY = ("asyncio", "rich", "elftools", "ptrace", "pyroute2", "jinja2", "qemu", "tracer", "vm")


def imported(path: Path) -> set[str]:
    """Return the top-level packages a file imports, anywhere in it."""
    return {name.partition(".")[0] for name in _imported_names(ast.parse(path.read_text()))}


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_there_is_something_to_look_at() -> None:
    assert len(LIBRARY) > 10
    assert len(TRACER) > 10
    assert len(VM) > 10


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_the_library_imports_neither_tracer_nor_machines(path: Path) -> None:
    assert not imported(path) & {"tracer", "vm"}
    if path.name != "__main__.py":
        assert "pyinsmod.cli" not in path.read_text()


@pytest.mark.parametrize("path", TRACER, ids=lambda path: path.name)
def test_the_tracer_does_not_know_machines(path: Path) -> None:
    assert "vm" not in imported(path)
    assert "pyinsmod.cli" not in path.read_text()


@pytest.mark.parametrize("path", VM, ids=lambda path: path.name)
def test_machines_know_neither(path: Path) -> None:
    assert not imported(path) & {"tracer", "pyinsmod"}


@pytest.mark.parametrize("path", BELOW_THE_COMMAND_LINE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_prints_or_exits(path: Path) -> None:
    if path.name == "__main__.py":
        return
    assert not set(calls(path)) & {"print", "sys.exit", "exit", "quit"}


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    """`pyinsmod hello.ko` is to cost little more than starting Python."""
    module = tmp_path / "hello.ko"
    module.write_bytes(b"not a module")
    script = (
        "import sys; from pyinsmod.cli import main; status = main([sys.argv[1]]);"
        "print(' '.join(sorted({name.partition('.')[0] for name in sys.modules}))); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(module)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr
    assert not set(done.stdout.split()) & set(HEAVY)
