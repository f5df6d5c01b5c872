from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tracer.compare import ClaimVerdict, Run, RunVerdict, Verdict
from tracer.report.grouping import applicable, common, in_short, kernel_of, listed, loader_of, reality, shape, told

KERNELS = ("5.10", "6.1", "6.1-rt", "7.2")
LOADERS = ("kmod", "kmod-28", "kmod-34", "busybox", "toybox", "pyinsmod")
EVERY = [f"{kernel}/{loader}" for kernel in KERNELS for loader in LOADERS]


def short(wanted: Callable[[str, str], bool]) -> str:
    return in_short([run for run in EVERY if wanted(kernel_of(run), loader_of(run))], EVERY)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (lambda _, __: True, "all"),
        (lambda _, loader: loader == "busybox", "busybox"),
        (lambda _, loader: loader != "busybox", "all but busybox"),
        (lambda kernel, _: kernel == "7.2", "7.2"),
        (lambda kernel, _: kernel != "7.2", "all but 7.2"),
        (lambda kernel, _: kernel in {"5.10", "7.2"}, "5.10, 7.2"),
        (lambda _, loader: loader.startswith("kmod"), "every kmod"),
        (lambda _, loader: loader in {"kmod", "kmod-28"}, "kmod, kmod-28"),
        (lambda kernel, loader: kernel == "6.1" and loader.startswith("kmod"), "6.1 (every kmod)"),
        (lambda kernel, loader: kernel == "6.1" and loader == "toybox", "6.1/toybox"),
        (lambda kernel, loader: (kernel, loader) != ("6.1", "toybox"), "all but 6.1/toybox"),
        (lambda kernel, loader: kernel in {"6.1", "7.2"} and loader in {"kmod", "toybox"}, "6.1, 7.2 (kmod, toybox)"),
        (lambda kernel, loader: kernel == "6.1" and loader != "busybox", "6.1 (all but busybox)"),
        (lambda kernel, loader: kernel != "6.1" and loader != "toybox", "5.10, 6.1-rt, 7.2 (all but toybox)"),
        (lambda kernel, loader: (kernel, loader) in {("5.10", "kmod"), ("6.1", "toybox")}, "5.10 (kmod); 6.1 (toybox)"),
    ],
)
def test_sets_of_runs_have_short_names(wanted: Callable[[str, str], bool], name: str) -> None:
    assert short(wanted) == name


def test_a_name_says_the_kernel_only_when_there_are_several() -> None:
    assert in_short(["6.1/kmod"], ["6.1/kmod", "6.1/toybox"]) == "kmod"
    assert in_short(["6.1/kmod"], ["5.10/kmod", "6.1/kmod"]) == "6.1"
    assert in_short(["6.1/kmod"], ["6.1/kmod"]) == "all"


def test_no_two_sets_have_the_same_name() -> None:
    every = [f"{kernel}/{loader}" for kernel in ("a", "b") for loader in ("w", "x", "y", "z")]
    names = {in_short([run for number, run in enumerate(every) if set_ >> number & 1], every) for set_ in range(1, 256)}
    assert len(names) == 255


def test_a_kernel_given_as_a_folder_keeps_its_slashes() -> None:
    assert (kernel_of("/srv/linux/kmod"), loader_of("/srv/linux/kmod")) == ("/srv/linux", "kmod")


def test_a_list_says_what_is_missing_when_that_is_shorter() -> None:
    assert listed(["kmod", "pyinsmod", "toybox"], ["kmod", "pyinsmod", "toybox", "new"]) == "all but new"
    assert listed(["a"], ["a"]) == "a"
    assert listed(["a", "b"], ["a", "b"]) == "all"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("read(3, …, 7720) = 7720", "read(3, …, 8104) = 8104"),
        ("mmap(0x7f00, 4096)", "mmap(0x7e1000, 8192)"),
        ("process 77 was killed", "process 1234 was killed"),
        ("of the 4023 modules, all", "of the 812 modules, all"),
    ],
)
def test_builds_may_differ_in_numbers(one: str, other: str) -> None:
    assert shape(one) == shape(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("it exited with status 10", "it exited with status 11"),
        ("init returned -19", "init returned -22"),
        ("read(3) = 0", "read(3) = 1"),
        (r'read(3, "\177ELF")', r'read(3, "\111ELF")'),
        ("step 6.12", "step 6.13"),
        ("the file x86", "the file x87"),
    ],
)
def test_what_matters_is_not_the_same(one: str, other: str) -> None:
    assert shape(one) != shape(other)


def test_the_kernels_release_may_differ() -> None:
    assert shape("'6.1.0-50 SMP'", "6.1.0-50") == shape("'5.10.0-4 SMP'", "5.10.0-4")
    assert shape("'6.1.0-50 SMP preempt'", "6.1.0-50") != shape("'5.10.0-4 SMP'", "5.10.0-4")
    assert common([("'6.1.0-50 SMP', 7720", "6.1.0-50"), ("'5.10.0-4 SMP', 7720", "5.10.0-4")]) == "'… SMP', 7720"


def _differing(verdict: ClaimVerdict, seen: Mapping[str, tuple[Verdict, str]]) -> ClaimVerdict:
    return replace(verdict, by_run={name: RunVerdict(*one) for name, one in seen.items()})


def test_what_is_true_of_several_runs_is_told_once(
    verdict: Callable[..., ClaimVerdict], run: Callable[..., Run]
) -> None:
    runs = [run(loader) for loader in ("kmod", "busybox", "toybox", "pyinsmod")]
    one = _differing(
        verdict("a", {}),
        {
            "6.1/kmod": ("contradicted", "read 70 of 6.1.0-50-amd64"),
            "6.1/busybox": ("confirmed", "read 7720"),
            "6.1/toybox": ("confirmed", "read 7721"),
            "6.1/pyinsmod": ("not-applicable", "settled elsewhere"),
        },
    )
    assert applicable(one) == ("6.1/kmod", "6.1/busybox", "6.1/toybox")
    assert [(part.runs, part.reality) for part in told(one, runs)] == [
        (("6.1/kmod",), "read 70 of 6.1.0-50-amd64"),
        (("6.1/busybox", "6.1/toybox"), "read …"),
    ]
    assert reality(one, runs) == "kmod: read 70 of 6.1.0-50-amd64 | all but kmod: read …"


def test_a_claim_no_run_can_test_tells_why(verdict: Callable[..., ClaimVerdict], run: Callable[..., Run]) -> None:
    one = _differing(verdict("a", {}), {"6.1/kmod": ("not-applicable", "no such fault")})
    assert reality(one, [run()]) == "no such fault"
