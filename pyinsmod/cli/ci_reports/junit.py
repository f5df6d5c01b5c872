"""JUnit XML: a test suite a kernel, a test case a module."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pyinsmod.text import printable
from pyinsmod.tree.baseline import below
from pyinsmod.tree.results import ModuleResult

_COUNTERS = {"failure": "failures", "skipped": "skipped"}
_ELEMENTS = {"refused": "failure", "crashes-kernel": "failure", "cannot-tell": "skipped"}
_SYMBOLS_NAMED = 20


def as_junit(results: Sequence[ModuleResult], root: str) -> str:
    """Return the XML document; what XML cannot hold (control characters) is shown as an escape."""
    top = ET.Element("testsuites", name="pyinsmod check")
    for kernel in dict.fromkeys(result.kernel for result in results):
        top.append(_suite(kernel, [result for result in results if result.kernel == kernel], root))
    for counter in ("tests", *_COUNTERS.values()):
        top.set(counter, str(sum(int(suite.get(counter, "0")) for suite in top)))
    ET.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(top, encoding="unicode")}\n'


def _suite(kernel: str, results: Sequence[ModuleResult], root: str) -> ET.Element:
    suite = ET.Element("testsuite", name=printable(kernel), tests=str(len(results)))
    for result in results:
        case = ET.SubElement(suite, "testcase", name=printable(below(result.file, root)), classname=printable(kernel))
        element = _ELEMENTS.get(result.prediction.outcome)
        if element:
            lines = _lines(result)
            ET.SubElement(case, element, message=lines[0] if lines else result.prediction.outcome).text = "\n".join(
                lines
            )
    for element, counter in _COUNTERS.items():
        suite.set(counter, str(len(suite.findall(f"testcase/{element}"))))
    return suite


def _lines(result: ModuleResult) -> list[str]:
    """Return what is told of a module, the worst first, escaped."""
    order = ("crashes", "refuses", "cannot-tell")
    told = [finding for severity in order for finding in result.findings if finding.severity == severity]
    lines = [f"{finding.summary} ({finding.errno or finding.severity})" for finding in told]
    named = [f"symbol '{symbol.name}': {symbol.fault}" for symbol in result.symbols[:_SYMBOLS_NAMED]]
    more = len(result.symbols) - _SYMBOLS_NAMED
    return [printable(line) for line in (*lines, *named, *([f"and {more} more symbols"] if more > 0 else []))]
