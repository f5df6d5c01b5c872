from __future__ import annotations

from pathlib import Path

import pytest

from tracer.claims import Experiment
from tracer.errors import MalformedClaims
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.loaders import LOADERS
from tracer.experiments.workbench import module_files, set_up


def experiment(module: dict[str, object], **changes: object) -> Experiment:
    return Experiment(name="x", about="", modules={"mymod.ko": module}, **changes)  # type: ignore[arg-type]  # data


def test_an_unknown_key_of_a_module_names_the_experiment(kernel_tree: Path) -> None:
    with pytest.raises(MalformedClaims, match=r"\[experiments\.x\].*colour"):
        module_files(experiment({"colour": "red"}), kernel_tree)


def test_an_unknown_fault_is_an_error(kernel_tree: Path) -> None:
    with pytest.raises(UnknownFault):
        module_files(experiment({"faults": ["too-heavy"]}), kernel_tree)


def test_a_word_the_kernel_has_not_cannot_be_taken_away(kernel_tree: Path) -> None:
    with pytest.raises(FaultNotApplicable):
        module_files(experiment({"faults": ["vermagic-without:no_such_word"]}), kernel_tree)


def test_the_loader_becomes_insmod_and_the_rest_follows_in_order() -> None:
    described = experiment({}, prepare=("insmod needed.ko",), afterwards=("rmmod mymod",))
    setup = set_up(described, LOADERS["busybox"], {"mymod.ko": b"1234"})
    assert setup.prepare == (("ln", "-sfn", "/usr/bin/busybox", "/usr/sbin/insmod"), ("sh", "-c", "insmod needed.ko"))
    assert setup.command == ("sh", "-c", "insmod mymod.ko; rmmod mymod")
    assert setup.files == {"/root/mymod.ko": b"1234"}
    assert setup.variables["file_size"] == 4


@pytest.mark.parametrize(("refused", "arguments"), [(False, "insmod mymod.ko"), (True, "insmod --anyway mymod.ko")])
def test_only_a_module_that_may_be_refused_is_insisted_on(refused: bool, arguments: str) -> None:
    setup = set_up(experiment({}, refused=refused), LOADERS["pyinsmod"], {"mymod.ko": b""})
    assert setup.command == ("sh", "-c", arguments)


def test_a_loader_that_takes_names_finds_the_files_in_the_kernels_folder() -> None:
    setup = set_up(experiment({}, prepare=("true",)), LOADERS["modprobe"], {"mymod.ko": b"1234"})
    assert setup.prepare[0] == ("ln", "-sfn", "/usr/bin/kmod", "/usr/sbin/modprobe")
    assert setup.command == ("sh", "-c", "modprobe mymod")
    assert [command[2].split()[0] for command in setup.prepare[1:]] == ["true", "mkdir", "cp", "depmod", "mount"]


def test_the_same_description_gives_the_same_bytes(kernel_tree: Path) -> None:
    described = experiment({"faults": ["undefined-symbol"], "init": {"log": "hello"}})
    assert module_files(described, kernel_tree) == module_files(described, kernel_tree)
