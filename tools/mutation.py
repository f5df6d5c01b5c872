"""Change the sources of the checks and of compare, one small change at a time, and see whether a test notices.

`make mutation`, or `python -m tools.mutation --sample 60 --seed 2026`. The changes are cosmic-ray's, drawn with a seed;
they are made in a copy of the tree. What nobody noticed is printed as a diff, for somebody to judge: a missing test,
or a change that changes nothing.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
# Sources → the tests that are to notice.
ROOMS = {
    "pyinsmod/checks": ("tests/unit/pyinsmod/checks", "tests/unit/pyinsmod/test_checks.py"),
    "tracer/compare.py": ("tests/unit/tracer/test_compare.py",),
}
COPIED = ("pyinsmod", "tracer", "vm", "tests", "docs", "pyproject.toml", "README.md")
# Changes that make nonsense of a source, or none of its behaviour.
NOT_SHOWN = ("core/VariableInserter", "core/VariableReplacer", "core/RemoveDecorator")
PATIENCE = 600.0  # seconds; a change may make a loop endless


class Mutant(NamedTuple):
    """One change: which operator, where it applies for the which time."""

    path: str
    operator: str
    occurrence: int


def main() -> int:
    """Print the score and the survivors, which want to be judged; 1 when that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description="Do tests notice changes?")
    parser.add_argument("--sample", type=int, default=60, metavar="N", help="so many changes in each room")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="so many at once")
    options = parser.parse_args()
    for room, tests in ROOMS.items():
        if noticed(ROOT, tests):
            print(f"{room}: its tests fail without any change", file=sys.stderr)
            return 1
        drawn = draw(room, options.sample, random.Random(options.seed))  # noqa: S311 - a sample is to be drawn again
        with ThreadPoolExecutor(options.jobs) as pool:
            survived = list(filter(None, pool.map(partial(survivor, tests=tests), drawn)))
        found = len(drawn) - len(survived)
        print(f"{room}: {found} of {len(drawn)} changes noticed ({100 * found / len(drawn):.0f} %)\n", flush=True)
        print("\n".join(survived), flush=True)
    return 0


def draw(room: str, count: int, chance: random.Random) -> list[Mutant]:
    """Return a sample of the changes that can be made in a room, each line of it as likely as any other."""
    paths = [path for path in sorted(ROOT.glob(f"{room}/*.py")) or [ROOT / room] if path.name != "__init__.py"]
    sizes = [len(path.read_text().splitlines()) for path in paths]
    operators = [name for name in sorted(operator_names()) if not name.startswith(NOT_SHOWN)]
    drawn: dict[Mutant, None] = {}
    while len(drawn) < count:
        (path,) = chance.choices(paths, sizes)
        name = chance.choice(operators)
        code = path.read_text()
        occurrences = changes(code, name)
        if occurrences:
            number = chance.randrange(occurrences)
            if what_runs(str(mutate_code(code, get_operator(name)(), number))) not in ("", what_runs(code)):
                drawn[Mutant(str(path.relative_to(ROOT)), name, number)] = None
    return list(drawn)


def changes(code: str, operator: str) -> int:
    """Return how many times an operator applies to a source."""
    number = 0
    while mutate_code(code, get_operator(operator)(), number) is not None:
        number += 1
    return number


def what_runs(code: str) -> str:
    """Return a source without what no program can show: types, and decorators that only forbid; "" if it is none."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        if isinstance(node, ast.ClassDef):
            node.decorator_list = []
    return ast.dump(tree)


def survivor(mutant: Mutant, tests: Sequence[str]) -> str:
    """Return the change as a diff if no test noticed it, else nothing."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in COPIED:
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, tree / name)
        path = tree / mutant.path
        code = path.read_text()
        changed = mutate_code(code, get_operator(mutant.operator)(), mutant.occurrence)
        path.write_text(str(changed))
        if noticed(tree, nearest(tests, path.stem)):
            return ""
        diff = difflib.unified_diff(code.splitlines(), str(changed).splitlines(), mutant.path, mutant.operator, n=1)
        return "\n".join(line.rstrip() for line in diff) + "\n"


def nearest(tests: Sequence[str], name: str) -> list[str]:
    """Return the files of tests, first those that speak of a source: most changes are noticed there."""
    files = [path for test in tests for path in sorted((ROOT / test).glob("**/test_*.py")) or [ROOT / test]]
    files.sort(key=lambda path: (path.stem != f"test_{name}", name not in path.read_text()))
    return [str(path.relative_to(ROOT)) for path in files]


def noticed(tree: Path, tests: Sequence[str]) -> bool:
    """Tell whether a test fails in this tree, or none ends in time."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
