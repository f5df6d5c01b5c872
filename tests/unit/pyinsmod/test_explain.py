"""Causes: the log decides, then the prediction, then the errno. Log lines are those the kernels write."""

from __future__ import annotations

import errno

import pytest

from pyinsmod.errno_causes import CAUSES
from pyinsmod.errors import SystemCallFailed
from pyinsmod.explain import Circumstances, explain
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact

BAD_MAGIC = Finding("vermagic", 7, "refuses", "vermagic differs", "ENOEXEC", "a", "b", "rebuild")


def cause(number: int, *log: str, findings: tuple[Finding, ...] = (), **more: object) -> str:
    around = Circumstances(findings=findings, log=log, **more)  # type: ignore[arg-type]  # the test names the rest
    return explain(SystemCallFailed("finit_module", number), around).cause


@pytest.mark.parametrize(
    ("number", "log", "words"),
    [
        (
            errno.ENOEXEC,
            "m: version magic '6.1 SMP ' should be '6.8 SMP '",
            "'6.1 SMP ' differs from the kernel's '6.8",
        ),
        (errno.ENOEXEC, "m: disagrees about version of symbol module_layout", "another 'module_layout'"),
        (errno.EINVAL, "m: no symbol version for kmalloc", "no version (CRC) for the symbol 'kmalloc'"),
        (errno.ENOENT, "m: Unknown symbol foo (err -2)", "unknown symbol 'foo'"),
        (errno.EINVAL, "m: Unknown symbol foo (err -22)", "symbol 'foo' cannot be used"),
        (
            errno.EINVAL,
            "m: module uses symbol (foo) from namespace NS, but does not import it.",
            "belongs to the namespace NS,",
        ),
        (errno.EBUSY, "m: gave up waiting for init of module bar.", "module 'bar'"),
        (errno.ENOEXEC, "m: exports duplicate symbol foo (owned by kernel)", "which kernel exports already"),
        (errno.EPERM, "Module m is blacklisted", "module_blacklist="),
        (
            errno.EPERM,
            "Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7",
            "locked down",
        ),
        (errno.EKEYREJECTED, "Loading of unsigned module is rejected", "unsigned module"),
        (
            errno.EINVAL,
            "m: `x' invalid for parameter `count'",
            "'x' is not valid for the parameter 'count'",
        ),
        (errno.ENOSPC, "m: `xyz' too large for parameter `name'", "too large for the parameter 'name'"),
        (errno.ENOEXEC, "module: m: Unknown rela relocation: 42", "relocations of a type"),
        (
            errno.ENOEXEC,
            "x86/modules: Skipping invalid relocation target, existing value is nonzero for type 1",
            "already applied",
        ),
        (errno.ENOEXEC, "Module has invalid ELF structures", "not a sound module"),
        (errno.ENOEXEC, "m: No module found in object", "not a sound module"),
        (errno.EINVAL, "failed to validate module [m] BTF: -22", "type information"),
        (errno.EINVAL, "m: module is already loaded", "built into the kernel"),
        (errno.EPERM, "initcall m_init blacklisted", "initcall_blacklist="),
        (errno.ENOEXEC, "m: section .text (index 3) has invalid WRITE|EXEC flags", "writable and executable"),
    ],
)
def test_a_line_of_the_log_names_the_cause(number: int, log: str, words: str) -> None:
    assert words in cause(number, "unrelated line", log, findings=(BAD_MAGIC,) if "magic" not in log else ())


def test_a_line_that_goes_with_another_answer_decides_nothing() -> None:
    assert "init function returned -ENODEV" in cause(errno.ENODEV, "failed to validate module [m] BTF: -22")


def test_the_finding_knows_more_than_the_line() -> None:
    line = "m: version magic 'a' should be 'b'"
    assert cause(errno.ENOEXEC, line, findings=(BAD_MAGIC,)) == "vermagic differs"


def test_a_silent_refusal_is_explained_by_the_prediction() -> None:
    assert cause(errno.ENOEXEC, findings=(BAD_MAGIC,)) == "vermagic differs"


@pytest.mark.parametrize(
    ("may", "disabled", "words"),
    [(False, False, "no permission"), (True, True, "switched off"), (True, False, "a security module")],
)
def test_a_silent_eperm_is_told_apart(may: bool, disabled: bool, words: str) -> None:
    text = cause(
        errno.EPERM,
        caller_may_load=Fact(may, "CapEff"),
        modules_disabled=Fact(disabled, "sysctl"),
        checked=False,
    )
    assert words in text


def test_an_errno_the_loader_never_gives_is_inits_for_certain() -> None:
    assert cause(errno.ENODEV).startswith("its init function returned -ENODEV (No such device)")


def test_silence_and_a_good_prediction_point_to_init() -> None:
    assert cause(errno.EINVAL).startswith("its init function returned -EINVAL")
    assert "not valid" in cause(errno.EINVAL, checked=False)


def test_a_number_that_is_no_errno_is_inits() -> None:
    assert "-5000, which is no error number" in cause(5000)


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_every_errno_of_the_table_has_a_cause_of_one_line(name: str) -> None:
    text = cause(int(getattr(errno, name)), checked=False)
    assert text
    assert "\n" not in text


def test_who_writes_to_the_file_is_named() -> None:
    failure = SystemCallFailed("finit_module", errno.ETXTBSY, "m.ko")
    assert "4711 (cc1)" in explain(failure, Circumstances(writers=("4711 (cc1)",))).cause
    assert "another process" in explain(failure, Circumstances()).cause
