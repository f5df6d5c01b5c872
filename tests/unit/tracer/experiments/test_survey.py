from __future__ import annotations

from collections import Counter
from pathlib import Path

from elftools.elf.elffile import ELFFile

from tracer.experiments.kernel_modules import module_files
from tracer.experiments.survey import NAMED_SECTIONS, survey_records


def test_the_counts_are_those_of_pyelftools(kernel_tree: Path) -> None:
    header, record, end = survey_records(kernel_tree)
    expected: Counter[str] = Counter()
    paths = list(module_files(kernel_tree).values())
    for path in paths:
        with path.open("rb") as file:
            present = {section.name for section in ELFFile(file).iter_sections() if section["sh_size"]}
        expected.update(name for name in NAMED_SECTIONS if name not in present)
    assert record["modules"] == len(paths) > 100
    assert {name: record["lacking"][name] for name in NAMED_SECTIONS} == {
        name: expected[name] for name in NAMED_SECTIONS
    }
    assert record["lacking"]["ELF"] == 0
    assert (header["type"], end["type"]) == ("header", "end")
