"""`pyinsmod try FILE [NAME=VALUE…]`: load a module for real, in disposable machines, and hold the prediction to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from pyinsmod.agreement import in_words
from pyinsmod.cli.arguments import ArgumentParser, positive_seconds
from pyinsmod.cli.choices import SEVERAL, spelt_out
from pyinsmod.cli.machines import MachineRoom, add_scheduler, machine_room
from pyinsmod.cli.reality import SECONDS, Reality
from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_LOST, complain
from pyinsmod.cli.trial import Foretold, Subject, Trial, try_on
from pyinsmod.cli.try_kernels import TryKernel, default_kernel, try_kernel
from pyinsmod.errors import MalformedModule
from pyinsmod.explanation import from_finding
from pyinsmod.module_file import opened_module
from pyinsmod.module_image import read_image
from pyinsmod.text import printable, shell_word, shortened
from vm.errors import VmError

# Of a log the text shows so many lines; a module may write thousands.
MOST_LINES = 20
MOST_OTHERS = 5
# Of a machine that gives no answer, the last lines of its console.
LAST_LINES = 3


def run(argv: Sequence[str]) -> int:
    """Try a module; exit status 0 loaded on all kernels, 1 not, 2 usage, 3 a machine was lost."""
    options = parser().parse_intermixed_args(argv)
    subject = _subject(options.file, options.parameters)
    try:
        with machine_room(options.scheduler) as room:
            names = spelt_out(options.kernel or [default_kernel(subject.image)])
            kernels = [try_kernel(name) for name in names]
            trials = asyncio.run(_try(subject, kernels, room, options.timeout, speak=not options.json))
    except VmError as failure:
        complain(str(failure))
        return EXIT_LOST
    if options.json:
        import json

        print(json.dumps(as_json(subject, trials)))
        for trial in trials:
            if trial.lost:
                complain(f"kernel {trial.kernel.name}: the machine was lost: {trial.lost}")
    return exit_status(trials)


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser(
        "pyinsmod try",
        "Load a module for real in a disposable machine, and show the prediction beside what happens. This system "
        "is not touched, and neither root nor KVM is needed.",
    )
    add = made.add_argument
    add("file", metavar="FILE", help="a module, packed or not")
    add("parameters", metavar="NAME=VALUE", nargs="*", default=(), help="parameters of the module")
    add(
        "--kernel",
        metavar="K",
        action="append",
        help=f"a name of 'pyinsmod vm list', an exact release, an unpacked kernel package or a .deb; {SEVERAL}. "
        "Without it: the kernel of 'pyinsmod vm list' whose release or series the module was built "
        "for, else 6.1",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=positive_seconds,
        default=SECONDS,
        help="after so long it hangs (%(default)g)",
    )
    add_scheduler(made)
    add("--json", action="store_true", help="print one JSON object and nothing else")
    return made


def _subject(path: str, parameters: Sequence[str]) -> Subject:
    with opened_module(path) as file:
        try:
            return Subject(path, file.content, read_image(file.content), " ".join(parameters))
        except MalformedModule as error:
            raise MalformedModule(f"{path}: {error}") from error


async def _try(
    subject: Subject, kernels: Sequence[TryKernel], room: MachineRoom, seconds: float, *, speak: bool
) -> list[Trial]:
    """Try on all kernels side by side; say what came of each in the order they were named, as soon as possible."""
    places = asyncio.Semaphore(room.places)
    running = [asyncio.create_task(try_on(kernel, subject, room, places, seconds)) for kernel in kernels]
    trials: list[Trial] = []
    for task in running:
        trial = await task
        trials.append(trial)
        if speak:
            print("\n".join(lines(trial)), flush=True)
    return trials


def exit_status(trials: Sequence[Trial]) -> int:
    """Return 3 if a machine was lost, else 1 if the module was not loaded on all kernels, else 0."""
    if any(trial.reality is None for trial in trials):
        return EXIT_LOST
    return 0 if all(trial.reality and trial.reality.outcome == "loaded" for trial in trials) else EXIT_FAILED


def as_json(subject: Subject, trials: Sequence[Trial]) -> dict[str, object]:
    """Return the one object that `--json` prints: that of `check`, with `reality` beside each prediction."""
    kernels = {trial.kernel.name: trial.foretold.facts.to_json() for trial in trials}
    return {"schema": 1, "kernels": list(kernels.values()), "results": [_result(subject, trial) for trial in trials]}


def _result(subject: Subject, trial: Trial) -> dict[str, object]:
    agreement = trial.agreement
    return {
        "file": subject.path,
        "module": subject.image.known_name,
        "kernel": trial.kernel.name,
        "parameters": subject.parameters,
        "loaded_first": list(trial.foretold.first),
        "complaint": trial.reality.complaint if trial.reality else None,
        "prediction": trial.foretold.prediction.to_json(),
        "findings": [finding.to_json() for finding in trial.foretold.findings],
        "reality": trial.reality.to_json() if trial.reality else None,
        "lost": trial.lost,
        "agreement": agreement.to_json() if agreement else None,
    }


def lines(trial: Trial) -> Iterator[str]:
    """Yield one kernel's block of text, escaped."""
    release = trial.kernel.known.facts.release
    name = trial.kernel.name
    yield printable(f"{name} ({release})" if release != name else name)
    if trial.foretold.first:
        yield printable(f"  loaded first: {', '.join(trial.foretold.first)}")
    yield from _foretold(trial.foretold)
    if trial.reality is None:
        yield printable(f"  machine lost: {trial.lost}")
        return
    if trial.reality.complaint:
        yield printable(f"  not loaded first: {trial.reality.complaint}")
    yield from map(printable, _real(trial.reality))
    yield _verdict(trial)


def _foretold(foretold: Foretold) -> Iterator[str]:
    """Yield the prediction with its reason, then what else is wrong."""
    import sys

    from pyinsmod.cli.wording import colours, reason_lines
    from pyinsmod.prediction import decisive_finding

    decisive = decisive_finding(foretold.findings)
    reason = f": {shortened(from_finding(decisive).cause)}" if decisive else ""
    yield printable(f"  prediction: {in_words(foretold.prediction)}{reason}")
    if decisive:
        why = from_finding(decisive)
        yield from (f"  {line}" for line in reason_lines(why, colour=colours(sys.stdout)))
    others = [finding for finding in foretold.findings if finding is not decisive]
    yield from (printable(f"  {each.severity}: {shortened(each.summary)}") for each in others[:MOST_OTHERS])
    if len(others) > MOST_OTHERS:
        yield f"  and {len(others) - MOST_OTHERS} more findings (--json has them)"


def _real(real: Reality) -> Iterator[str]:
    """Yield what happened; of a crash and of silence only the lines that tell."""
    from pyinsmod.last_words import telling_lines

    took = f" after {real.seconds:.2f} s" if real.seconds is not None else ""
    if real.outcome == "crashed-kernel":
        where = "in its init function" if real.init_reached else "before its init function"
        yield f"  kernel: crashed, {where}"
        yield from (f"  log: {line}" for line in telling_lines(real.log))
        return
    if real.outcome == "hung":
        yield f"  kernel: no answer{' from its init function' if real.init_reached else ''}: it hangs"
        yield from (f"  log: {line}" for line in telling_lines(real.log) or real.log[-LAST_LINES:])
        return
    if real.outcome == "loaded":
        yield f"  kernel: loaded{took}"
    elif real.init_reached:
        yield f"  kernel: refused {real.errno}{took}: that is what its init function returned"
    else:
        yield f"  kernel: refused {real.errno}{took}"
    yield from (f"  log: {shortened(line)}" for line in real.log[:MOST_LINES])
    if len(real.log) > MOST_LINES:
        yield f"  log: … and {len(real.log) - MOST_LINES} more lines (--json has them)"


def _verdict(trial: Trial) -> str:
    agreement = trial.agreement
    if agreement is None or agreement.agrees is None:
        return "  the prediction left it open"
    if agreement.agrees:
        return "  prediction and kernel agree"
    command = f"pyinsmod check --report --kernel {shell_word(trial.kernel.name)} {shell_word(trial.subject.path)}"
    return printable(
        f"  THEY DIFFER: predicted: {agreement.predicted}; kernel: {agreement.real}; please report it: {command}"
    )
