"""The report as one self-contained HTML file. What is shown is prepared in `page`, the template only draws it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pyinsmod.text import printable
from tracer.report.model import GLYPHS, Report
from tracer.report.page import page

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

TEMPLATE = "report.html.j2"
SCRIPT = "report.js"
_LINE = re.compile(r"[^\n\t]+")


def as_html(report: Report) -> str:
    """Return the page: nothing from elsewhere, every foreign text escaped, no script but its own allowed to run.

    Without scripts everything can be read; the script adds what is comfortable.
    """
    from markupsafe import Markup

    script = files("tracer.report").joinpath("templates", SCRIPT).read_text(encoding="utf-8")
    own = Markup(script)  # noqa: S704 - the project's own file
    return _template().render(page(report), script=own, script_hash=content_hash(script))


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tracer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The last guard before the page: autoescape makes text harmless for HTML, this for a terminal's copy and
    # against signs that turn the direction of reading.
    environment.finalize = _shown
    environment.filters["milliseconds"] = milliseconds
    environment.filters["duration"] = duration
    environment.filters["content"] = content
    environment.filters["u"] = units
    environment.globals["glyphs"] = dict(GLYPHS)
    return environment.get_template(TEMPLATE)


def milliseconds(value: float | None) -> str:
    """Return a moment for the narrow column: one decimal, nothing for none."""
    return "" if value is None else f"{value:.1f}".replace("-", "−")


def duration(value: float | None) -> str:
    """Return a duration with its unit, precise enough to tell short ones apart."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.1f} ms" if value >= 1 else f"{value * 1000:.0f} µs"


def units(value: float) -> str:
    """Return a length of the picture, no more precise than can be seen."""
    return f"{value:.1f}".removesuffix(".0")


def content(text: str) -> Markup:
    """Return text for between two tags, where quotes may stand: records are full of them, and escaped they grow."""
    from markupsafe import Markup

    safe = _shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(safe)  # noqa: S704 - escaped in the line above


def content_hash(script: str) -> str:
    """Return what a Content-Security-Policy calls a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _shown(value: Any) -> Any:  # noqa: ANN401 - whatever an expression of the template gives
    """Escape control characters in text that is about to be put out; line ends and tabs stay, for quotes."""
    if type(value) is not str:  # numbers; and Markup, which the template itself made
        return value
    return _LINE.sub(lambda line: printable(line[0]), value)
