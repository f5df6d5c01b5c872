"""What many modules have in common is said once."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from pyinsmod.tree.grouping import grouped
from pyinsmod.tree.results import ModuleResult, Symbol

MAGIC = Finding("vermagic", 7, "refuses", "vermagic differs", errno="ENOEXEC", module_has="a", kernel_has="b")
TAINT = Finding("signature", 6, "taints", "it is not signed")
REFUSED = Prediction("refused", "ENOEXEC", 7)


def result(name: str, *findings: Finding, symbols: tuple[Symbol, ...] = (), kernel: str = "k") -> ModuleResult:
    prediction = REFUSED if findings and findings[-1].severity == "refuses" else Prediction("reaches-init")
    return ModuleResult(f"/{name}.ko", name, kernel, prediction, findings, symbols)


def test_modules_of_one_cause_are_one_group() -> None:
    found = grouped([result("a", TAINT, MAGIC), result("b", MAGIC), result("c", TAINT)], "k")
    assert found.outcomes == {"refused": 2, "reaches-init": 1}
    assert [(group.cause.check, len(group.files), group.decisive) for group in found.groups] == [
        ("vermagic", 2, True),
        ("signature", 2, False),
    ]


def test_the_biggest_group_comes_first_and_another_kernels_results_are_left_out() -> None:
    other = MAGIC._replace(summary="another reason")
    results = [result("a", other), result("b", MAGIC), result("c", MAGIC), result("d", other, kernel="other")]
    assert [group.cause.summary for group in grouped(results, "k").groups] == ["vermagic differs", "another reason"]


def test_symbols_are_counted_by_the_modules_that_use_them() -> None:
    lacking = (Symbol("missing", "one"), Symbol("missing", "two"))
    results = [result("a", symbols=lacking), result("b", symbols=lacking[:1])]
    (group,) = grouped(results, "k").groups
    assert (group.cause.check, group.cause.errno) == ("symbols", "ENOENT")
    assert group.symbols == ((lacking[0], 2), (lacking[1], 1))


def test_what_names_one_module_is_said_of_all() -> None:
    both = [Finding("sysfs-name", 11, "refuses", f"'{name}' is built into this kernel", "EINVAL") for name in "ab"]
    (group,) = grouped([result("a", both[0]), result("b", both[1])], "k").groups
    assert len(group.files) == 2
