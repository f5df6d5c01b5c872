"""`pyinsmod load` and `unload` on a real kernel. Every prediction is held against the kernel's own answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracer.experiments.donor import dependent_pair
from tracer.experiments.init_code import Init
from tracer.experiments.module_spec import ModuleSpec, build
from vm.jobs import JobResult

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]

LOADED_BEFORE = (("insmod", "m.ko"),)
DISABLE = (("sh", "-c", "echo 1 > /proc/sys/kernel/modules_disabled"),)
AS_NOBODY = (
    *("python3", "-c"),
    "import os, sys; from pyinsmod.cli import main; os.setuid(65534); sys.exit(main(sys.argv[1:]))",
)


def asked_anyway(result: JobResult) -> dict[str, Any]:
    """Return the JSON object of `load --json --anyway`, after the exit status was seen to fit it."""
    outcome: dict[str, Any] = json.loads(result.stdout)
    assert result.stderr == b""
    assert result.status == (0 if outcome["outcome"] == "loaded" else 1)
    return outcome


def test_a_sound_module_is_loaded_in_silence(in_machine: InMachine, kernel_tree: Path) -> None:
    result = in_machine(["pyinsmod", "m.ko"], {"m.ko": build(ModuleSpec(), kernel_tree)})
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("faults", "errno", "step", "words"),
    [
        (("not-elf",), "ENOEXEC", 6, 'it begins with "\\x7fFLE" (7f 46 4c 45)'),
        (("wrong-type",), "ENOEXEC", 6, "ET_EXEC"),
        (("wrong-machine",), "ENOEXEC", 6, "built for aarch64"),
        (("no-symtab",), "ENOEXEC", 6, "no symbol table"),
        (("no-this-module",), "ENOEXEC", 6, "no section that holds struct module"),
        (("section-outside:.text",), "ENOEXEC", 6, "cut short"),
        (("truncated",), "ENOEXEC", 6, "cut short"),
        (("truncated:0",), "EINVAL", 5, "the file is empty"),
        (("vermagic-without:SMP",), "ENOEXEC", 7, "it lacks 'SMP'"),
        (("vermagic-with:odd",), "ENOEXEC", 7, "it has 'odd'"),
        (("undefined-symbol",), "ENOENT", 9, "unknown symbol 'no_kernel_has_this'"),
        (("undefined-symbol", "vermagic-without:SMP"), "ENOEXEC", 7, "it lacks 'SMP'"),
        (("name:printk",), "EINVAL", 11, "'printk' is built into this kernel"),
    ],
)
def test_what_is_predicted_is_what_the_kernel_answers(
    in_machine: InMachine, kernel_tree: Path, faults: tuple[str, ...], errno: str, step: int, words: str
) -> None:
    module = build(ModuleSpec(faults=faults), kernel_tree)
    outcome = asked_anyway(in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], {"m.ko": module}))
    predicted = outcome["prediction"]
    assert (outcome["outcome"], outcome["errno"]) == ("refused", errno)
    assert (predicted["outcome"], predicted["errno"], predicted["step"]) == ("refused", errno, step)
    assert words in outcome["cause"]
    assert predicted["log"] is None or any(predicted["log"] in line for line in outcome["log"])


@pytest.mark.parametrize(
    "spec",
    [
        ModuleSpec(faults=("vermagic-release",)),
        ModuleSpec(faults=("weak-undefined-symbol",)),
        ModuleSpec(init=Init(returns=7)),
        ModuleSpec(compression="xz"),
    ],
    ids=["other release, same flags", "weak symbol", "init returns 7", "compressed, and the kernel cannot unpack"],
)
def test_what_should_reach_init_does(in_machine: InMachine, kernel_tree: Path, spec: ModuleSpec) -> None:
    result = in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], {"m.ko": build(spec, kernel_tree)})
    outcome = asked_anyway(result)
    assert (outcome["prediction"]["outcome"], outcome["outcome"]) == ("reaches-init", "loaded")
    assert outcome["call"] == ("init_module" if spec.compression else "finit_module")
    assert "mymod: init" in outcome["log"]


def test_a_second_load_is_refused_with_the_reason(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree)}
    result = in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], files, prepare=LOADED_BEFORE)
    outcome = asked_anyway(result)
    assert (outcome["errno"], outcome["prediction"]["errno"]) == ("EEXIST", "EEXIST")
    assert outcome["remedy"] == "remove it first: pyinsmod unload mymod"


def test_a_missing_dependency_is_named_with_the_command(in_machine: InMachine, kernel_tree: Path) -> None:
    needed, needing = dependent_pair(kernel_tree)
    result = in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], {"m.ko": needing.image})
    outcome = asked_anyway(result)
    assert (outcome["errno"], outcome["prediction"]["errno"]) == ("ENOENT", "ENOENT")
    assert f"module '{needed.name}' exports it" in outcome["cause"]
    assert outcome["remedy"].endswith(f"modprobe {needed.name}")


@pytest.mark.parametrize("check", [("--anyway",), ("--no-check",)])
def test_what_init_returned_is_said_to_be_inits(
    in_machine: InMachine, kernel_tree: Path, check: tuple[str, ...]
) -> None:
    files = {"m.ko": build(ModuleSpec(init=Init(returns=-19)), kernel_tree)}
    outcome = asked_anyway(in_machine(["pyinsmod", "load", "--json", *check, "m.ko"], files))
    assert outcome["errno"] == "ENODEV"
    assert outcome["cause"] == "its init function returned -ENODEV (No such device)"


def test_parameters_arrive(in_machine: InMachine, kernel_tree: Path) -> None:
    (path,) = kernel_tree.rglob("brd.ko")
    command = "pyinsmod brd.ko rd_nr=2 rd_size=8 && cat /sys/module/brd/parameters/rd_*"
    result = in_machine(["sh", "-c", command], {"brd.ko": path.read_bytes()})
    assert (result.status, result.stdout.split(), result.stderr) == (0, [b"2", b"8"], b"")


def test_where_loading_is_switched_off_that_is_the_cause(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree)}
    outcome = asked_anyway(in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], files, prepare=DISABLE))
    assert (outcome["errno"], outcome["prediction"]["errno"]) == ("EPERM", "EPERM")
    assert "kernel.modules_disabled is 1" in outcome["cause"]


def test_an_ordinary_user_is_told_so(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"/srv/m.ko": build(ModuleSpec(), kernel_tree)}
    outcome = asked_anyway(in_machine([*AS_NOBODY, "load", "--json", "--anyway", "/srv/m.ko"], files))
    assert (outcome["errno"], outcome["prediction"]["errno"]) == ("EPERM", "EPERM")
    assert outcome["cause"].startswith("no permission to load modules: this process lacks CAP_SYS_MODULE")


def test_addresses_that_are_hidden_are_those_of_the_symbol_table_in_memory(
    in_machine: InMachine, kernel_tree: Path
) -> None:
    files = {"m.ko": build(ModuleSpec(faults=("vermagic-without:SMP",)), kernel_tree)}
    hide = (("sh", "-c", "echo 2 > /proc/sys/kernel/kptr_restrict"),)
    outcome = asked_anyway(in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], files, prepare=hide))
    assert (outcome["errno"], outcome["prediction"]["errno"]) == ("ENOEXEC", "ENOEXEC")
    assert outcome["kernel"]["sources"]["vermagic"].startswith("the running kernel's memory")


def test_a_refusal_says_the_cause_first_then_both_values_then_what_to_do(
    in_machine: InMachine, kernel_tree: Path
) -> None:
    files = {"m.ko": build(ModuleSpec(faults=("vermagic-without:modversions",)), kernel_tree)}
    text = in_machine(["pyinsmod", "m.ko"], files).stderr.decode()
    first, module, kernel, marks, remedy, answer = text.splitlines()
    assert first == "pyinsmod: m.ko: vermagic differs from the kernel's: it lacks 'modversions'"
    assert module.startswith("  module: 6.1.")
    assert kernel.index("modversions") == marks.index("^^^^^^^^^^^")
    assert remedy.startswith("  do: build it for this kernel: make -C ")
    assert answer.startswith("  answer: none, the kernel was not asked; expected of it: ENOEXEC")


def test_after_a_refusal_prediction_and_kernel_are_compared(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"m.ko": build(ModuleSpec(faults=("undefined-symbol",)), kernel_tree)}
    outcome = asked_anyway(in_machine(["pyinsmod", "load", "--json", "--anyway", "m.ko"], files))
    assert outcome["agreement"] == {"agrees": True, "predicted": "refused ENOENT at step 9", "real": "refused ENOENT"}


def test_a_report_can_be_pasted(in_machine: InMachine, kernel_tree: Path) -> None:
    files = {"/srv/m.ko": build(ModuleSpec(faults=("undefined-symbol",)), kernel_tree)}
    result = in_machine(["pyinsmod", "load", "--report", "--anyway", "/srv/m.ko"], files)
    text = result.stdout.decode()
    assert result.status == 1
    assert text.startswith("**pyinsmod report**\n\n```text\ncommand     pyinsmod load --report --anyway m.ko\n")
    assert "mymod: Unknown symbol no_kernel_has_this (err -2)" in text
    assert "/srv" not in text


def test_a_load_that_would_crash_the_kernel_is_not_made(in_machine: InMachine, kernel_tree: Path) -> None:
    far_away = "relocation-field:.rela.init.text.offset=0x7fffffff0000"
    result = in_machine(["pyinsmod", "m.ko"], {"m.ko": build(ModuleSpec(faults=(far_away,)), kernel_tree)})
    text = result.stderr.decode()
    assert result.status == 1
    assert "would crash" in text.partition("\n")[0]
    assert "DANGEROUS" in text


@pytest.mark.parametrize(
    ("name", "prepare", "status", "words"),
    [
        ("mymod", LOADED_BEFORE, 0, ""),
        ("nothing", (), 1, "no module named 'nothing' is loaded"),
        ("printk", (), 1, "built into the kernel"),
        ("m.ko", (*LOADED_BEFORE, *DISABLE), 1, "until the next boot"),
    ],
)
def test_unloading(
    in_machine: InMachine, kernel_tree: Path, name: str, prepare: tuple[tuple[str, ...], ...], status: int, words: str
) -> None:
    files = {"m.ko": build(ModuleSpec(), kernel_tree)} if prepare else {}
    result = in_machine(["pyinsmod", "unload", name], files, prepare=prepare)
    assert (result.status, result.stdout) == (status, b"")
    assert words in result.stderr.decode().partition("\n")[0]


def test_a_module_in_use_is_not_unloaded_and_its_users_are_named(in_machine: InMachine, kernel_tree: Path) -> None:
    needed, needing = dependent_pair(kernel_tree)
    files = {"needed.ko": needed.image, "needing.ko": needing.image}
    prepare = (("insmod", "needed.ko"), ("insmod", "needing.ko"))
    result = in_machine(["pyinsmod", "unload", "--json", needed.name], files, prepare=prepare)
    outcome = json.loads(result.stdout)
    assert (result.status, outcome["errno"]) == (1, "EAGAIN")
    assert outcome["cause"] == f"'{needed.name}' is used by other modules: {needing.name}"
