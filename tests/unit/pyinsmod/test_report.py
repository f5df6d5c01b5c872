"""The block for an issue tracker: whole, fenced, and without anything that tells whose machine it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import predict
from pyinsmod.report import Case, fence_for, report

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

FILE = "/home/jane/secret project/m.ko"


@pytest.mark.parametrize(("text", "length"), [("", 3), ("a `b` c", 3), ("```", 4), ("x ````` y ```", 6)])
def test_no_fence_is_closed_by_what_it_holds(text: str, length: int) -> None:
    assert fence_for(text) == "`" * length


def test_everything_asked_for_is_in_it(build_module: BuildModule, make_facts: MakeFacts) -> None:
    findings = (Finding("vermagic", 7, "refuses", "it lacks 'SMP'", "ENOEXEC", "6.1 ", "6.1 SMP "),)
    text = report(
        Case(
            ["pyinsmod", "load", "--report", FILE, "who=x"],
            FILE,
            make_facts(),
            ModuleImage(build_module()),
            predict(findings),
            findings,
            "finit_module: ENOEXEC",
            ["m: version magic '6.1 ' should be '6.1 SMP '"],
        )
    )
    for words in (
        "command     pyinsmod load --report m.ko who=x",
        "prediction  refused ENOEXEC at step 7",
        "answer      finit_module: ENOEXEC",
        "release     6.1.0-50-cloud-amd64, x86_64",
        "from test",
        "name        'hello'",
        "step 7, vermagic: refuses ENOEXEC: it lacks 'SMP'",
        "m: version magic '6.1 ' should be '6.1 SMP '",
    ):
        assert words in text


def test_nothing_tells_whose_machine_it_was(build_module: BuildModule, make_facts: MakeFacts) -> None:
    image = ModuleImage(build_module())
    facts = make_facts(vermagic=Fact("6.1 ", "/home/jane/linux/vmlinux"))
    log = ["Hardware name: janes-laptop", "see /sys/module/m and /srv/build/m.c"]
    text = report(Case(["pyinsmod", FILE], FILE, facts, image, log=log), hostname="janes-laptop")
    assert "jane" not in text
    assert "/srv" not in text
    assert "from …/vmlinux" in text
    assert "see /sys/module/m and …/m.c" in text


def test_a_module_can_break_neither_out_of_the_fence_nor_the_terminal() -> None:
    finding = Finding("name", 7, "warns", "called '```\n# title\x1b[2J'")
    text = report(Case(["pyinsmod", "m.ko"], "m.ko", findings=[finding]))
    assert "````text\n" in text
    assert "called '```\\x0a# title\\x1b[2J'" in text


def test_a_damaged_module_is_reported_as_far_as_it_can_be_read() -> None:
    text = report(Case(["pyinsmod", "m.ko"], "m.ko", image=ModuleImage(b"\x7fELF")))
    assert "size        4 bytes, sha256 " in text
    assert "machine     unreadable: 4 bytes are too few" in text


def test_a_long_log_is_cut() -> None:
    assert len(report(Case(["x"], "m.ko", log=["line"] * 1000)).splitlines()) < 100
