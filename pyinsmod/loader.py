"""Load one module: open, read, check, ask the kernel, verify, explain.

The only orchestrator; it reads like the steps of docs/loading-a-module.md, whose numbers stand beside them.
"""

from __future__ import annotations

import errno

from pyinsmod import module_syscalls
from pyinsmod.checks import run_checks
from pyinsmod.errors import MalformedModule, SystemCallFailed, UsageError, errno_name
from pyinsmod.explanation import Explanation, from_finding
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import KernelFacts, KernelPaths, running_kernel
from pyinsmod.kernel_facts.files import is_folder, writers_of
from pyinsmod.kernel_facts.privileges import asked_by_this_process
from pyinsmod.kernel_facts.running import kernel_compression, loaded_modules
from pyinsmod.lean import TYPE_CHECKING, Literal, NamedTuple
from pyinsmod.load_request import MODULE_INIT_COMPRESSED_FILE, LoadRequest
from pyinsmod.module_file import ModuleFile, opened_module
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.prediction import Prediction, decisive_finding, predict
from pyinsmod.text import pasteable

if TYPE_CHECKING:
    from pyinsmod.agreement import Agreement
    from pyinsmod.kernel_log import KernelLog, LogRecord

Syscall = Literal["auto", "finit_module", "init_module"]
LoadResult = Literal["loaded", "refused", "not-asked", "vanished"]


class LoadOptions(NamedTuple):
    """How to load: what to pass, which call to use, and whether to ask the kernel against the prediction."""

    request: LoadRequest = LoadRequest()
    syscall: Syscall = "auto"
    anyway: bool = False
    check: bool = True


class LoadOutcome(NamedTuple):
    """What became of a load.

    `outcome` is `loaded`, `refused` (by the kernel), `not-asked` (the prediction was bad) or `vanished` (the
    kernel said 0, and the module is not there). `errno` is the kernel's answer, or the one expected when it
    was not asked; `call` is the system call that decided, `log` what the kernel wrote meanwhile. `agreement`
    holds answer and prediction against each other; None where one of them is missing, or where both say that all
    is well.
    """

    file: str
    module: str | None
    outcome: LoadResult
    errno: str | None = None
    call: str | None = None
    explanation: Explanation | None = None
    log: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    prediction: Prediction | None = None
    facts: KernelFacts | None = None
    warnings: tuple[str, ...] = ()
    image: ModuleImage | None = None
    agreement: Agreement | None = None

    def to_json(self) -> dict[str, object]:
        """Return the one object that `--json` prints."""
        return {
            "schema": 1,
            "file": self.file,
            "module": self.module,
            "outcome": self.outcome,
            "errno": self.errno,
            "call": self.call,
            "cause": self.explanation.cause if self.explanation else None,
            "remedy": self.explanation.remedy if self.explanation else None,
            "log": list(self.log),
            "kernel": self.facts.to_json() if self.facts else None,
            "prediction": self.prediction.to_json() if self.prediction else None,
            "findings": [finding.to_json() for finding in self.findings],
            "agreement": self.agreement.to_json() if self.agreement else None,
            "warnings": list(self.warnings),
        }


def load(path: str, options: LoadOptions | None = None, paths: KernelPaths | None = None) -> LoadOutcome:
    """Check a module against the running kernel and load it.

    Raises:
        UnreadableModule: the file cannot be opened or read, or is no regular file.
        MalformedModule: the file is compressed and cannot be unpacked.
        UsageError: the options contradict each other.
    """
    options, paths = options or LoadOptions(), paths or KernelPaths()
    with opened_module(path) as file:  # steps 2 and 3
        image = _image_of(file, options)
        request = asked_by_this_process(_request(image, options, paths), paths, file.descriptor)
        options = options._replace(request=request)
        start = _examined(file, image, options, paths)
        decisive = decisive_finding(start.findings)
        if decisive is not None and not options.anyway:
            expected = start.prediction.errno if start.prediction else None
            why = from_finding(decisive)
            outcome = start._replace(outcome="not-asked", errno=expected, explanation=why)
        else:
            outcome = _ask_kernel(file, image, options, start, paths)
    if outcome.facts is not None:
        outcome.facts.keep()
    return outcome


def _image_of(file: ModuleFile, options: LoadOptions) -> ModuleImage | None:
    """Return the image, unpacked; without one the kernel may still be asked if that was wanted."""
    try:
        return read_image(file.content)
    except MalformedModule:
        if options.anyway or not options.check:
            return None
        raise


def _request(image: ModuleImage | None, options: LoadOptions, paths: KernelPaths) -> LoadRequest:
    """Return the request with what becomes of the file: the kernel gets it as it is, or what it unpacks to.

    A compressed file is given to a kernel that unpacks its format, unless its unpacker would not read this one.
    """
    packed = image.compression if image else None
    by_memory = options.syscall == "init_module"
    if packed is not None and options.syscall == "auto":
        by_memory = kernel_compression(paths).value != packed or _too_much_for_the_kernel(image, packed)
    return options.request._replace(compressed=packed is not None and not by_memory, by_memory=by_memory)


def _too_much_for_the_kernel(image: ModuleImage | None, packed: str) -> bool:
    from pyinsmod.compressed_stream import obstacle

    return image is None or obstacle(image.packed, packed, lambda _: None) is not None


def _examined(file: ModuleFile, image: ModuleImage | None, options: LoadOptions, paths: KernelPaths) -> LoadOutcome:
    """Return what is known before the kernel is asked."""
    facts = running_kernel(paths)
    start = LoadOutcome(file.path, image.known_name if image else None, "loaded", facts=facts, image=image)
    if not options.check or image is None:
        return start
    found = run_checks(image, facts, options.request)
    findings = tuple(finding.for_file(file.path, start.module) for finding in found)
    return start._replace(findings=findings, prediction=predict(findings))


def _ask_kernel(
    file: ModuleFile, image: ModuleImage | None, options: LoadOptions, start: LoadOutcome, paths: KernelPaths
) -> LoadOutcome:
    """Make the call, steps 4 to 14, between two looks at the kernel's log, and say what came of it."""
    from pyinsmod.kernel_log import KernelLog  # only for who asks the kernel

    log = KernelLog.from_now_on(paths.kmsg)
    try:
        call = _call(file, image, options)
        written = _lines_of(log, start.module, wait=False)
    except SystemCallFailed as failure:
        return _refused(failure, start, options, log)
    finally:
        if log is not None:
            log.close()
    return _verified(start._replace(call=call, log=written), paths)


def _refused(failure: SystemCallFailed, start: LoadOutcome, options: LoadOptions, log: KernelLog | None) -> LoadOutcome:
    from pyinsmod.explain import Circumstances, explain  # a big table, which a load that works does without

    lines = _lines_of(log, start.module)
    around = Circumstances(
        findings=start.findings,
        log=lines,
        log_was_read=log is not None,
        checked=start.prediction is not None,
        caller_may_load=options.request.caller_may_load,
        policies=options.request.policies,
        writers=writers_of(start.file) if failure.errno == errno.ETXTBSY else (),
    )
    if start.facts is not None:
        around = around._replace(modules_disabled=start.facts.modules_disabled)
    explanation = explain(failure, around)
    if explanation.remedy is not None:
        explanation = explanation._replace(remedy=pasteable(explanation.remedy, start.file, start.module))
    name = errno_name(failure.errno)
    refused = start._replace(outcome="refused", errno=name, call=failure.call, log=lines, explanation=explanation)
    return refused._replace(agreement=_compared(refused))


def _compared(outcome: LoadOutcome) -> Agreement | None:
    """Hold the kernel's answer against the prediction, if there was one."""
    if outcome.prediction is None:
        return None
    from pyinsmod.agreement import Answer, compare

    answer = Answer("refused" if outcome.outcome == "refused" else "loaded", outcome.errno, outcome.log)
    return compare(outcome.prediction, outcome.findings, answer)


def _call(file: ModuleFile, image: ModuleImage | None, options: LoadOptions) -> str:
    """Make the one system call that suits file, kernel and options; return its name."""
    request = options.request
    packed = image.compression if image else None
    if not request.by_memory:
        flags = request.force_flags | (MODULE_INIT_COMPRESSED_FILE if request.compressed else 0)
        try:
            module_syscalls.finit_module(file.descriptor, request.parameters, flags)
        except SystemCallFailed as failure:
            # finit_module came with 3.8, and its flag for compressed files with 5.17.
            if failure.errno != errno.ENOSYS or options.syscall != "auto" or request.force_flags:
                raise
        else:
            return "finit_module"
    if request.force_flags:
        raise UsageError(
            f"{file.path}: force flags need finit_module, which cannot unpack here; do that first: {packed} -dk FILE"
        )
    module_syscalls.init_module(bytes(image.data) if image else file.content, request.parameters)
    return "init_module"


def _lines_of(log: KernelLog | None, module: str | None, *, wait: bool = True) -> tuple[str, ...]:
    """Return what the kernel wrote for this load since the cursor was set."""
    if log is None:
        return ()
    records = log.collect() if wait else log.collect(0)
    return tuple(record.text for record in records if belongs_to(module, record))


def belongs_to(module: str | None, record: LogRecord) -> bool:
    """Tell whether a record may be of this load: not what programs wrote, nor what other tasks did meanwhile.

    Who wrote a record is known with CONFIG_PRINTK_CALLER only; a line that names the module stays in any case.
    """
    if not record.from_kernel or not record.caller:
        return record.from_kernel
    from threading import get_native_id  # not free, and hardly ever asked for

    others = record.caller.startswith("T") and record.caller != f"T{get_native_id()}"
    return not others or bool(module and module in record.text)


def _verified(outcome: LoadOutcome, paths: KernelPaths) -> LoadOutcome:
    """Look for the module where step 11 says it is."""
    if outcome.prediction is not None and outcome.prediction.bad:
        outcome = outcome._replace(agreement=_compared(outcome))
    name, loaded = outcome.module, loaded_modules(paths)
    if name is None or loaded.value is None:
        why = loaded.source if name else "its name could not be read from the file"
        return outcome._replace(warnings=(f"the kernel reports success; not verified: {why}",))
    if name not in loaded.value:
        cause = f"the kernel reports success, but '{name}' is not in {paths.modules}: it was removed at once"
        return outcome._replace(outcome="vanished", explanation=Explanation(cause, "dmesg | tail"))
    if not is_folder(f"{paths.sys_module}/{name}"):
        return outcome._replace(warnings=(f"loaded, but {paths.sys_module}/{name} is missing",))
    return outcome
