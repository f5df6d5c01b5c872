"""What does the kernel hold against the module, and loads it all the same? `module_augment_kernel_taints`.

A tainted kernel says so in every report of a crash (Documentation/admin-guide/tainted-kernels.rst). Every one of these
goes by what the module says of itself in .modinfo. Licence, live patches, signature and force have their own checks.
"""

from __future__ import annotations

from pyinsmod.checks.blacklist import name_in_log
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "taints", 7


def check_taints(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield a finding for each taint, and the warning of a module without retpolines; nothing here refuses."""
    name = name_in_log(image)
    if image.modinfo_value("intree") is None:
        said = f"{name}: loading out-of-tree module taints kernel."
        yield _taint("it was not built with the kernel, out of its tree: the kernel is tainted (O)", said)
    if image.modinfo_value("staging") is not None:
        said = f"{name}: module is from the staging directory, the quality is unknown, you have been warned."
        yield _taint("it is from the kernel's staging area: the kernel is tainted (C)", said)
    if image.modinfo_value("test") is not None and facts.has("test-taint"):
        said = f"{name}: loading test module taints kernel."
        yield _taint("it is a test of the kernel: the kernel is tainted (N)", said)
    if image.modinfo_value("retpoline") is None and facts.has("retpoline-warning"):
        said = f"{name}: loading module not compiled with retpoline compiler."
        yield _taint("it was not compiled with retpolines, which defend against Spectre v2", said)._replace(
            severity="warns",
            kernel_has="warns, unless its defence against Spectre v2 is switched off",
            remedy="build it with a compiler that has -mindirect-branch=thunk-extern or -mretpoline-external-thunk",
        )


def _taint(summary: str, log: str) -> Finding:
    return Finding(NAME, STEP, "taints", summary, log=log)
