"""Is the module a live patch, and may it be? `check_modinfo_livepatch` and `klp_module_coming`."""

from __future__ import annotations

from pyinsmod.checks.blacklist import name_in_log
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "livepatch", 7

# What live patches call the kernel itself, and no module may be called therefore.
KERNEL_ITSELF = "vmlinux"


def check_livepatch(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for a live patch where there is no live patching, else the taint K."""
    if image.modinfo_value("livepatch") is None:
        return
    patches = _patches(facts)
    if patches:
        log = f"{name_in_log(image)}: tainting kernel with TAINT_LIVEPATCH"
        yield Finding(NAME, STEP, "taints", "it is a live patch: the kernel is tainted (K)", log=log)
        return
    unknown = f"whether this kernel can is unknown: {facts.config.source}"
    yield Finding(
        NAME,
        STEP,
        "cannot-tell" if patches is None else "refuses",
        "it is marked as a live patch: "
        + (unknown if patches is None else "this kernel was built without CONFIG_LIVEPATCH"),
        errno="ENOEXEC",
        module_has="livepatch= in .modinfo",
        kernel_has="wants CONFIG_LIVEPATCH",
        remedy="a live patch fits one kernel only: get the one made for this kernel",
        log=None
        if patches is None
        else f"{name_in_log(image)}: module is marked as livepatch module, but livepatch support is disabled",
    )


def check_livepatch_name(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EINVAL for a module called vmlinux, once it is formed and its parameters are still to come."""
    patches = _patches(facts)
    if image.struct_name != KERNEL_ITSELF or patches is False:
        return
    yield Finding(
        NAME,
        11,
        "cannot-tell" if patches is None else "refuses",
        f"a module may not be called '{KERNEL_ITSELF}' where there is live patching",
        errno="EINVAL",
        module_has=KERNEL_ITSELF,
        kernel_has=f"means itself by '{KERNEL_ITSELF}'",
        remedy="give it another name: rename its source file, or the object in its Makefile, and build it again",
        log=None if patches is None else f"livepatch: {KERNEL_ITSELF}.ko: invalid module name",
    )


def _patches(facts: KernelFacts) -> bool | None:
    return facts.built_with("LIVEPATCH", "livepatch")
