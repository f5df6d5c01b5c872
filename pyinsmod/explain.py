"""errno + log + findings → the cause in one line, the two values that differ, and what to do."""

from __future__ import annotations

import os

from pyinsmod.errno_causes import CAUSES, ONLY_THE_LOADER, ErrnoCause
from pyinsmod.errors import SystemCallFailed, errno_name
from pyinsmod.explanation import Explanation, from_finding, note_on
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.policies import Policy
from pyinsmod.kernel_messages import Recognised, recognise
from pyinsmod.lean import NamedTuple, Sequence
from pyinsmod.prediction import decisive_finding, predict

NOT_LOOKED_AT: Fact[bool] = unknown("not looked at")

# include/linux/err.h: MAX_ERRNO. A larger number is none: only an init function can have returned it.
MAX_ERRNO = 4095


class Circumstances(NamedTuple):
    """What is known beside the answer itself: what matters when one errno has several reasons.

    `policies` are those in force that may refuse this process, `writers` who has the file open for writing.
    """

    findings: Sequence[Finding] = ()
    log: Sequence[str] = ()
    log_was_read: bool = True
    checked: bool = True
    caller_may_load: Fact[bool] = NOT_LOOKED_AT
    modules_disabled: Fact[bool] = NOT_LOOKED_AT
    policies: Sequence[Policy] = ()
    writers: Sequence[str] = ()


def explain(failure: SystemCallFailed, around: Circumstances) -> Explanation:
    """Return the cause of a refused load: by the log, else by the prediction, else by the errno."""
    name = errno_name(failure.errno)
    recognised = recognise(around.log, name)
    finding = _finding_for(name, recognised, around)
    if finding is not None:
        return from_finding(finding)
    if recognised is not None:
        return _from_log(recognised)
    if name == "EPERM":
        return _not_permitted(failure, around)
    if name == "EACCES":
        return _by_policy(name, around) or _from_table(name)
    if name == "ETXTBSY" and around.writers:
        return Explanation(
            f"the file is open for writing, and the kernel wants nobody to change it: {', '.join(around.writers)}",
            "let it finish, then try again",
        )
    if name in ONLY_THE_LOADER:
        return _from_table(name)
    if name not in CAUSES or _passes(around):
        return _init_failed(failure.errno, around)
    return _from_table(name)


def _passes(around: Circumstances) -> bool:
    return around.checked and predict(around.findings).outcome == "reaches-init"


def _finding_for(name: str, recognised: Recognised | None, around: Circumstances) -> Finding | None:
    """Return the finding that foresaw this answer; the log decides which, if it says anything."""
    fatal = [finding for finding in around.findings if finding.severity == "refuses" and finding.errno == name]
    if recognised is None:
        decisive = decisive_finding(around.findings)
        return decisive if decisive in fatal else next(iter(fatal), None)
    said = [finding for finding in fatal if finding.log and finding.log in recognised.line]
    same = [finding for finding in fatal if finding.check == recognised.check]
    return said[-1] if said else next(iter(same), None)


def _from_log(recognised: Recognised) -> Explanation:
    values = recognised.values
    return Explanation(
        recognised.cause,
        recognised.remedy,
        values.get("module"),
        values.get("kernel"),
        note_on(recognised.cause),
        alike=recognised.check == "vermagic",
    )


def _not_permitted(failure: SystemCallFailed, around: Circumstances) -> Explanation:
    """Tell the reasons for a silent EPERM apart: the caller, the sysctl, a security module, or init itself."""
    if around.caller_may_load.value is False:
        from pyinsmod.kernel_facts.privileges import remedy_for

        reason = around.caller_may_load.source
        return Explanation(f"no permission to load modules: {reason}", remedy_for(reason))
    if around.modules_disabled.value:
        return Explanation(
            "module loading is switched off until the next boot (kernel.modules_disabled is 1)",
            "reboot without setting it (look in /etc/sysctl.d and for 'nomodule' in /proc/cmdline)",
        )
    return _by_policy("EPERM", around) or (
        _init_failed(failure.errno, around) if _passes(around) else _from_table("EPERM")
    )


def _by_policy(errno: str, around: Circumstances) -> Explanation | None:
    """Name the policies in force that answer so, first those that said beforehand that they would.

    That one of the others really did cannot be seen.
    """
    possible = (policy for policy in around.policies if policy.errno == errno)
    suspects = sorted(possible, key=lambda policy: not policy.refuses)
    if not suspects:
        return None
    first, *others = suspects
    also = f" (also in force: {', '.join(policy.name for policy in others)})" if others else ""
    cause = first.summary if first.refuses else f"probably {first.name}{also}: {first.summary}"
    return Explanation(cause, first.remedy, kernel_has=first.seen)


def _from_table(name: str) -> Explanation:
    cause = CAUSES.get(name, ErrnoCause(f"the kernel answered {name}", None))
    return Explanation(cause.cause, cause.remedy)


def _init_failed(errno: int, around: Circumstances) -> Explanation:
    """Explain a refusal by the module's init function: the loader itself had no reason to refuse."""
    if errno > MAX_ERRNO:
        return Explanation(
            f"its init function returned -{errno}, which is no error number",
            "the module is at fault: init must return 0 or a negative errno",
        )
    name = errno_name(errno)
    certain = name not in CAUSES
    returned = "-EBUSY, or -EEXIST, which newer kernels turn into this" if name == "EBUSY" else f"-{name}"
    evidence = "" if certain else f"; {_evidence(around)}"
    return Explanation(
        f"its init function returned {returned} ({os.strerror(errno)}){evidence}",
        "see what the module needs: modinfo FILE; what it said is in the kernel's log: dmesg | tail",
    )


def _evidence(around: Circumstances) -> str:
    """Say why it must have been init, which nobody saw run: the loader left no other reason."""
    if not around.log_was_read:
        return "the file passes every check, and the kernel's log may not be read here"
    return "the file passes every check, and the loader wrote no complaint to the kernel's log"
