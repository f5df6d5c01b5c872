"""The program's own way to import its modules gives what Python's gives, and leaves to Python what is not simple."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from pyinsmod.cli.own_modules import CompiledLoader, OwnModules

ROOT = Path(__file__).parents[3]
TIME, CHECKED, UNCHECKED = (
    py_compile.PycInvalidationMode.TIMESTAMP,
    py_compile.PycInvalidationMode.CHECKED_HASH,
    py_compile.PycInvalidationMode.UNCHECKED_HASH,
)


@pytest.fixture(params=["pyinsmod", "tracer", "vm"])
def package(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / str(request.param)
    (folder / "room").mkdir(parents=True)
    (folder / "thing.py").write_text("VALUE = 1\n")
    (folder / "room/__init__.py").write_text("VALUE = 2\n")
    return folder


def compiled(source: Path, mode: py_compile.PycInvalidationMode = TIME) -> Path:
    return Path(py_compile.compile(str(source), doraise=True, invalidation_mode=mode) or "")


def found(package: Path) -> dict[str, object] | None:
    """Return what the module `thing` has in it when it is found this way."""
    name = f"{package.name}.thing"
    spec = OwnModules.find_spec(name, [str(package)])
    if spec is None:
        return None
    assert isinstance(spec.loader, CompiledLoader)
    code = spec.loader.get_code(name)
    assert code is not None
    values: dict[str, object] = {}
    exec(code, values)  # noqa: S102 - made in this test
    return values


@pytest.mark.parametrize("mode", [TIME, UNCHECKED])
def test_what_is_compiled_is_found(package: Path, mode: py_compile.PycInvalidationMode) -> None:
    compiled(package / "thing.py", mode)
    values = found(package)
    assert values is not None
    assert values["VALUE"] == 1


def test_a_package_is_found_and_knows_its_folder(package: Path) -> None:
    compiled(package / "room/__init__.py")
    spec = OwnModules.find_spec(f"{package.name}.room", [str(package)])
    assert spec is not None
    assert spec.submodule_search_locations == [str(package / "room")]
    assert spec.origin == str(package / "room/__init__.py")


def test_what_is_asked_for_a_second_time_is_read_in_the_usual_way(package: Path) -> None:
    compiled(package / "thing.py")
    spec = OwnModules.find_spec(f"{package.name}.thing", [str(package)])
    assert spec is not None
    assert isinstance(spec.loader, CompiledLoader)
    first, second = spec.loader.get_code(spec.name), spec.loader.get_code(spec.name)
    assert first is not None
    assert first == second
    assert spec.loader.get_source(spec.name) == "VALUE = 1\n"


def edit(package: Path) -> None:
    (package / "thing.py").write_text("VALUE = 777\n")


def touch(package: Path) -> None:
    os.utime(package / "thing.py", (1, 1))


@pytest.mark.parametrize("change", [edit, touch, lambda package: (package / "thing.py").unlink()])
def test_what_is_not_up_to_date_is_left_to_python(package: Path, change: object) -> None:
    compiled(package / "thing.py")
    assert callable(change)
    change(package)
    assert found(package) is None


@pytest.mark.parametrize("damage", [b"", b"\xa7\r\r\n", b"x" * 40, b"x" * (1 << 17)])
def test_damaged_files_are_left_to_python(package: Path, damage: bytes) -> None:
    file = compiled(package / "thing.py", UNCHECKED)
    file.write_bytes(damage if len(damage) != 4 else file.read_bytes()[:30])
    assert found(package) is None


def test_what_wants_a_test_of_its_hash_is_left_to_python(package: Path) -> None:
    compiled(package / "thing.py", CHECKED)
    assert found(package) is None


def test_nothing_compiled_and_nothing_of_others_is_found(package: Path) -> None:
    assert found(package) is None
    assert OwnModules.find_spec("json.decoder", [str(package)]) is None
    assert OwnModules.find_spec(package.name, None) is None


def test_the_program_has_the_same_modules_either_way() -> None:
    """Names, files and docstrings of what is imported, with this way and without."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pyinsmod.cli.own_modules import import_quickly\n"
        "if sys.argv[1] == 'quickly': import_quickly()\n"
        "import pyinsmod.cli.check, pyinsmod.checks.btf, pyinsmod.btf.module, tracer.ptrace.loop, vm.catalogue\n"
        "ours = [m for name, m in sys.modules.items() if name.partition('.')[0] in ('pyinsmod', 'tracer', 'vm')]\n"
        "shown = (f'{m.__name__} {m.__file__} {m.__cached__} {m.__package__} {m.__doc__!r}' for m in ours)\n"
        "print(*sorted(shown), sep='\\n')"
    )
    either = [
        subprocess.run([sys.executable, "-ISc", script, way], capture_output=True, text=True, check=True).stdout
        for way in ("usually", "usually", "quickly")  # the first one compiles what is not compiled
    ]
    for name in ("pyinsmod.checks.btf", "tracer.ptrace.loop", "vm.catalogue"):
        assert name in either[2]
    assert either[1] == either[2]
