"""`pyinsmod try` without a machine: usage, the default kernel, words, JSON and exit status made from a trial."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.cli import main, try_kernels
from pyinsmod.cli.reality import Reality
from pyinsmod.cli.trial import Foretold, Subject, Trial
from pyinsmod.cli.try_kernels import TryKernel, default_kernel
from pyinsmod.cli.try_module import as_json, exit_status, lines
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import predict
from vm.catalogue import default_kernel as native_default
from vm.kernel_store import Kernel

FACTS = KernelFacts(name="6.1", release="6.1.0-50-cloud-amd64", vermagic=Fact("6.1.0-50-cloud-amd64 SMP ", "test"))
STORED = Kernel("6.1", FACTS.release, "1", Path("/nowhere"), (), "", 0)
KERNEL = TryKernel("6.1", STORED, OtherKernel(FACTS, None))
SUBJECT = Subject("some/m.ko", b"", ModuleImage(b""), "who=x")
MAGIC = Finding("vermagic", 7, "refuses", "it lacks 'SMP'", "ENOEXEC", "6.1 ", "6.1 SMP ", "make")
SYMBOL = Finding("symbols", 9, "refuses", "unknown symbol 'x'", "ENOENT")


def trial(
    *findings: Finding, reality: Reality | None = None, lost: str | None = None, first: tuple[str, ...] = ()
) -> Trial:
    return Trial(KERNEL, SUBJECT, Foretold(FACTS, first, findings, predict(findings)), reality, lost)


@pytest.mark.parametrize(
    "arguments",
    [[], ["m.ko", "--timeout", "0"], ["m.ko", "--timeout", "soon"], ["m.ko", "--nonsense"], ["--kernel"]],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("path", "words"),
    [("/nonexistent.ko", "no such file"), ("/dev/null", "a device"), ("/tmp", "a folder")],  # noqa: S108
)
def test_a_file_that_cannot_be_read_is_one_line(path: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", path]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


def test_an_unknown_kernel_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.ko").write_bytes(b"hello")
    assert main(["try", str(tmp_path / "m.ko"), "--kernel", "no-such-kernel"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "no-such-kernel" in err


@pytest.mark.parametrize(
    ("vermagic", "chosen"),
    [
        (None, "6.1"),
        ("6.1.0-50-cloud-amd64 SMP ", "6.1"),
        ("6.1.0-1-cloud-amd64 SMP ", "6.1"),
        ("6.1.0-1-rt-amd64 SMP preempt_rt ", "6.1-rt"),
        ("7.2.1-custom SMP ", "7.2"),
        ("4.4.0 SMP ", "6.1"),
        ("garbage", "6.1"),
    ],
)
def test_without_a_kernel_it_is_the_one_the_module_was_built_for(
    vermagic: str | None, chosen: str, build_module: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(try_kernels, "fetched", lambda name: STORED if name == "6.1" else None)
    assert default_kernel(ModuleImage(build_module(vermagic=vermagic))) == chosen


def test_a_file_that_is_no_module_is_tried_on_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_kernels, "fetched", lambda _: None)
    assert default_kernel(ModuleImage(b"hello")) == native_default()


def test_a_refusal_foretold_is_shown_with_its_values_and_agreement() -> None:
    answer = Reality("refused", "ENOEXEC", ("m: version magic '6.1 ' should be '6.1 SMP '",), 0.25)
    assert list(lines(trial(MAGIC, SYMBOL, reality=answer, first=("mii", "usbnet")))) == [
        "6.1 (6.1.0-50-cloud-amd64)",
        "  loaded first: mii, usbnet",
        "  prediction: refused ENOEXEC at step 7: it lacks 'SMP'",
        "    module: 6.1",
        "    kernel: 6.1 SMP",
        "                ^^^",
        "    do: make",
        "  refuses: unknown symbol 'x'",
        "  kernel: refused ENOEXEC after 0.25 s",
        "  log: m: version magic '6.1 ' should be '6.1 SMP '",
        "  prediction and kernel agree",
    ]


def test_a_difference_is_said_plainly() -> None:
    text = list(lines(trial(MAGIC, reality=Reality("loaded"))))
    assert text[-1] == (
        "  THEY DIFFER: predicted: refused ENOEXEC at step 7; kernel: loaded; please report it: pyinsmod check --report"
        " --kernel 6.1 some/m.ko"
    )


def test_what_init_returned_is_inits() -> None:
    text = list(lines(trial(reality=Reality("refused", "ENODEV", ("m: hello",), 0.1, init_reached=True))))
    assert "  kernel: refused ENODEV after 0.10 s: that is what its init function returned" in text
    assert "  log: m: hello" in text
    assert text[-1] == "  prediction and kernel agree"


def test_of_a_crash_only_the_telling_lines_are_shown() -> None:
    noise = [f"[ 1.0] R{number:02}: 0000" for number in range(100)]
    words = ("[ 1.0] BUG: kernel NULL pointer dereference", *noise, "[ 1.0] RIP: 0010:init_module+0x1/0x2 [m]")
    text = list(lines(trial(reality=Reality("crashed-kernel", log=words, init_reached=True))))
    assert text[2:] == [
        "  kernel: crashed, in its init function",
        "  log: BUG: kernel NULL pointer dereference",
        "  log: RIP: 0010:init_module+0x1/0x2 [m]",
        "  prediction and kernel agree",
    ]


def test_a_hang_leaves_open_what_was_not_foretold() -> None:
    text = list(lines(trial(reality=Reality("hung", log=("one", "two", "three", "four")))))
    assert text[2:] == [
        "  kernel: no answer: it hangs",
        *("  log: two", "  log: three", "  log: four"),
        "  the prediction left it open",
    ]


def test_a_long_log_is_cut_and_nothing_steers_the_terminal() -> None:
    text = list(lines(trial(reality=Reality("loaded", log=("\x1b[2J" + "x" * 10_000,) * 1000))))
    assert len(text) < 30
    assert all(line.isprintable() and len(line) < 600 for line in text)


def test_exit_status_is_that_of_the_worst() -> None:
    loaded, refused = trial(reality=Reality("loaded")), trial(reality=Reality("refused", "EINVAL"))
    assert exit_status([loaded]) == 0
    assert exit_status([loaded, refused]) == 1
    assert exit_status([loaded, trial(reality=Reality("hung"))]) == 1
    assert exit_status([refused, trial(lost="QEMU ended")]) == 3


def test_json_has_the_prediction_beside_the_reality() -> None:
    answer = Reality("refused", "ENOEXEC", ("line",), 0.3)
    out = json.loads(json.dumps(as_json(SUBJECT, [trial(MAGIC, reality=answer), trial(lost="QEMU ended")])))
    first, second = out["results"]
    assert (out["schema"], [kernel["name"] for kernel in out["kernels"]]) == (1, ["6.1"])
    assert (first["file"], first["kernel"], first["parameters"]) == ("some/m.ko", "6.1", "who=x")
    assert first["prediction"] == {"outcome": "refused", "errno": "ENOEXEC", "step": 7, "log": None}
    assert {"outcome": "refused", "errno": "ENOEXEC", "log": ["line"], "seconds": 0.3}.items() <= first[
        "reality"
    ].items()
    assert first["agreement"]["agrees"] is True
    assert (second["reality"], second["lost"], second["agreement"]) == (None, "QEMU ended", None)
