"""What IMA, the integrity measurement architecture, wants of a module: `ima_read_file` and `ima_load_data`.

Its rules can be read from securityfs by root of kernels with CONFIG_IMA_READ_POLICY, which few have. Others show as
much as this: which of their own rules they were booted with (`ima_policy=` on the command line), and that somebody
gave them other ones, as the file to write them to is then gone (`ima_release_policy`).
"""

from __future__ import annotations

from pyinsmod.kernel_facts.command_line import values_of
from pyinsmod.kernel_facts.files import exists, read
from pyinsmod.kernel_facts.loader_settings import sig_enforce
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import NamedTuple, os

ATTRIBUTE = "security.ima"
# Of the kernel's own sets of rules the one that wants modules signed (`secure_boot_rules`).
SECURE_BOOT = "secure_boot"


class Appraisal(NamedTuple):
    """Modules are appraised: `seen` by what, `refuses` whether this load fails for certain."""

    seen: str
    refuses: bool = False


def appraisal(paths: KernelPaths, descriptor: int | None) -> Appraisal | None:
    """Return what is known of the appraisal of modules; None when there is none, as far as can be seen.

    Args:
        paths: the running system's.
        descriptor: the module's file; None for bytes from memory.
    """
    file = f"{paths.security}/ima/policy"
    rules = read(file)
    if rules.value is not None:
        appraised = any(line.startswith(b"appraise") and b"MODULE_CHECK" in line for line in rules.value.splitlines())
        return Appraisal(f"a rule 'appraise func=MODULE_CHECK' in {file}") if appraised else None
    if not exists(f"{paths.security}/ima"):
        return None
    if not exists(file):
        return Appraisal(f"{file} is gone: a policy was loaded, and nobody can read it")
    line = read(paths.command_line).value or b""
    sets = [name for value in values_of(line, "ima_policy") for name in value.replace("|", " ").split()]
    if SECURE_BOOT not in sets:
        return None
    enforced = not values_of(line, "ima_appraise")
    return Appraisal(f"ima_policy={SECURE_BOOT} in {paths.command_line}", enforced and _fails(paths, descriptor))


def _fails(paths: KernelPaths, descriptor: int | None) -> bool:
    """Tell whether it fails for certain: no signature at all, or bytes that nobody vouches for."""
    if descriptor is None:
        return sig_enforce(paths).value is False
    try:
        return ATTRIBUTE not in os.listxattr(descriptor)
    except OSError:
        return False
