"""A tree's results as JSON: one object, or one a line."""

from __future__ import annotations

from pyinsmod.examination import Examination
from pyinsmod.lean import Any
from pyinsmod.tree.known_tree import KnownTree
from pyinsmod.tree.results import ModuleResult


def as_json(result: ModuleResult) -> dict[str, Any]:
    """Return what `check` prints of one file."""
    findings = tuple(finding.for_file(result.file, result.module) for finding in result.findings)
    return Examination(result.file, result.module, result.kernel, result.prediction, findings).to_json()


def document(check: KnownTree) -> dict[str, Any]:
    """Return the whole object; `root` is the folder that is left out of paths when results are compared."""
    return {
        "schema": 1,
        "root": check.found.root,
        "kernels": [kernel.facts.to_json() for kernel in check.kernels],
        "results": list(map(as_json, check.results)),
        "notes": [{"kind": note.kind, "text": note.text, "files": list(note.files)} for note in check.notes()],
    }
