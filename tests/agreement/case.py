"""One case of the agreement run: a file, how it is loaded, and by what name it is listed."""

from __future__ import annotations

import hashlib
from typing import Literal, NamedTuple

Kind = Literal["fault", "pair", "mutation", "module"]
KINDS: tuple[Kind, ...] = ("fault", "pair", "mutation", "module")


class Case(NamedTuple):
    """A file to predict and to load.

    Attributes:
        name: unique for its kernel, the same from run to run: `fault/plain/not-elf`.
        content: the file's bytes.
        parameters: the module's parameters.
        first: modules of the kernel's tree that are loaded before.
        syscall: the call to load it with.
    """

    name: str
    content: bytes
    parameters: str = ""
    first: tuple[str, ...] = ()
    syscall: Literal["auto", "finit_module", "init_module"] = "auto"

    @property
    def kind(self) -> str:
        """The class it is counted in, one of KINDS."""
        return self.name.partition("/")[0]

    def key(self, kernel: str) -> str:
        """Return what the answer of a kernel (by its release) depends on."""
        described = "\0".join((kernel, self.name, self.parameters, " ".join(self.first), self.syscall))
        return hashlib.sha256(described.encode("utf-8", "surrogateescape") + b"\0" + self.content).hexdigest()[:32]
