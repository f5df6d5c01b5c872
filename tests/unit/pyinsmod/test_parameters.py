"""Parameters: what a module has, how the kernel takes a line apart, what it answers, and what is said of it.

The expected errnos were seen on real kernels (5.10, 6.1, 6.12, 7.2) with the same values given to `softdog`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from errno import EINVAL, ENOSPC, ERANGE, EROFS
from pathlib import Path

import pytest

from pyinsmod.checks.parameters import check_parameters
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.parameter_values import Argument, Undecided, Words, answer, integer_answer, split_arguments, truth
from pyinsmod.parameters import KernelParameter, parameters_of
from pyinsmod.prediction import Prediction, predict

MakeFacts = Callable[..., KernelFacts]

NEW, OLD = Words(True, True), Words(False, False)

# --- the line


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b" \t\n ", []),
        (b"a=1 b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"  a=1\n\tb", [(b"a", b"1"), (b"b", None)]),
        (b"a= b", [(b"a", b""), (b"b", None)]),
        (b"a = 1", [(b"a", None), (b"=", None), (b"1", None)]),
        (b"=5", [(b"=5", None)]),
        (b"a==1", [(b"a", b"=1")]),
        (b"==1", [(b"=", b"1")]),
        (b'a="1 2" b', [(b"a", b"1 2"), (b"b", None)]),
        (b'a=1" "2', [(b"a", b'1" "2')]),
        (b'"a=1 2" b', [(b"a", b"1 2"), (b"b", None)]),
        (b'"a b"', [(b"a b", None)]),
        (b'"a="1""', [(b"a", b'1"')]),
        (b'a="1 2', [(b"a", b"1 2")]),
        (b'a=1"', [(b"a", b'1"')]),
        (b'a="', [(b"a", b"")]),
        (b'"', [(b"", None)]),
        (b'""', [(b"", None)]),
        (b"a=1\xa0b=2", [(b"a", b"1"), (b"b", b"2")]),
    ],
)
def test_a_line_is_taken_apart_as_the_kernel_does(line: bytes, arguments: list[tuple[bytes, bytes | None]]) -> None:
    assert split_arguments(line)[:2] == ([Argument(*each) for each in arguments], b"")


def test_two_dashes_end_the_line() -> None:
    assert split_arguments(b"a=1 --  b=2 c") == ([Argument(b"a", b"1")], b"b=2 c", False)
    assert split_arguments(b"--=1 --x") == ([Argument(b"--", b"1"), Argument(b"--x", None)], b"", False)


@pytest.mark.parametrize(
    ("line", "lone"),
    [(b'"', True), (b'a "', True), (b'""', False), (b'a="b "', False), (b'-- "', False), (b'a="', False)],
)
def test_a_quote_alone_at_the_end_is_told(line: bytes, lone: bool) -> None:
    assert split_arguments(line).lone_quote is lone


def test_a_long_line_is_taken_apart_in_no_time() -> None:
    assert len(split_arguments(b'a="b" ' * 30_000)[0]) == 30_000
    assert len(split_arguments(b'"' * 200_001)[0]) == 1


# --- values


@pytest.mark.parametrize(
    ("value", "int_", "byte"),
    [
        (b"1", 0, 0),
        (b"", EINVAL, EINVAL),
        (b"abc", EINVAL, EINVAL),
        (b"1x", EINVAL, EINVAL),
        (b" 1", EINVAL, EINVAL),
        (b"1\n", 0, 0),
        (b"1\n\n", EINVAL, EINVAL),
        (b"+3", 0, 0),
        (b"-3", 0, EINVAL),
        (b"-0", 0, EINVAL),
        (b"-+3", EINVAL, EINVAL),
        (b"+-3", EINVAL, EINVAL),
        (b"-", EINVAL, EINVAL),
        (b"0x10", 0, 0),
        (b"0X1f", 0, 0),
        (b"0x", EINVAL, EINVAL),
        (b"0xg", EINVAL, EINVAL),
        (b"010", 0, 0),
        (b"08", EINVAL, EINVAL),
        (b"255", 0, 0),
        (b"256", 0, ERANGE),
        (b"2147483647", 0, ERANGE),
        (b"2147483648", ERANGE, ERANGE),
        (b"-2147483648", 0, EINVAL),
        (b"-2147483649", ERANGE, EINVAL),
        (b"18446744073709551615", ERANGE, ERANGE),
        (b"99999999999999999999x", ERANGE, ERANGE),
        (b"4294967296x", EINVAL, EINVAL),
        (b"0" * 100_000, 0, 0),
        (b"9" * 1_000_000, ERANGE, ERANGE),
    ],
)
def test_numbers(value: bytes, int_: int, byte: int) -> None:
    assert (integer_answer(value, 32, True), integer_answer(value, 8, False)) == (int_, byte)


def test_the_widest_numbers() -> None:
    assert integer_answer(b"18446744073709551615", 64, False) == 0
    assert integer_answer(b"18446744073709551616", 64, False) == ERANGE
    assert integer_answer(b"-9223372036854775808", 64, True) == 0
    assert integer_answer(b"-9223372036854775809", 64, True) == ERANGE


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        *[(value, True, True) for value in (b"1", b"y", b"Y", b"yes", b"yellow", b"on", b"oN", b"10")],
        *[(value, False, False) for value in (b"0", b"n", b"N", b"no", b"off", b"oF", b"01")],
        *[(value, None, None) for value in (b"", b"2", b"x", b"o", b"ox", b" 1", b"-1", "“y”".encode())],
        *[(value, None, True) for value in (b"true", b"T", b"enable", b"E")],
        *[(value, None, False) for value in (b"false", b"F", b"disable", b"D")],
    ],
)
def test_booleans(value: bytes, old: bool | None, new: bool | None) -> None:
    assert (truth(value, OLD), truth(value, NEW)) == (old, new)


def test_a_word_that_is_known_only_to_some_kernels_is_left_undecided() -> None:
    with pytest.raises(Undecided):
        truth(b"true", Words(None, False))
    assert truth(b"yes", Words(None, None)) is True


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (KernelParameter("p", "int"), None, EINVAL),
        (KernelParameter("p", "bool", needs_value=False), None, 0),
        (KernelParameter("p", "invbool"), None, EINVAL),
        (KernelParameter("p", None), b"1", None),
        (KernelParameter("p", None, needs_value=None), None, None),
        (KernelParameter("p", "charp"), b"a" * 1024, 0),
        (KernelParameter("p", "charp"), b"a" * 1025, ENOSPC),
        (KernelParameter("p", "string", room=4), b"abc", 0),
        (KernelParameter("p", "string", room=4), b"abcd", ENOSPC),
        (KernelParameter("p", "int", array_max=2), b"1,2", 0),
        (KernelParameter("p", "int", array_max=2), b"1,2,3", EINVAL),
        (KernelParameter("p", "int", array_max=2), b"1,", EINVAL),
        (KernelParameter("p", "int", array_max=2), b"1,99999999999,x", ERANGE),
        (KernelParameter("p", "charp", array_max=1), b"," + b"a" * 2000, EINVAL),
        (KernelParameter("p", None, array_max=2), b"1", None),
    ],
)
def test_set_functions(parameter: KernelParameter, value: bytes | None, expected: int | None) -> None:
    assert answer(parameter, value, NEW) == expected


def test_what_can_only_be_turned_on_cannot_be_turned_off() -> None:
    parameter = KernelParameter("p", "bool_enable_only", needs_value=False)
    assert answer(parameter, b"0", NEW) == 0
    assert answer(parameter, b"0", NEW, is_set=True) == EROFS


# --- what a module has


def in_tree(kernel_tree: Path, name: str) -> ModuleImage:
    return read_image(next(kernel_tree.glob(f"lib/modules/*/kernel/**/{name}.ko")).read_bytes())


def test_the_types_are_those_that_the_source_gave(kernel_tree: Path) -> None:
    """The build writes the same types into .modinfo, from the same macros."""
    compared = 0
    for name in ("bonding", "null_blk", "softdog", "scsi_debug", "ramoops", "xt_recent", "netconsole"):
        image = in_tree(kernel_tree, name)
        said = dict(entry.partition(":")[::2] for entry in image.modinfo.get("parmtype", ()))
        for parameter in parameters_of(image):
            if parameter.type is not None and parameter.name in said:
                array = "array of " if parameter.array_max is not None else ""
                assert said[parameter.name] == array + parameter.type
                compared += 1
    assert compared > 100


def test_sizes_and_flags_are_read(kernel_tree: Path) -> None:
    def parameter(module: str, name: str) -> KernelParameter:
        return next(each for each in parameters_of(in_tree(kernel_tree, module)) if each.name == name)

    # drivers/net/bonding/bond_main.c: BOND_MAX_ARP_TARGETS; drivers/net/netconsole.c: MAX_PARAM_LENGTH.
    assert parameter("bonding", "arp_ip_target")[:4] == ("arp_ip_target", "charp", True, 16)
    assert parameter("netconsole", "netconsole").room == 256
    # fs/pstore/ram.c: module_param_hw.
    assert parameter("ramoops", "mem_address").hardware
    assert parameter("softdog", "nowayout").needs_value is False
    assert parameter("null_blk", "queue_mode").type is None
    assert parameter("bonding", "num_grat_arp").permissions == 0o644


def test_a_module_without_parameters_has_none(kernel_tree: Path) -> None:
    assert parameters_of(in_tree(kernel_tree, "crc32_generic")) == ()


RELA = struct.Struct("<QQq")


def made(*parameters: tuple[str, str], flags: int = 0, cut: int = 0) -> ModuleImage:
    """Return a module with parameters (name, symbol of its ops; empty for ops of its own without a set function)."""
    names = b"".join(name.encode() + b"\0" for name, _ in parameters)
    starts = [names.index(name.encode() + b"\0") for name, _ in parameters]
    symbols = [ops for _, ops in parameters]
    strings = b"\0" + b"".join(symbol.encode() + b"\0" for symbol in symbols)
    # Symbols: the two sections .rodata (1) and .ops (2), then what is undefined.
    table = [struct.pack("<IBBHQQ", 0, 0, 0, section, 0, 0) for section in (0, 1, 2)]
    relocations = b""
    for number, symbol in enumerate(symbols):
        table.append(struct.pack("<IBBHQQ", strings.index(symbol.encode() + b"\0"), 16, 0, 0, 0, 0))
        relocations += RELA.pack(number * 40, 1 << 32 | 1, starts[number])
        relocations += RELA.pack(number * 40 + 16, (number + 3 if symbol else 2) << 32 | 1, 0)
    entries = struct.pack("<QQQHbB4xQ", 0, 0, 0, 0o644, -1, flags, 0) * len(parameters)
    this = b"\0" * 24 + b"hello".ljust(56, b"\0") + b"\0" * 48
    contents: list[tuple[str, int, int, int, int, bytes]] = [
        (".rodata", 1, 2, 0, 0, names),
        (".ops", 1, 2, 0, 0, b"\0" * (32 - cut)),
        ("__param", 1, 2, 0, 0, entries),
        (".rela__param", 4, 0, 5, 3, relocations),
        (".symtab", 2, 0, 6, 0, b"".join(table)),
        (".strtab", 3, 0, 0, 0, strings),
        (".gnu.linkonce.this_module", 1, 3, 0, 0, this),
    ]
    return ModuleImage(assembled(contents))


def assembled(contents: list[tuple[str, int, int, int, int, bytes]]) -> bytes:
    names, body, headers = b"\0", b"", b"\0" * 64
    all_names = b"\0" + b"".join(name.encode() + b"\0" for name, *_ in contents) + b".shstrtab\0"
    for name, kind, flags, link, about, content in [*contents, (".shstrtab", 3, 0, 0, 0, all_names)]:
        headers += struct.pack(
            "<IIQQQQIIQQ", len(names), kind, flags, 0, 64 + len(body), len(content), link, about, 1, 0
        )
        names += name.encode() + b"\0"
        body += content
    count = len(headers) // 64
    start = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", start, 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return header + body + headers


def test_ops_without_a_set_function_are_seen() -> None:
    [parameter] = parameters_of(made(("level", "")))
    assert (parameter.name, parameter.type, parameter.settable) == ("level", None, False)


def test_a_description_outside_its_section_is_malformed() -> None:
    with pytest.raises(MalformedModule):
        parameters_of(made(("level", ""), cut=30))


# --- the check

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
