"""The check of parameters: which value is refused, by which errno, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pyinsmod.checks.parameters import check_parameters
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction, predict
from tests.unit.pyinsmod.parametrised import made

MakeFacts = Callable[..., KernelFacts]


MODULE = made(
    ("debug", "param_ops_int"),
    ("msg", "param_ops_charp"),
    ("fast", "param_ops_bool"),
    ("mode", "param_ops_of_somebody"),
    ("rarely_used", "param_ops_uint"),
)


def findings(make: MakeFacts, parameters: str, image: ModuleImage = MODULE, **facts: object) -> list[Finding]:
    return list(check_parameters(image, make(**facts), LoadRequest(parameters)))


def predicted(make: MakeFacts, parameters: str, image: ModuleImage = MODULE, **facts: object) -> Prediction:
    return predict(findings(make, parameters, image, **facts))


def test_good_parameters_are_not_spoken_of(make_facts: MakeFacts) -> None:
    line = 'debug=1 msg="hello world" fast rarely-used=0x10 async_probe dyndbg=+p'
    assert not findings(make_facts, line)
    assert not findings(make_facts, "")


def test_the_last_bad_one_answers(make_facts: MakeFacts) -> None:
    assert predicted(make_facts, "debug=x rarely_used=99999999999 nosuch=1").errno == "ERANGE"
    assert predicted(make_facts, "rarely_used=99999999999 debug=x").errno == "EINVAL"
    assert predicted(make_facts, f"msg={'a' * 1025}").errno == "ENOSPC"


def test_the_kernels_line_is_foretold(make_facts: MakeFacts) -> None:
    [finding] = findings(make_facts, "rarely-used=x")
    assert finding.log == "hello: `x' invalid for parameter `rarely-used'"
    assert finding.module_has == "rarely_used: uint"
    [finding] = findings(make_facts, f"msg={'a' * 1025}")
    assert finding.log == f"hello: `{'a' * 1025}' too large for parameter `msg'"
    # What is out of range is invalid, and not too large (`parse_args`): only ENOSPC is.
    [finding] = findings(make_facts, "debug=99999999999")
    assert (finding.errno, finding.log) == ("ERANGE", "hello: `99999999999' invalid for parameter `debug'")


@pytest.mark.parametrize(
    ("line", "severity", "summary", "remedy"),
    [
        ("debug", "refuses", "needs a value", "debug=1"),
        ("debug=high", "refuses", "no whole number", "debug=1"),
        ("rarely_used=-1", "refuses", "negative", "rarely_used=1"),
        ("debug=99999999999", "refuses", "not between -2147483648 and 2147483647", "debug=2147483647"),
        ("fast=maybe", "refuses", "neither yes nor no", "fast=1"),
        ("debug=“5”", "refuses", "'“' and '”', characters of a document", "pyinsmod FILE debug=5"),
        ("debug=−1", "refuses", "'−', characters of a document", "pyinsmod FILE debug=-1"),
        ("debug = 3", "refuses", "space between 'debug' and its equals sign", "debug=3"),
        ("debug =3", "refuses", "space between 'debug' and its equals sign", "debug=3"),
        ("=3", "warns", "no name before the equals sign", "name=value"),
        ("msg=hello world", "warns", "the shell took the quotes away", "'msg=\"hello world\"'"),
        ("msg=“hi”", "warns", "characters of a document", "'msg=\"hi\"'"),
        ("msg=voilà debug=1", "warns", "takes a byte of 'à' for a space", "double quotes"),
        ("debgu=1", "warns", "'debug' is one", "pyinsmod FILE debug=1"),
        ("DEBUG=1", "warns", "'debug' is one", "pyinsmod FILE debug=1"),
        ("zzz=1", "warns", "no parameter 'zzz'", "pyinsmod info FILE"),
        ("async-probe", "warns", "no parameter 'async-probe'", None),
        ("debug=1 debug=2", "warns", "given 2 times", None),
        ("-- debug=x", "warns", "ignores what stands after '--': 'debug=x'", None),
        ("mode=fast", "cannot-tell", "code of the module itself", None),
    ],
)
def test_what_was_mistyped_is_named(
    make_facts: MakeFacts, line: str, severity: str, summary: str, remedy: str | None
) -> None:
    first = findings(make_facts, line)[0]
    assert first.severity == severity
    assert summary in first.summary
    assert remedy is None or remedy in (first.remedy or "")


def test_a_module_without_parameters_ignores_all_of_them(make_facts: MakeFacts) -> None:
    [finding] = findings(make_facts, "debug=1", made())
    assert "none at all" in finding.summary
    assert predicted(make_facts, "debug=1", made()).outcome == "reaches-init"


@pytest.mark.parametrize(
    ("features", "outcome"),
    [
        ({"bool-true-false": True}, "reaches-init"),
        ({"bool-true-false": False, "bool-true-false-possible": False}, "refused"),
        ({"bool-true-false": False, "bool-true-false-possible": True}, "cannot-tell"),
        (None, "cannot-tell"),
    ],
)
def test_words_for_booleans_depend_on_the_kernel(
    make_facts: MakeFacts, features: dict[str, bool] | None, outcome: str
) -> None:
    assert predicted(make_facts, "fast=true", features=Fact(features, "test")).outcome == outcome
    assert predicted(make_facts, "fast=yes", features=Fact(features, "test")).outcome == "reaches-init"


def test_each_pair_of_words_is_known_by_itself(make_facts: MakeFacts) -> None:
    shown = {"bool-true-false": True, "bool-enable-disable": False, "bool-enable-disable-possible": False}
    features = Fact(shown, "test")
    answers = [predicted(make_facts, f"fast={word}", features=features).outcome for word in ("true", "enable")]
    assert answers == ["reaches-init", "refused"]


def test_a_quote_alone_at_the_end_brings_an_old_kernel_down(make_facts: MakeFacts) -> None:
    """Seen: 5.10 does not survive it, 6.1 and later say that they do not know a parameter without a name."""
    old = Fact({"bool-true-false": False, "bool-true-false-possible": False}, "test")
    new = Fact({"bool-true-false": True, "bool-true-false-possible": True}, "test")
    assert predicted(make_facts, 'debug=1 "', features=old).outcome == "crashes-kernel"
    assert predicted(make_facts, 'debug=1 "', features=new).outcome == "reaches-init"
    assert predicted(make_facts, 'debug=1 "', features=unknown("test")).outcome == "cannot-tell"


def test_dangerous_parameters_taint(make_facts: MakeFacts) -> None:
    [finding] = findings(make_facts, "debug=1", made(("debug", "param_ops_int"), flags=1))
    assert (finding.severity, finding.log) == ("taints", "Setting dangerous option debug - tainting kernel")


def test_hardware_is_not_spoken_of_under_lockdown(make_facts: MakeFacts) -> None:
    module = made(("io", "param_ops_int"), flags=2)
    for lockdown, outcome, errno in (("integrity", "refused", "EPERM"), ("none", "reaches-init", None)):
        prediction = predicted(make_facts, "io=1", module, lockdown=Fact(lockdown, "test"))
        assert (prediction.outcome, prediction.errno) == (outcome, errno)
    [finding] = findings(make_facts, "io=1", module, lockdown=unknown("test"))
    assert finding.severity == "warns"
    assert predicted(make_facts, "io", module, lockdown=Fact("integrity", "test")).errno == "EINVAL"


def test_a_parameter_that_nobody_can_set_brings_the_kernel_down(make_facts: MakeFacts) -> None:
    assert predicted(make_facts, "level=1", made(("level", ""))).outcome == "crashes-kernel"


def test_a_long_line_of_nonsense_is_cut_short(make_facts: MakeFacts) -> None:
    found = findings(make_facts, "x " * 10_000 + "debug=x " * 3)
    assert len(found) < 40
    assert predict(found).errno == "EINVAL"


def test_remedies_do_not_say_name_where_the_modules_is_not_meant(make_facts: MakeFacts) -> None:
    for line in ("= 3", "=3", "debug", "msg", "x=1", "msg=a b"):
        for finding in findings(make_facts, line):
            assert not re.search(r"\bNAME\b", finding.remedy or "")
