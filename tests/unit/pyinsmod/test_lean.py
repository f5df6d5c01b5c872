"""The light stand-ins behave like what they stand for, as far as the library uses them."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinsmod import lean

ROOT = Path(__file__).parents[3]


class Real(typing.NamedTuple):
    name: str
    number: int = 3
    rest: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.number


class Light(lean.NamedTuple):
    name: str
    number: int = 3
    rest: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        return 2 * self.number


@pytest.mark.parametrize(
    ("values", "named"),
    [(("a",), {}), (("a", 1), {}), (("a", 1, ("x",)), {}), ((), {"name": "a"}), (("a",), {"rest": ("y",)})],
)
def test_a_named_tuple_is_one(values: tuple[object, ...], named: dict[str, object]) -> None:
    real, light = Real(*values, **named), Light(*values, **named)  # type: ignore[arg-type]
    assert tuple(light) == tuple(real)
    assert tuple(light) == real
    assert hash(light) == hash(real)
    assert repr(light) == repr(real).replace("Real", "Light")
    assert (light.name, light.number, light.rest, light.twice) == (real.name, real.number, real.rest, real.twice)
    assert light._asdict() == real._asdict()
    assert tuple(light._replace(number=9)) == real._replace(number=9)
    assert Light._make(real) == light
    assert Light._fields == Real._fields
    assert pickle.loads(pickle.dumps(light)) == light  # noqa: S301 - made in this line


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), (("a", 1, (), 4), {}), (("a",), {"name": "b"}), (("a",), {"nothing": 1})]
)
def test_wrong_values_are_refused_by_both(values: tuple[object, ...], named: dict[str, object]) -> None:
    for kind in (Real, Light):
        with pytest.raises(TypeError):
            kind(*values, **named)  # type: ignore[arg-type]


def test_fields_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Light("a").name = "b"  # type: ignore[misc]


def test_a_cached_property_is_computed_once() -> None:
    times = []

    class Thing:
        @lean.cached_property
        def value(self) -> int:
            times.append(1)
            return 7

    thing = Thing()
    assert (thing.value, thing.value, len(times)) == (7, 7, 1)


def entered(module: object, error: type[BaseException] | None, *, swallow: bool) -> tuple[list[str], str]:
    """Return what happened in a context made of a generator, and how the block ended."""
    seen: list[str] = []

    @module.contextmanager  # type: ignore[attr-defined,untyped-decorator]
    def context(word: str) -> Iterator[str]:
        seen.append("in")
        try:
            yield word
        except KeyError:
            if not swallow:
                raise
        finally:
            seen.append("out")

    try:
        with context("word") as word:
            seen.append(word)
            if error is not None:
                raise error  # noqa: TRY301 - that is what is tried
    except BaseException as raised:  # noqa: BLE001 - compared below
        return seen, type(raised).__name__
    return seen, "ended"


@pytest.mark.parametrize("error", [None, KeyError, ValueError, StopIteration, KeyboardInterrupt])
@pytest.mark.parametrize("swallow", [False, True])
def test_a_context_made_of_a_generator_is_one(error: type[BaseException] | None, swallow: bool) -> None:
    assert entered(lean, error, swallow=swallow) == entered(contextlib, error, swallow=swallow)


@pytest.mark.parametrize("error", [ProcessLookupError, OSError, ValueError])
def test_what_is_suppressed(error: type[Exception]) -> None:
    ends = []
    for module in (lean, contextlib):
        try:
            with module.suppress(OSError), module.nullcontext():
                raise error
        except ValueError:
            ends.append("raised")
        else:
            ends.append("suppressed")
    assert ends[0] == ends[1]


def test_facts_that_are_remembered_are_read_without_the_big_packages() -> None:
    """What `pyinsmod check` of a good module imports of the facts; each of these costs a third of starting Python."""
    script = (
        "import sys; before = set(sys.modules); import pyinsmod.kernel_facts, pyinsmod.kernel_facts.remembered,"
        "pyinsmod.kernel_facts.export_lookup, pyinsmod.kernel_facts.feature_lookup;"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-ISc", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {script}"],
                            capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert "pyinsmod.kernel_facts.running" in loaded
    assert not set(loaded) & {"re", "typing", "collections", "functools", "contextlib", "enum", "pathlib", "argparse"}
