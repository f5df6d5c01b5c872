r"""The escapes of roff(7) that manual pages use: `\-`, `\fB`, `\(aq`, `\*(Aq` and their like."""

from __future__ import annotations

import re

_CHARACTERS = {
    "aq": "'",
    "dq": '"',
    "lq": "“",
    "rq": "”",
    "oq": "‘",
    "cq": "’",
    "bu": "•",
    "co": "©",
    "em": "—",
    "en": "–",
    "mi": "−",
    "ha": "^",
    "ti": "~",
    "rs": "\\",
    "ga": "`",
    "la": "⟨",
    "ra": "⟩",
    "->": "→",
    "+-": "±",
    "mu": "×",
}
_STRINGS = {"Aq": "'", "lq": "“", "rq": "”", "R": "®"}
_ESCAPE = re.compile(
    r"""\\(?:
      (?P<comment>["#].*)
    | f(?:\[[^\]]*\]|\(..|.)          # fonts
    | s[-+]?\d+                       # sizes
    | [hvwlL]'[^']*'                  # motions, widths, lines
    | m\[[^\]]*\]                     # colours
    | \*(?:\((?P<string>..)|\[(?P<longstring>[^\]]*)\]|(?P<shortstring>.))
    | \((?P<pair>..)
    | \[(?P<name>[^\]]*)\]
    | (?P<one>.)
    )""",
    re.VERBOSE,
)
_SINGLE = {"-": "-", "e": "\\", "\\": "\\", " ": " ", "~": " ", "0": " ", "'": "'", "`": "`", ".": "."}


def unescaped(text: str) -> str:
    """Return text with its escapes resolved: fonts and motions vanish, characters become what they show."""
    return _ESCAPE.sub(_resolved, text)


def continued(line: str) -> bool:
    r"""Tell whether a line ends with `\c`: what follows is joined to it without a space."""
    return line.rstrip().endswith("\\c")


def without_comment(line: str) -> str:
    r"""Return a line without the comment that `\"` begins."""
    return re.sub(r'(?<!\\)\\["#].*', "", line)


def _resolved(found: re.Match[str]) -> str:
    named = found["pair"] or found["name"]
    if named:
        return _CHARACTERS.get(named, _by_number(named))
    string = found["string"] or found["longstring"] or found["shortstring"]
    if string:
        return _STRINGS.get(string, "")
    return _SINGLE.get(found["one"] or "", "")


def _by_number(name: str) -> str:
    number = re.fullmatch(r"u([0-9A-Fa-f]{4,6})", name)
    return chr(int(number[1], 16)) if number else ""
