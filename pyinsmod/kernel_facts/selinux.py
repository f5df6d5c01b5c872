"""What SELinux says to a load by this process: its own answer, not a guess from names of domains.

The hook is `selinux_kernel_module_from_file` (security/selinux/hooks.c): the process needs the permission
`module_load` of the class `system` on the file's label, and for bytes from memory on its own. selinuxfs answers such
questions for whoever may ask them (`compute_av` of the class `security`): see security_compute_av(3).
"""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.files import exists, read_line
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import NamedTuple, os

CLASS, PERMISSION = "system", "module_load"
LABEL = "security.selinux"
LONGEST_ANSWER = 4096
# Of the flags behind an answer: the domain is a permissive one, refusals are only logged (libselinux' selinux.h).
PERMISSIVE_DOMAIN = 1
# "allowed decided auditallow auditdeny seqno flags", the first four and the last in hexadecimal (`sel_write_access`).
ANSWERED = 6


class Asked(NamedTuple):
    """A question to SELinux, and its answer.

    Attributes:
        domain: the label of this process.
        label: that of the file, or of the process for bytes from memory; empty where it could not be read.
        allowed: whether the load may go on; None where SELinux does not say.
    """

    domain: str
    label: str
    allowed: bool | None


def is_enforcing(paths: KernelPaths) -> bool:
    """Tell whether refusals are more than lines in a log."""
    return read_line(f"{_folder(paths)}/enforce").value == "1"


def ask(paths: KernelPaths, descriptor: int | None) -> Asked:
    """Ask whether this process may load the file of a descriptor, or, without one, bytes from its memory."""
    domain = (read_line(f"{paths.proc}/self/attr/current").value or "").rstrip("\0")
    label = domain if descriptor is None else _label_of(descriptor)
    return Asked(domain, label, _allowed(_folder(paths), domain, label))


def _folder(paths: KernelPaths) -> str:
    return f"{paths.root}/sys/fs/selinux"


def _label_of(descriptor: int) -> str:
    try:
        return text(os.getxattr(descriptor, LABEL)).rstrip("\0")
    except OSError:
        return ""


def _allowed(folder: str, domain: str, label: str) -> bool | None:
    """Return the answer of selinuxfs; None where it cannot be had.

    Policies older than the permission, of Linux 4.7, do not know it: each says itself what then holds.
    """
    number = read_line(f"{folder}/class/{CLASS}/index").value
    bit = read_line(f"{folder}/class/{CLASS}/perms/{PERMISSION}").value
    if not number or not bit:
        unknown = exists(f"{folder}/class") and not exists(f"{folder}/class/{CLASS}/perms/{PERMISSION}")
        return {"0": True, "1": False}.get(read_line(f"{folder}/deny_unknown").value or "") if unknown else None
    if not domain or not label or " " in label:  # a space is between the words of a question
        return None
    try:
        descriptor = os.open(f"{folder}/access", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"{domain} {label} {number}".encode("utf-8", "surrogateescape"))
            answer = os.read(descriptor, LONGEST_ANSWER).split()
        finally:
            os.close(descriptor)
        if len(answer) < ANSWERED:
            return None
        permissive = int(answer[5], 16) & PERMISSIVE_DOMAIN
        return bool(permissive or int(answer[0], 16) >> int(bit) - 1 & 1)
    except (OSError, ValueError):
        return None
