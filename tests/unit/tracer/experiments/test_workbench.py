from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyinsmod.module_image import read_image
from tracer.claims import Experiment
from tracer.errors import MalformedClaims
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.loaders import LOADERS
from tracer.experiments.workbench import WATCHED, module_files, set_up, why_inapplicable


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
    assert setup.links == {"/usr/sbin/insmod": "/usr/bin/busybox"}
    assert setup.prepare == (("sh", "-c", "insmod needed.ko"),)
    assert setup.command == ("sh", "-c", "insmod mymod.ko; rmmod mymod")
    assert setup.files == {"/root/mymod.ko": b"1234"}
    assert setup.variables["file_size"] == 4


@pytest.mark.parametrize(("refused", "arguments"), [(False, "insmod mymod.ko"), (True, "insmod --anyway mymod.ko")])
def test_only_a_module_that_may_be_refused_is_insisted_on(refused: bool, arguments: str) -> None:
    setup = set_up(experiment({}, refused=refused), LOADERS["pyinsmod"], {"mymod.ko": b""})
    assert setup.command == ("sh", "-c", arguments)


def test_a_loader_that_takes_names_finds_the_files_in_the_kernels_folder() -> None:
    setup = set_up(experiment({}, prepare=("true",)), LOADERS["modprobe"], {"mymod.ko": b"1234"})
    assert setup.links == {"/usr/sbin/modprobe": "/usr/bin/kmod"}
    assert setup.command == ("sh", "-c", "modprobe mymod")
    before, folder = (command[2] for command in setup.prepare)
    assert before == "true"
    assert all(step in folder for step in ("mkdir -p", "cp /root/*.ko*", "depmod -b", "mount --bind"))


def test_the_same_description_gives_the_same_bytes(kernel_tree: Path) -> None:
    described = experiment({"faults": ["undefined-symbol"], "init": {"log": "hello"}})
    assert module_files(described, kernel_tree) == module_files(described, kernel_tree)


def test_options_and_parameters_stand_around_the_file() -> None:
    described = experiment({}, options=("-f",), parameters=("who=the world",))
    assert set_up(described, LOADERS["kmod"], {"mymod.ko": b""}).command[2] == "insmod -f mymod.ko 'who=the world'"


def test_named_preparations_come_before_own_ones_and_wrap_the_command() -> None:
    described = experiment({}, preparations=("file-empty", "without-capability:sys_module"), prepare=("true",))
    setup = set_up(described, LOADERS["kmod"], {"mymod.ko": b""})
    assert [command[-1] for command in setup.prepare] == [": > mymod.ko", "true"]
    assert setup.command == ("python3", "become.py", "without:sys_module", "sh", "-c", "insmod mymod.ko")
    assert "/root/become.py" in setup.files


def test_a_script_takes_the_loaders_place_and_finds_its_other_commands() -> None:
    setup = set_up(experiment({}, script="modprobe -r mymod"), LOADERS["kmod-34"], {"mymod.ko": b""})
    assert setup.command == ("sh", "-c", "modprobe -r mymod")
    assert setup.links["/usr/sbin/modprobe"] == "/opt/kmod-34/bin/modprobe"


def test_calls_are_made_by_a_program_of_their_own() -> None:
    calls = ({"call": "finit_module", "fd": 99},)
    setup = set_up(experiment({}, calls=calls), LOADERS["kmod"], {"mymod.ko": b""})
    assert setup.command[:2] == ("python3", "/root/module_calls.py")
    assert json.loads(setup.command[2]) == list(calls)
    assert b"_syscall" in setup.files["/root/module_calls.py"]


def test_files_are_watched_from_before_until_after() -> None:
    setup = set_up(experiment({}, watch=("/proc/modules",)), LOADERS["kmod"], {"mymod.ko": b""})
    assert setup.prepare[-1][2].startswith(f"python3 /root/watch_files.py {WATCHED} ")
    assert setup.prepare[-1][2].split()[4] == "/proc/modules"
    assert setup.command[2].startswith("insmod mymod.ko; status=$?; read _ < /")
    assert setup.get == (WATCHED,)


def test_an_experiment_about_some_loaders_is_not_done_with_others() -> None:
    described = experiment({}, loaders=("kmod", "kmod-34"))
    assert why_inapplicable(described, "kmod-34") is None
    assert why_inapplicable(described, "busybox") == "this is about kmod, kmod-34"


def test_a_module_of_a_pair_keeps_its_name_unless_given_another(kernel_tree: Path) -> None:
    changed = experiment({"unchanged": "needed", "init": {"log": "x"}})
    renamed = experiment({"unchanged": "needed", "name": "other"})
    image = read_image(module_files(experiment({"unchanged": "needed"}), kernel_tree)["mymod.ko"])
    assert read_image(module_files(changed, kernel_tree)["mymod.ko"]).name == image.name
    assert read_image(module_files(renamed, kernel_tree)["mymod.ko"]).name == "other"
    assert read_image(module_files(renamed, kernel_tree)["mymod.ko"]).undefined_symbols == image.undefined_symbols


def test_a_module_is_made_from_the_donor_of_a_role(kernel_tree: Path) -> None:
    made = read_image(module_files(experiment({"donor": "parametrised"}), kernel_tree)["mymod.ko"])
    assert made.name == "mymod"
    assert any(section.name == "__param" and section.size for section in made.sections)
