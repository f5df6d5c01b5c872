"""Is a module of that name there already? `module_patient_check_exists`, after the version magic.

Since 6.4 `early_mod_check` asks it before memory is allocated (step 7), older loaders after it (step 8);
`idempotent_init_module` (6.5) tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME = "already-loaded"

# State in /proc/modules → errno, and what that means. A loading one is waited for; EEXIST follows.
ANSWERS = {
    "Live": ("EEXIST", "is loaded already"),
    "Loading": ("EEXIST", "is just being loaded by another process"),
    "Unloading": ("EBUSY", "is just being removed"),
}


def check_already_loaded(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EEXIST or EBUSY when the name inside `struct module` is taken. The file's name plays no part."""
    name = image.struct_name
    if name is None or facts.loaded.value is None or name not in facts.loaded.value:
        return
    module = facts.loaded.value[name]
    errno, state = ANSWERS.get(module.state, ANSWERS["Live"])
    users = f", used by {', '.join(module.used_by)}" if module.used_by else ""
    yield Finding(
        NAME,
        7 if facts.has("idempotent-load") else 8,
        "refuses",
        f"a module named '{name}' {state}{users}",
        errno=errno,
        module_has=name,
        kernel_has=f"{name} ({module.state})",
        remedy=f"remove it first: pyinsmod unload {name}",
    )
