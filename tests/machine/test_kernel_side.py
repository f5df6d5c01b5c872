"""The kernel's side of a trace, on kernels whose trace instances have a function graph (7.2) and have none (6.1)."""

from __future__ import annotations

import io
import json
import lzma
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.module_image import read_image
from tests.trace_events import problems_of
from tracer.experiments.init_code import Init
from tracer.experiments.module_spec import ModuleSpec, build
from tracer.perfetto import KERNEL_TRACK, PerfettoWriter
from tracer.records import Records, read
from vm.jobs import JobResult
from vm.kernel_store import fetch

pytestmark = pytest.mark.machine

InMachine = Callable[..., JobResult]

KERNELS = ("6.1", "7.2")
GUEST = Path(__file__).parent / "guest"
TRACE = ("pyinsmod", "trace", "--kernel-events", "--calls", "module-loading")
MICROSECOND = 1000
EINVAL, ENOEXEC = 22, 8


WAYS = {
    "the command ends": 0,
    "the command is killed": 137,
    "no such command": 127,
    "an exception": 0,
    "^C": 130,
    "SIGTERM": 143,
    "SIGTERM while it begins": 143,
    "SIGTERM of a quick one": 143,
    "somebody else traces": 0,
    "watch: ^C": 0,
    "watch: SIGTERM": 143,
}
KILLED = ("SIGKILL", "SIGKILL of a quick one", "watch: SIGKILL")
TOGETHER = 3  # ways that are gone through in one machine, whose time is limited


@pytest.fixture(scope="session", params=KERNELS)
def endings(request: pytest.FixtureRequest, in_machine: InMachine) -> dict[str, Any]:
    """What every way of ending a trace left behind, on one kernel."""
    script = (GUEST / "endings.py").read_bytes()
    ways, found = [*WAYS, *KILLED], {}
    for first in range(0, len(ways), TOGETHER):
        command = ["python3", "endings.py", *ways[first : first + TOGETHER]]
        result = in_machine(command, {"endings.py": script}, request.param)
        assert result.status == 0, result.stderr
        found.update(json.loads(result.stdout))
    return found


@pytest.mark.parametrize(("way", "status"), WAYS.items())
def test_tracefs_is_as_before_however_a_trace_ends(endings: dict[str, Any], way: str, status: int) -> None:
    assert endings[way] == {"status": status, "differs": {}}


@pytest.mark.parametrize("way", KILLED)
def test_what_a_killed_tracer_left_the_next_one_removes(endings: dict[str, Any], way: str) -> None:
    assert endings[way]["status"] == 137
    assert endings[way]["left"]
    assert endings[way]["differs"] == {}


def traced(
    in_machine: InMachine, kernel: str, command: Sequence[str], files: dict[str, bytes], *options: str
) -> Records:
    job = [*TRACE, "--format", "json", *options, "-o", "/tmp/r", "--", *command]  # noqa: S108 - a guest's
    result = in_machine(job, files, kernel, get=("/tmp/r",))  # noqa: S108
    assert "/tmp/r" in result.files, result.stderr  # noqa: S108
    return read(result.files["/tmp/r"].decode().splitlines())  # noqa: S108


def calls(trace: Records, name: str) -> list[dict[str, Any]]:
    return [record for record in trace.of_type("kernel_call") if record["name"] == name]


def span(record: dict[str, Any]) -> tuple[int, int]:
    return record["t"], record["t"] + record["duration"]


def assert_inside(inner: dict[str, Any], outer: dict[str, Any]) -> None:
    """Begin after, end before; the kernel's text has microseconds."""
    assert span(outer)[0] - MICROSECOND <= span(inner)[0]
    assert span(inner)[1] <= span(outer)[1] + 2 * MICROSECOND


LOADERS = {"kmod": ("insmod",), "busybox": ("busybox", "insmod"), "toybox": ("toybox", "insmod")}


@pytest.fixture(scope="session")
def timelines(in_machine: InMachine) -> Callable[[str, str], Records]:
    """A function that loads dummy.ko with one loader on one kernel, once (modprobe: nft_ct), and returns the trace."""
    kept: dict[tuple[str, str], Records] = {}

    def timeline(kernel: str, loader: str) -> Records:
        if (kernel, loader) not in kept:
            command, files = ["modprobe", "nft_ct"], {}
            if loader in LOADERS:
                command, files = [*LOADERS[loader], "dummy.ko"], {"dummy.ko": dummy(kernel)}
            kept[kernel, loader] = traced(in_machine, kernel, command, files)
        return kept[kernel, loader]

    return timeline


def dummy(kernel: str) -> bytes:
    """Return the kernel's own dummy.ko, unpacked."""
    return unpacked(kernel, "dummy")


def unpacked(kernel: str, module: str) -> bytes:
    """Return the file of one of the kernel's own modules, unpacked."""
    files = fetch(kernel).modules.rglob("*.ko*")
    (path,) = (one for one in files if one.name.partition(".")[0].replace("-", "_") == module)
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("loader", LOADERS)
class TestOneTimeline:
    def test_both_sides_of_the_border_nest(
        self, timelines: Callable[[str, str], Records], kernel: str, loader: str
    ) -> None:
        trace = timelines(kernel, loader)
        (call,) = [one for one in trace.of_type("syscall") if one["name"].endswith("init_module") and not one["errno"]]
        chain = [call]
        for name in ("load_module", "do_init_module", "do_one_initcall", "dummy_init_module"):
            (inner,) = calls(trace, name)
            assert_inside(inner, chain[-1])
            chain.append(inner)
        assert chain[-1]["module"] == "dummy"

    def test_events_logs_and_states_stand_between(
        self, timelines: Callable[[str, str], Records], kernel: str, loader: str
    ) -> None:
        trace = timelines(kernel, loader)
        events = {record["name"]: record["t"] for record in trace.of_type("kernel_event")}
        assert events["module_load"] <= events["initcall_start"] <= events["initcall_finish"]
        (load,) = calls(trace, "load_module")
        assert load["t"] <= events["module_load"] <= span(load)[1]
        (uevent,) = (one for one in trace.of_type("uevent") if one["devpath"] == "/module/dummy")
        assert "sent_after" not in uevent
        assert load["t"] <= uevent["t"] <= span(load)[1]  # the kernel's time of sending, not ours of reading
        states = {
            one["moment"]: (one["proc_modules"] or {}).get("state")
            for one in trace.of_type("state")
            if one["what"] == "module"
        }
        assert (states["entry"], states["exit"], states["after"]) == (None, "Live", "Live")

    def test_the_probes_say_what_for(self, timelines: Callable[[str, str], Records], kernel: str, loader: str) -> None:
        trace = timelines(kernel, loader)
        asked = {one["args"]["name"] for one in calls(trace, "resolve_symbol")}
        assert asked == {symbol.name for symbol in read_image(dummy(kernel)).undefined_symbols}
        assert [one["args"]["module"] for one in calls(trace, "do_init_module")] == ["dummy"]
        assert {one["return"] for one in calls(trace, "load_module")} == {0}
        assert trace.header["kernel_side"]["clock_error_ns"] == MICROSECOND


@pytest.mark.parametrize("kernel", KERNELS)
def test_modprobe_with_its_dependencies(timelines: Callable[[str, str], Records], kernel: str) -> None:
    trace = timelines(kernel, "modprobe")
    loaded = [one["args"]["module"] for one in calls(trace, "do_init_module")]
    assert len(loaded) >= 4
    assert loaded[-1] == "nft_ct"
    assert loaded == [one["fields"]["module"] for one in trace.of_type("kernel_event") if one["name"] == "module_load"]
    own = {one["module"] for one in trace.of_type("kernel_call") if "module" in one}
    assert {"nf_tables", "nft_ct"} <= own
    begun = [one["text"] for one in trace.of_type("kernel_event") if one["name"] == "initcall_start"]
    for module, text in zip(loaded, begun, strict=True):
        function = text.partition("=")[2].partition("+")[0]
        # An address without a name: init's memory was free again. A name has to be the right one.
        assert function.startswith("0x") or function in init_names(kernel, module)
    assert any(text.startswith("func=nft_ct_module_init+") for text in begun)


def init_names(kernel: str, module: str) -> set[str]:
    """Return what a module's file calls its init function."""
    image = read_image(unpacked(kernel, module))
    init = next(symbol for symbol in image.symbols if symbol.name == "init_module")
    return {one.name for one in image.symbols if (one.section, one.value) == (init.section, init.value)}


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_a_refusal_returned_on_its_way_out(in_machine: InMachine, kernel: str) -> None:
    module = build(ModuleSpec(faults=("vermagic-without:SMP",)), fetch(kernel).root)
    trace = traced(in_machine, kernel, ["insmod", "m.ko"], {"m.ko": module})
    assert [one["return"] for one in calls(trace, "load_module")] == [-ENOEXEC]
    assert calls(trace, "do_init_module") == []


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_init_returned(in_machine: InMachine, kernel: str) -> None:
    module = build(ModuleSpec(init=Init(returns=-EINVAL)), fetch(kernel).root)
    trace = traced(in_machine, kernel, ["insmod", "m.ko"], {"m.ko": module})
    for name in ("do_one_initcall", "do_init_module", "load_module"):
        assert [one["return"] for one in calls(trace, name)] == [-EINVAL], name
    assert [one["args"]["module"] for one in calls(trace, "free_module")] == ["mymod"]
    taints = {one["moment"]: one["flags"] for one in trace.of_type("state") if one["what"] == "taint"}
    assert taints["before"] == []
    assert any(flag.startswith("E") for flag in taints["after"])


@pytest.mark.parametrize("kernel", KERNELS)
def test_beside_somebody_else_the_probes_alone_show_the_functions(in_machine: InMachine, kernel: str) -> None:
    script = "echo function > /sys/kernel/tracing/current_tracer"
    job = [*TRACE, "--format", "json", "-o", "/tmp/r", "--", "insmod", "m.ko"]  # noqa: S108
    module = build(ModuleSpec(), fetch(kernel).root)
    result = in_machine(job, {"m.ko": module}, kernel, get=("/tmp/r",), prepare=[("sh", "-c", script)])  # noqa: S108
    trace = read(result.files["/tmp/r"].decode().splitlines())  # noqa: S108
    (load,) = calls(trace, "load_module")
    (init,) = calls(trace, "do_init_module")
    assert_inside(init, load)
    assert (load["return"], init["args"]["module"]) == (0, "mymod")
    graph = "no_function_graph" not in trace.header["kernel_side"]
    assert graph == (kernel == "7.2")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("loader", [*LOADERS, "modprobe"])
class TestInAViewer:
    """The whole of a trace as trace events; what a viewer makes of them people have to look at."""

    def test_every_record_is_there_and_calls_nest(
        self, timelines: Callable[[str, str], Records], kernel: str, loader: str
    ) -> None:
        trace = timelines(kernel, loader)
        events = trace_events(trace)
        assert problems_of(events) == []
        shown = Counter(event["cat"] for event in events if event["ph"] in {"X", "i"})
        wanted = Counter(record["type"] for record in trace.records)
        assert shown == Counter({CATEGORIES.get(kind, kind): count for kind, count in wanted.items()}) + Counter(
            ["trace"]
        )
        modules = {event["args"]["args"]["module"] for event in events if event["name"] == "do_init_module"}
        assert modules >= ({"dummy"} if loader in LOADERS else {"nf_tables", "nft_ct"})

    def test_the_kernels_functions_stand_below_the_call_that_made_them_run(
        self, timelines: Callable[[str, str], Records], kernel: str, loader: str
    ) -> None:
        events = [event for event in trace_events(timelines(kernel, loader)) if event["ph"] == "X"]
        loading = [event for event in events if event["cat"] == "syscall" and "init_module" in event["name"]]
        assert loading
        for function in [event for event in events if event["name"] == "load_module"]:
            around = [
                call for call in loading
                if call["ts"] - 1 <= function["ts"] and function["ts"] + function["dur"] <= call["ts"] + call["dur"] + 2
            ]  # fmt: skip
            assert [(call["pid"], call["tid"] + KERNEL_TRACK) for call in around] == [
                (function["pid"], function["tid"])
            ]


#: What some records are called in a viewer.
CATEGORIES = {"kernel_call": "kernel"}


def trace_events(trace: Records) -> list[dict[str, Any]]:
    """Return a trace as `--format perfetto` writes it."""
    stream = io.StringIO()
    writer = PerfettoWriter(stream)
    for record in (trace.header, *trace.records):
        writer.write(record)
    writer.close()
    events: list[dict[str, Any]] = json.loads(stream.getvalue())
    return events


def test_trace_events_of_a_load_are_sound(in_machine: InMachine) -> None:
    job = [*TRACE, "--format", "perfetto", "-o", "/tmp/r", "--", "insmod", "dummy.ko"]  # noqa: S108
    result = in_machine(job, {"dummy.ko": dummy("6.1")}, get=("/tmp/r",))  # noqa: S108
    events = json.loads(result.files["/tmp/r"])  # noqa: S108
    assert problems_of(events) == []
    names = {event["name"] for event in events if event["ph"] == "X"}
    assert {"finit_module dummy.ko", "load_module", "dummy_init_module"} <= names
