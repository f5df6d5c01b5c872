"""`pyinsmod vm`: the kernel store and the disposable machines."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from pyinsmod.cli.arguments import ArgumentParser, positive_seconds
from pyinsmod.cli.guest import guest_content
from pyinsmod.cli.packages import need_machines
from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_LOST, EXIT_USAGE, complain, note
from pyinsmod.text import printable
from vm.cache import cache_root
from vm.catalogue import KERNELS
from vm.errors import MachineEnded, UnknownKernel, VmError
from vm.guest import frames
from vm.jobs import JOB_SECONDS, Job
from vm.kernel_store import fetch, fetched
from vm.run import laboratory
from vm.snapshot import prune

SHOWN_LAST_WORDS = 12
# COMMAND_LINE_SIZE is 2048 on x86 and arm64; the machine's own words take their part of it.
LONGEST_PARAMETERS = 1900


def run(argv: Sequence[str]) -> int:
    """Run `pyinsmod vm …`; the status of `run` and `shell` is the command's own, 3 for a lost machine."""
    options = parser().parse_args(argv)
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return action(options)
    except UnknownKernel as unknown:
        complain(str(unknown))
        return EXIT_USAGE
    except MachineEnded as ended:
        complain(str(ended))
        for line in ended.last_words[-SHOWN_LAST_WORDS:]:
            print(f"  guest: {printable(line)}", file=sys.stderr)
        return EXIT_LOST
    except VmError as failure:
        complain(str(failure))
        return EXIT_FAILED


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser("pyinsmod vm", "Kernels and throw-away machines to run them in.")
    actions = made.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="the kernels there are").set_defaults(action=_list)
    fetching = actions.add_parser("fetch", help="download a kernel")
    fetching.add_argument("kernel", metavar="KERNEL", nargs="+", help="a name of `pyinsmod vm list`")
    fetching.add_argument("--newest", action="store_true", help="ask the archive even if the store has one")
    fetching.set_defaults(action=_fetch)
    running = actions.add_parser(
        "run", help="run a command in a fresh machine", usage="pyinsmod vm run [options] KERNEL -- COMMAND [ARGUMENT…]"
    )
    running.add_argument("kernel", metavar="KERNEL", help="a name of `pyinsmod vm list`, or a release that was fetched")
    running.add_argument(
        "--put", action="append", default=[], metavar="FILE[:PATH]", help="copy FILE into the guest first"
    )
    running.add_argument("--get", action="append", default=[], metavar="PATH[:FILE]", help="copy PATH out afterwards")
    _add_append(running)
    running.add_argument("--timeout", type=positive_seconds, default=JOB_SECONDS, metavar="SECONDS")
    running.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, behind the two dashes")
    running.set_defaults(action=_run)
    shell = actions.add_parser("shell", help="look around in a fresh machine")
    shell.add_argument("kernel", metavar="KERNEL", help="as for run")
    _add_append(shell)
    shell.set_defaults(action=_shell)
    pruning = actions.add_parser("prune", help="remove the snapshots (and with --kernels the kernels)")
    pruning.add_argument("--kernels", action="store_true")
    pruning.set_defaults(action=_prune)
    return made


def _add_append(actions: argparse.ArgumentParser) -> None:
    actions.add_argument(
        "--append",
        default="",
        type=_kernel_parameters,
        metavar="WORDS",
        help="boot with these words on the kernel's command line, too, such as module.sig_enforce=1",
    )


def _kernel_parameters(words: str) -> str:
    if len(words.encode(errors="surrogateescape")) > LONGEST_PARAMETERS or not words.isprintable():
        raise argparse.ArgumentTypeError(f"wants one line of at most {LONGEST_PARAMETERS} bytes")
    return words


def _list(_: argparse.Namespace) -> int:
    width = max(map(len, KERNELS))
    for name in KERNELS:
        kernel = fetched(name)
        state = f"{kernel.release} ({kernel.version})" if kernel else "not fetched"
        print(f"{name:{width}} {state}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    for name in options.kernel:
        kernel = fetch(name, newest=options.newest)
        print(f"{kernel.name:10} {kernel.release} ({kernel.version}) in {kernel.root}")
    return 0


def _run(options: argparse.Namespace) -> int:
    try:
        files = dict(_file_to_put(argument) for argument in options.put)
    except OSError as failure:
        complain(f"--put {failure.filename}: {failure.strerror}")
        return EXIT_USAGE
    wanted = dict(_file_to_get(argument) for argument in options.get)
    job = Job(tuple(options.command), files=files, get=tuple(wanted), keeps_output=False, seconds=options.timeout)
    result = asyncio.run(_in_machine(options, job))
    for path, content in result[1].items():
        try:
            wanted[path].write_bytes(content)
        except OSError as failure:
            complain(f"--get {path}: cannot write {wanted[path]}: {failure.strerror}")
            return EXIT_FAILED
    for path, reason in result[2].items():
        complain(f"--get {path}: {reason} in the guest")
    return result[0] or (EXIT_FAILED if result[2] else 0)


def _shell(options: argparse.Namespace) -> int:
    if not sys.stdin.isatty():
        complain("vm shell wants a terminal; use vm run for scripts")
        return EXIT_USAGE
    size = shutil.get_terminal_size()
    size_of_terminal = (size.lines, size.columns)
    environment = {"TERM": "linux"}
    job = Job(
        ("sh", "-i"), terminal=size_of_terminal, keeps_output=False, seconds=float("inf"), environment=environment
    )
    before = termios.tcgetattr(0)
    for number in (signal.SIGTERM, signal.SIGHUP):  # the terminal is not to stay raw
        signal.signal(number, _end)
    try:
        return asyncio.run(_in_machine(options, job, on_start=lambda: tty.setraw(0)))[0]
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _prune(options: argparse.Namespace) -> int:
    freed = prune()
    print(f"snapshots removed, {freed >> 20} MiB freed")
    if options.kernels:
        for folder in ("kernels", "debs", "facts", "rows"):
            shutil.rmtree(cache_root() / folder, ignore_errors=True)
        print("kernels removed")
    return 0


async def _in_machine(
    options: argparse.Namespace, job: Job, on_start: Callable[[], object] = lambda: None
) -> tuple[int, dict[str, bytes], dict[str, str]]:
    need_machines()
    name = options.kernel
    kernel = await asyncio.to_thread(fetch, name) if fetched(name) is None else fetch(name)
    async with laboratory(kernel, guest_content(), note, options.append) as machines:
        on_start()
        result = await machines.run(job, on_output=_pass_through, stdin=0)
    return result.status, dict(result.files), dict(result.missing)


def _pass_through(kind: bytes, data: bytes) -> None:
    stream: IO[bytes] = sys.stdout.buffer if kind == frames.STDOUT else sys.stderr.buffer
    stream.write(data)
    stream.flush()


def _file_to_put(argument: str) -> tuple[str, bytes]:
    file, _, path = argument.partition(":")
    return path or Path(file).name, Path(file).read_bytes()


def _file_to_get(argument: str) -> tuple[str, Path]:
    path, _, file = argument.partition(":")
    return path, Path(file or Path(path).name)
