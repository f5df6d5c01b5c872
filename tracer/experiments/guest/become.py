"""Runs in a guest: executes a command as another user, or as root without a capability.

Usage: python3 become.py user:1000 COMMAND…, python3 become.py without:sys_module COMMAND…
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_CAPBSET_DROP = 24
# include/uapi/linux/capability.h
CAPABILITIES = {
    "chown": 0, "dac_override": 1, "dac_read_search": 2, "sys_module": 16, "sys_rawio": 17, "sys_ptrace": 19,
    "sys_admin": 21, "sys_resource": 24, "syslog": 34,
}  # fmt: skip


def main(what: str, command: list[str]) -> None:
    """Give the privilege up and become the command."""
    kind, _, name = what.partition(":")
    if kind == "user":
        os.setgroups([])
        os.setgid(int(name))
        os.setuid(int(name))
    elif ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAPABILITIES[name], 0, 0, 0):
        raise OSError(f"the capability {name} cannot be dropped")
    os.execvp(command[0], command)  # noqa: S606 - what is not in the bounding set is not permitted after an exec (capabilities(7))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
