"""What a check is not imported for: nothing that it would have found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from pyinsmod.checks import CHECKS, run_checks
from pyinsmod.checks import conditions as when
from pyinsmod.elf_format import EM_AARCH64, EM_RISCV, EM_X86_64
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

SECTIONS = (
    "__ksymtab_gpl", "__ksymtab", ".BTF", ".ctors", ".init_array",
    ".data..percpu", "__jump_table", "__param", ".text", ".modinfo",
)  # fmt: skip
WORDS = ("livepatch=Y", "staging=Y", "test=Y", "intree=Y", "retpoline=Y", "import_ns=module:x", "name=dummy")
REQUESTS = (
    LoadRequest(),
    LoadRequest("a=1 b", caller_may_load=Fact(False, "test"), compressed=True),
    LoadRequest(by_memory=True, force_modversion=True),
)


def modules(build_module: BuildModule) -> Iterator[ModuleImage]:
    """Yield modules of many kinds, sound and damaged, and files that are none."""
    chance = random.Random(20)
    yield from map(ModuleImage, (b"", b"\x7fELF", bytes(64), b"text" * 20))
    for _ in range(200):
        extra = tuple(
            (name, chance.choice((1, 8)), chance.choice((0, 2, 3, 6, 7)), bytes(24))
            for name in chance.sample(SECTIONS, chance.randrange(4))
        )
        data = bytearray(build_module(extra=extra, name=chance.choice(("hello", "dummy", "printk", "vmlinux", ""))))
        for _ in range(chance.choice((0, 0, 1, 3))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for word in chance.sample(WORDS, 2):
            at = data.find(b"license=")
            if at >= 0 and chance.random() < 0.5:
                data[at : at + len(word)] = word.encode()
        if chance.random() < 0.2:
            table = int.from_bytes(data[40:48], "little")
            at = table + 64 * chance.randrange(1, 6)
            data[at : at + 4] = chance.choice((60, 4000, 70000)).to_bytes(4, "little")  # a name outside the table
        yield ModuleImage(bytes(data), chance.choice((None, None, "xz")))


@pytest.mark.parametrize(("beyond", "outside"), [(-1, False), (0, True), (1, True)])
def test_a_name_lies_outside_of_the_table_of_names_from_its_end_on(
    build_module: BuildModule, beyond: int, outside: bool
) -> None:
    data = bytearray(build_module())
    sound = ModuleImage(bytes(data))
    assert not when.names_outside(sound)
    place = sound.section_headers[sound.header.shstrndx].size + beyond
    at = sound.header.shoff + 64
    data[at : at + 4] = place.to_bytes(4, "little")
    assert when.names_outside(ModuleImage(bytes(data))) == outside


@pytest.mark.parametrize(("machine", "arm64"), [(EM_X86_64, False), (EM_AARCH64, True), (EM_RISCV, False)])
def test_what_only_arm64_has_is_looked_for_in_its_modules_alone(
    build_module: BuildModule, make_facts: MakeFacts, machine: int, arm64: bool
) -> None:
    data = bytearray(build_module())
    data[18:20] = machine.to_bytes(2, "little")
    assert when.for_arm64(ModuleImage(bytes(data)), make_facts(), LoadRequest()) == arm64


def kernels(make_facts: MakeFacts) -> Iterator[KernelFacts]:
    named = {"blacklist": Fact(frozenset({"dummy"}), "t"), "initcall_blacklist": Fact(frozenset({"init_module"}), "t")}
    yield make_facts()
    yield make_facts(modules_disabled=Fact(True, "t"), **named)
    yield make_facts(features=Fact(dict.fromkeys(FEATURES, True), "t"))
    yield make_facts(features=Fact({**dict.fromkeys(FEATURES, False), "module-btf": True}, "t"))
    yield make_facts(features=Fact({}, "t"), loaded=Fact(None, "t"), sysfs_modules=Fact(None, "t"))


def test_they_change_no_prediction(
    build_module: BuildModule, make_facts: MakeFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [
        (image, facts, REQUESTS[number % len(REQUESTS)])
        for number, image in enumerate(modules(build_module))
        for facts in kernels(make_facts)
    ]
    with_conditions = [run_checks(*case) for case in cases]
    monkeypatch.setattr(when, "holds", lambda *_: True)
    assert [run_checks(*case) for case in cases] == with_conditions
    assert {finding.check for findings in with_conditions for finding in findings} > {"permission", "livepatch", "btf"}


def test_every_check_is_where_the_table_says() -> None:
    for check in CHECKS.values():
        assert callable(check.function)
