"""SARIF 2.1.0 (OASIS), which code-scanning services show beside the files: a rule a check, a result a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from pyinsmod import __version__
from pyinsmod.finding import Finding
from pyinsmod.text import printable
from pyinsmod.tree.baseline import below
from pyinsmod.tree.grouping import OF_SYMBOLS
from pyinsmod.tree.results import ModuleResult

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"refuses": "error", "crashes": "error", "cannot-tell": "warning", "warns": "warning", "taints": "note"}
_SYMBOLS_NAMED = 5


def as_sarif(results: Sequence[ModuleResult], root: str) -> str:
    """Return the document; paths are below `%SRCROOT%`, which is the tree's folder."""
    found = [each for result in results for each in _findings(result)]
    rules = sorted({finding.check for _, finding in found})
    run = {
        "tool": {"driver": {"name": "pyinsmod", "version": __version__, "rules": [{"id": rule} for rule in rules]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, finding, rules, root) for result, finding in found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _findings(result: ModuleResult) -> Iterator[tuple[ModuleResult, Finding]]:
    """Yield what is told of a module; symbols that are not among the findings make one for each kind."""
    yield from ((result, finding) for finding in result.findings)
    if any(finding.check in OF_SYMBOLS for finding in result.findings):
        return
    for fault, check, errno in (("missing", "symbols", "ENOENT"), ("differs", "symbol-versions", "EINVAL")):
        names = [symbol.name for symbol in result.symbols if symbol.fault == fault]
        if names:
            shown = ", ".join(names[:_SYMBOLS_NAMED])
            more = f" and {len(names) - _SYMBOLS_NAMED} more" if len(names) > _SYMBOLS_NAMED else ""
            said = "symbols that nobody exports" if fault == "missing" else "symbols of another version"
            yield result, Finding(check, 9, "refuses", f"{len(names)} {said}: {shown}{more}", errno=errno)


def _result(result: ModuleResult, finding: Finding, rules: Sequence[str], root: str) -> dict[str, Any]:
    path = below(result.file, root)
    place = {"uri": quote(path, errors="surrogateescape"), "uriBaseId": "%SRCROOT%"}
    mark = sha256(f"{path}\0{result.kernel}\0{finding.check}".encode("utf-8", "surrogateescape")).hexdigest()
    return {
        "ruleId": finding.check,
        "ruleIndex": rules.index(finding.check),
        "level": _LEVELS[finding.severity],
        "message": {"text": printable(f"{path} on {result.kernel}: {finding.summary}")},
        "locations": [{"physicalLocation": {"artifactLocation": place}}],
        "partialFingerprints": {"pyinsmod/v1": mark},
    }
