"""Was the module built for this kernel? `check_modinfo` and `same_magic` (kernel/module/)."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shortened
from pyinsmod.versions import BASIC

NAME, STEP = "vermagic", 7


def check_vermagic(image: ModuleImage, facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a finding when the kernel would not take the module's version magic for its own."""
    if image.vermagic is None or request.force_vermagic:
        yield _no_vermagic(image, facts, forced=request.force_vermagic)
    elif facts.vermagic.value is None:
        yield Finding(
            NAME,
            STEP,
            "cannot-tell",
            f"the kernel's vermagic is unknown: {facts.vermagic.source}",
            errno="ENOEXEC",
            module_has=shortened(image.vermagic),
            remedy=f"run it as root with /proc/kcore readable, or with /lib/modules/{facts.release} in place",
        )
    else:
        # index.vers of the kernel: extended versions do not count, and the flag hides the basic ones.
        has_crcs = bool(facts.modversions) and image.find_allocated(BASIC) is not None and not request.force_modversion
        if not same_magic(image.vermagic, facts.vermagic.value, has_crcs=has_crcs):
            yield _differs(image, image.vermagic, facts, facts.vermagic.value, has_crcs=has_crcs)


def same_magic(module: str, kernel: str, *, has_crcs: bool) -> bool:
    """Compare as the kernel does: to the byte; with symbol versions at hand, from the first space on."""
    if has_crcs:
        return after_release(module) == after_release(kernel)
    return module == kernel


def after_release(magic: str) -> str:
    """Return what `magic += strcspn(magic, " ")` leaves."""
    return magic[len(magic.partition(" ")[0]) :]


def differences(module: str, kernel: str, *, has_crcs: bool) -> list[str]:
    """Say in words what differs, one phrase a difference."""
    phrases = []
    releases = module.partition(" ")[0], kernel.partition(" ")[0]
    if releases[0] != releases[1] and not has_crcs:
        phrases.append(f"it is built for release '{releases[0]}', the kernel is '{releases[1]}'")
    has, wants = after_release(module).split(), after_release(kernel).split()
    phrases += [f"it lacks '{word}'" for word in wants if word not in has]
    phrases += [f"it has '{word}', which the kernel has not" for word in has if word not in wants]
    return phrases or ["they differ in order or spaces only, and the kernel compares every byte"]


def _differs(image: ModuleImage, module: str, facts: KernelFacts, kernel: str, *, has_crcs: bool) -> Finding:
    from pyinsmod.checks.blacklist import name_in_log
    from pyinsmod.checks.modversions import rebuild

    return Finding(
        NAME,
        STEP,
        "refuses",
        "vermagic differs from the kernel's: " + shortened(", ".join(differences(module, kernel, has_crcs=has_crcs))),
        errno="ENOEXEC",
        module_has=shortened(module),
        kernel_has=kernel,
        remedy=rebuild(facts),
        log=f"{name_in_log(image)}: version magic '{shortened(module)}' should be '{kernel}'",
    )


def _no_vermagic(image: ModuleImage, facts: KernelFacts, *, forced: bool) -> Finding:
    from pyinsmod.checks.force_load import to_force
    from pyinsmod.checks.modversions import rebuild

    why = "the version magic is to be ignored (--force-vermagic)" if forced else "the module carries no vermagic"
    found = Finding(
        NAME,
        STEP,
        "refuses",
        why,
        module_has="no vermagic" if image.vermagic is None else shortened(image.vermagic),
        kernel_has=facts.vermagic.value,
        remedy=rebuild(facts),
        log=f"{image.name}: bad vermagic: kernel tainted.",
    )
    return to_force(found, facts)
