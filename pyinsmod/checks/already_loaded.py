"""Is a module of that name there already? `module_patient_check_exists`, after the version magic.

Since 6.4 `early_mod_check` asks it before memory is allocated (step 7), older loaders after that (step 8), when the
layout was tested already; `idempotent_init_module` (6.5) tells them apart.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts, LoadedModule
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME = "already-loaded"

# State in /proc/modules → errno, and what that means. One that is loading is waited for, and how that ends decides.
ANSWERS: dict[str, tuple[str | None, str]] = {
    "Live": ("EEXIST", "is loaded already"),
    "Loading": (None, "is just being loaded by another process (EEXIST if that succeeds, EBUSY if not)"),
    "Unloading": ("EBUSY", "is just being removed"),
}


def check_already_loaded(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EEXIST or EBUSY when the name inside `struct module` is taken. The file's name plays no part.

    Where the kernel's place for the question is unknown, this is the doubt whether it comes before the layout.
    """
    early, found = facts.has("idempotent-load"), _taken(image, facts, 7)
    if found is not None and early is not False:
        yield (
            found if early else found._replace(severity="cannot-tell", summary=f"{found.summary} (asked early or late)")
        )


def check_already_loaded_late(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield the same where older loaders ask it (`add_unformed_module`), after the layout."""
    found = _taken(image, facts, 8)
    if found is not None and not facts.has("idempotent-load"):
        yield found


def _taken(image: ModuleImage, facts: KernelFacts, step: int) -> Finding | None:
    name = image.struct_name
    module: LoadedModule | None = (facts.loaded.value or {}).get(name) if name is not None else None
    if name is None or module is None:
        return None
    errno, state = ANSWERS.get(module.state, ANSWERS["Live"])
    users = f", used by {', '.join(module.used_by)}" if module.used_by else ""
    return Finding(
        NAME,
        step,
        "refuses",
        f"a module named '{name}' {state}{users}",
        errno=errno,
        module_has=name,
        kernel_has=f"{name} ({module.state})",
        remedy=f"remove it first: pyinsmod unload {name}",
    )
