"""The quick way over a tree tells what the long way tells: over every module of two kernels, and over faulty ones."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import FACTS, KernelFacts, unknown
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.prediction import predict
from pyinsmod.signatures.appended import loaded_length
from pyinsmod.tree.found import modules_below
from pyinsmod.tree.grouping import OF_SYMBOLS, cause_of
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.symbol_findings import symbol_of
from pyinsmod.tree.tree_check import TreeCheck
from tracer.experiments.errors import FaultNotApplicable
from tracer.experiments.faults import FAULTS, spoil_image
from vm.kernel_store import fetch

# A check says no more than that of one module.
MOST_SYMBOLS = 64
FAULTY = 150


def differences(check: TreeCheck, results: list[ModuleResult]) -> list[str]:
    """Return where a result of the quick way is not what every check together says."""
    number = {file: place for place, file in enumerate(check.found.files)}
    sides = {side.target.facts.name: side for side in check.sides}
    wrong = []
    for result in results:
        side, place = sides[result.kernel], number[result.file]
        if place in side.long or side.rows[place].fault is not None:
            continue
        found = side.look_at(place, image(result.file))
        if told(result) != told_by(found) or result.prediction != predict(found)._replace(log=None):
            said = [f"{each.check}: {each.summary}" for each in found]
            quick = [f"{each.check}: {each.summary}" for each in result.findings]
            wrong.append(f"{result.file} on {result.kernel}: {quick} {result.symbols} but {said} {result.prediction}")
    return wrong


def image(file: str) -> ModuleImage:
    return read_image(Path(file).read_bytes())


def told(result: ModuleResult) -> object:
    causes = {cause_of(each) for each in result.findings if each.check != "dependencies"}
    return causes, bounded([(each.fault, each.name) for each in result.symbols])


def told_by(findings: tuple[Finding, ...]) -> object:
    symbols = [symbol for each in findings if (symbol := symbol_of(each))]
    causes = {cause_of(each) for each in findings if each.check not in OF_SYMBOLS}
    return causes, bounded([(each.fault, each.name) for each in symbols])


def bounded(symbols: list[tuple[str, str]]) -> object:
    """Return what both ways tell: of more faults than are shown, that there are so many."""
    return symbols if len(symbols) < MOST_SYMBOLS else "many"


def unsigned(file: str) -> bytes:
    """Return a module without its signature, which no changed file survives."""
    content = Path(file).read_bytes()
    return content[: loaded_length(content, ignored=False)]


@pytest.mark.parametrize(("name", "against"), [("6.1", ("6.1", "6.12")), ("5.10", ("5.10", "6.1")), ("7.2", ("7.2",))])
def test_every_module_of_a_kernel(name: str, against: tuple[str, ...]) -> None:
    root = fetch(name).root
    check = TreeCheck(modules_below(str(root)), [kernel_named(each) for each in against])
    results = list(check.run())
    assert len(results) == len(check.found.files) * len(against) > 1000
    assert sum(len(side.long) for side in check.sides) < len(results) // 10
    assert differences(check, results) == []


@pytest.mark.parametrize(
    ("name", "relocations"), [("5.10", True), ("6.1", True), ("6.1", False), ("6.12", True), ("7.2", True)]
)
def test_nearly_every_module_goes_the_quick_way_on_its_own_kernel(name: str, *, relocations: bool) -> None:
    """A check that `sweep` has no eye for sends modules by hundreds through all checks: that is how it got slow."""
    found = modules_below(str(fetch(name).root))
    check = TreeCheck(found, [kernel_named(name)], relocations=relocations)
    results = list(check.run())
    assert len(results) == len(found.files) > 900
    assert {result.prediction.outcome for result in results} == {"reaches-init"}
    (side,) = check.sides
    assert len(side.long) <= len(found.files) // 100, sorted(found.files[number] for number in side.long)


def test_modules_with_one_fault_each(tmp_path: Path) -> None:
    root = fetch("6.1").root
    files = modules_below(str(root)).files
    chance = random.Random(7)
    names = sorted(name for name, fault in FAULTS.items() if fault.in_image and not fault.argument)
    planted = 0
    for number in range(FAULTY):
        content = unsigned(chance.choice(files))
        try:
            faulty = spoil_image(content, [names[number % len(names)]])
        except FaultNotApplicable:
            continue
        (tmp_path / f"{number}.ko").write_bytes(faulty)
        planted += 1
    assert planted > FAULTY // 2
    check = TreeCheck(modules_below(str(tmp_path)), [kernel_named("6.1"), kernel_named("7.2")])
    assert differences(check, list(check.run())) == []


def test_modules_with_any_byte_changed(tmp_path: Path) -> None:
    root = fetch("6.1").root
    chance = random.Random(11)
    smallest = sorted(modules_below(str(root)).files, key=lambda file: Path(file).stat().st_size)[:60]
    for number in range(FAULTY):
        content = bytearray(unsigned(chance.choice(smallest)))
        for _ in range(chance.choice((1, 1, 3))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        (tmp_path / f"{number}.ko").write_bytes(content)
    check = TreeCheck(modules_below(str(tmp_path)), [kernel_named("6.1"), kernel_named("5.10")])
    assert differences(check, list(check.run())) == []
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("name", ["6.1", "7.2"])
def test_a_loader_of_which_nothing_is_known_crashes_on_no_module_of_its_own(name: str) -> None:
    """As of a folder of headers: how long entries of alternatives are shows in neither."""
    known = kernel_named(name)
    given: dict[str, Any] = {fact: known.facts.unrecorded(fact) for fact in FACTS}
    given["features"] = unknown("its boot image is not at hand")
    facts = KernelFacts(name=name, release=known.facts.release, **given)
    found = modules_below(str(fetch(name).root))
    some = found._replace(files=found.files[::23])
    check = TreeCheck(some, [known._replace(facts=facts)])
    results = list(check.run())
    assert {result.prediction.outcome for result in results} <= {"reaches-init", "cannot-tell"}
    assert differences(check, results) == []
