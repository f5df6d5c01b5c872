"""What is told of a tree: plain, frozen, and the same whichever way it was found out."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.lean import Literal, NamedTuple
from pyinsmod.prediction import Prediction

SymbolFault = Literal["missing", "differs"]


class Symbol(NamedTuple):
    """A symbol a module cannot have: nobody exports it, or `owner` exports another one of that name."""

    fault: SymbolFault
    name: str
    owner: str = ""


class ModuleResult(NamedTuple):
    """One file on one kernel.

    Attributes:
        file: its path.
        module: its name; None for what is none.
        kernel: what the user calls the kernel.
        prediction: what the kernel will answer first.
        findings: what checks say of it, but for symbols that are missing or differ; with all of them when everything
            was asked for.
        symbols: those, in the order of the symbol table.
        whole: whether `findings` has all there is.
    """

    file: str
    module: str | None
    kernel: str
    prediction: Prediction
    findings: tuple[Finding, ...] = ()
    symbols: tuple[Symbol, ...] = ()
    whole: bool = False

    @property
    def bad(self) -> bool:
        """Tell whether it will not be loaded."""
        return self.prediction.bad


class TreeNote(NamedTuple):
    """Something about the tree and not one module, such as a symbol that two modules export: that is its `kind`."""

    kind: str
    text: str
    files: tuple[str, ...] = ()
