"""Is the module signed, and does the kernel accept that? `module_sig_check` (kernel/module/signing.c), before ELF.

A kernel that does not insist on signatures still refuses what claims to be signed and is damaged, or is not what
its key signed. It loads what is not signed, or signed by somebody it does not know, and is tainted (E).
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import TYPE_CHECKING, Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

if TYPE_CHECKING:
    from pyinsmod.signatures.algorithms import Algorithm
    from pyinsmod.signatures.verdict import Verdict

NAME, STEP = "signature", 6
LOCKED = ("integrity", "confidentiality")

# What `module_sig_check` calls the modules that only an insisting kernel refuses.
KERNEL_WORDS = {
    "unsigned": "unsigned module",
    "unsupported-crypto": "module with unsupported crypto",
    "unavailable-key": "module with unavailable key",
}


def check_signature(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a refusal, or the taint of a kernel that does not insist on signatures."""
    if not looked_at(facts):
        return
    if not image.signed:
        yield _not_accepted("unsigned", "it is not signed", "no signature", facts)
    elif request.force_flags:
        yield _not_accepted("unsigned", "force flags make the kernel ignore its signature", "force flags", facts)
    else:
        yield from _signed(image, facts)


def looked_at(facts: KernelFacts) -> bool:
    """Tell whether the kernel looks at signatures at all (CONFIG_MODULE_SIG); where nothing is known, it may not.

    The cheapest fact is asked first: this is asked of every module, and its features take reading all symbols.
    """
    if facts.sig_enforce.value:
        return True
    configured = facts.option("MODULE_SIG")
    return bool(facts.has("module-signatures") if configured is None else configured)


def _signed(image: ModuleImage, facts: KernelFacts) -> Iterator[Finding]:
    from pyinsmod.signatures.facts import signer_name
    from pyinsmod.signatures.verdict import Keys, judge  # big, and only for modules that are signed

    def knows(algorithm: Algorithm) -> bool | None:
        return True if algorithm.feature is None else facts.has(algorithm.feature)

    keys = Keys(facts.trusted_keys.value, knows, facts.option("CRYPTO_ECDSA"))
    verdict = judge(bytes(image.data), keys)
    signer = signer_name(verdict.signer) if verdict.signer else "an unknown key"
    if verdict.outcome in ("fatal", "unclear"):
        yield _fatal(verdict, signer)
    elif verdict.outcome == "key-unknown":
        yield _key_unknown(verdict, signer, facts)
    elif verdict.outcome != "verified":
        words = {
            "unsigned": "it is nothing but the marker of a signature",
            "unsupported-crypto": f"its signature counts for nothing: {verdict.why}",
            "unavailable-key": f"signed by '{signer}', whose key the kernel has not",
        }
        yield _not_accepted(verdict.outcome, words[verdict.outcome], f"signed by '{signer}'", facts)


def _fatal(verdict: Verdict, signer: str) -> Finding:
    doubtful = verdict.outcome == "unclear" or verdict.doubted
    wrong = "cannot be judged" if verdict.outcome == "unclear" else "is damaged"
    if verdict.errno in ("EKEYREJECTED", "ENOENT"):
        wrong = "is not acceptable"
    doubt = f"; a kernel that does not know {verdict.doubted} would not look at it" if verdict.doubted else ""
    return Finding(
        NAME,
        STEP,
        "cannot-tell" if doubtful else "refuses",
        f"its signature {wrong}: {verdict.why}{doubt}",
        errno=verdict.errno or "EKEYREJECTED",
        module_has=f"signed by '{signer}'" if verdict.signer else "a damaged signature",
        kernel_has="wants the file as it was signed",
        remedy="get the file again, or make it unsigned, where the kernel allows that: strip --strip-debug FILE",
        log=verdict.log,
    )


def _key_unknown(verdict: Verdict, signer: str, facts: KernelFacts) -> Finding:
    insists = facts.sig_enforce.value or facts.lockdown.value in LOCKED
    return Finding(
        NAME,
        STEP,
        "cannot-tell" if insists else "warns",
        f"signed by '{signer}', and whether the kernel accepts that is unknown: "
        + (f"{verdict.why} ({facts.trusted_keys.source})" if verdict.why else facts.trusted_keys.source),
        errno=None if not insists else "EKEYREJECTED" if facts.sig_enforce.value else "EPERM",
        module_has=f"signed by '{signer}'",
        kernel_has=_insistence(facts),
        remedy="as root: grep asymmetri /proc/keys shows the kernel's keys; compare with modinfo -F signer FILE",
    )


def _not_accepted(outcome: str, summary: str, module_has: str, facts: KernelFacts) -> Finding:
    """First `sig_enforce` is asked, then lockdown; else the module is loaded and the kernel tainted."""
    enforced, locked = facts.sig_enforce.value, facts.lockdown.value in LOCKED
    has = _insistence(facts)
    finding = Finding(NAME, STEP, "taints", summary, module_has=module_has, kernel_has=has)
    if not enforced and not locked:
        return finding._replace(summary=f"{summary}: the kernel is tainted (E)")
    remedy = (
        "sign it with a key the kernel trusts: "
        f"/lib/modules/{facts.release}/build/scripts/sign-file sha256 signing.key signing.der FILE"
    )
    finding = finding._replace(severity="refuses", summary=f"{summary}, and the kernel insists on it", remedy=remedy)
    if enforced:
        return finding._replace(errno="EKEYREJECTED", log=f"Loading of {KERNEL_WORDS[outcome]} is rejected")
    return finding._replace(
        errno="EPERM" if enforced is False else None,
        log="Lockdown: pyinsmod: unsigned module loading is restricted; see man kernel_lockdown.7",
    )


def _insistence(facts: KernelFacts) -> str:
    """Say whether the kernel insists on signatures, and how that is known."""
    if facts.sig_enforce.value:
        return f"insists on signatures ({facts.sig_enforce.source})"
    if facts.lockdown.value in LOCKED:
        return f"locked down: {facts.lockdown.value} ({facts.lockdown.source})"
    if facts.sig_enforce.value is None or facts.lockdown.value is None:
        return "whether it insists on signatures is unknown"
    return "does not insist on signatures"
