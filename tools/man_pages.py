"""Write the manual pages in docs/man, from the commands' parsers and docs/claims-format.md, and docs/completions.

`make man`. A page whose text has not changed keeps its date. The shells' parts are for packages to install; they are
what `pyinsmod completion` prints.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from argcomplete.shell_integration import shellcode
from argparse_manpage.manpage import Manpage

from pyinsmod import __version__
from pyinsmod.cli import COMMANDS
from pyinsmod.cli.parsers import first_sentence, parser_of, program_parser

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/man"
COMPLETIONS = ROOT / "docs/completions"
# As each shell looks for what completes a program.
SHELL_FILES = {"bash": "pyinsmod", "zsh": "_pyinsmod", "fish": "pyinsmod.fish"}
NO_SUCH_STATUS = "2 wrong usage"

# What a status means, where argparse cannot know.
STATUSES = {
    "load": ("0 the module was loaded", "1 it was not", NO_SUCH_STATUS),
    "unload": ("0 the module was removed", "1 it was not", NO_SUCH_STATUS),
    "check": ("0 every module reaches its init function", "1 some are refused", NO_SUCH_STATUS, "3 cannot tell"),
    "info": ("0 done", "1 the file cannot be read, or is no module", NO_SUCH_STATUS),
    "try": ("0 loaded on all kernels", "1 not on all", NO_SUCH_STATUS, "3 a machine was lost"),
    "trace": ("0 to 255 the command's own; 128 + signal when one killed it",),
    "validate": ("0 no claim is contradicted", "1 some are", NO_SUCH_STATUS, "3 a machine or trace was lost"),
    "watch": ("0 watched until told to end", "2 this system cannot be watched"),
    "vm": ("0 to 255 the command's own, with run and shell", "1 failed", NO_SUCH_STATUS, "3 a machine was lost"),
    "completion": ("0 done", NO_SUCH_STATUS),
}
EXAMPLES = {
    "load": ("sudo pyinsmod mymod.ko who=world",),
    "unload": ("sudo pyinsmod unload mymod",),
    "check": (
        "pyinsmod check mymod.ko --kernel 6.12",
        "pyinsmod check build/ --kernel all --baseline accepted.json --sarif out.sarif",
    ),
    "info": ("pyinsmod info mymod.ko",),
    "try": ("pyinsmod try mymod.ko who=world --kernel 6.1 --kernel 6.12",),
    "trace": (
        "sudo pyinsmod trace --kernel-events --format perfetto -o load.json -- modprobe nft_ct",
        "pyinsmod trace --calls finit_module --inject finit_module:error=EPERM -- insmod mymod.ko",
    ),
    "validate": ("pyinsmod validate --kernel all --loader all --html report.html", "pyinsmod validate tutorial.md"),
    "watch": ("sudo pyinsmod watch --json",),
    "vm": ("pyinsmod vm run 6.1 --put mymod.ko -- insmod mymod.ko",),
    "completion": ('eval "$(pyinsmod completion bash)"',),
}


def pages() -> Iterator[tuple[str, str]]:
    """Yield the file name and text of every page, dated today."""
    yield "pyinsmod.8", program_page()
    for command in COMMANDS:
        yield f"pyinsmod-{command}.8", command_page(command)
    yield "pyinsmod-claims.5", claims_page()


def program_page() -> str:
    """Return pyinsmod(8): the commands, a line each."""
    program = program_parser()
    shown = argparse.ArgumentParser("pyinsmod", description=program.description, add_help=False)
    shown.usage = "pyinsmod [options] FILE [NAME=VALUE…]\n       pyinsmod COMMAND …"
    lines = [".SH COMMANDS"]
    for command in COMMANDS:
        about = first_sentence(parser_of(command).description or "")
        lines += [".TP", rf"\fB{command}\fR", f"{_roff(about)}: see", rf".BR pyinsmod-{_roff(command)} (8)"]
    lines += [".SH FILES", ".TP", r"\fI~/.cache/pyinsmod\fR", "Kernels, machines' snapshots and recorded traces;"]
    lines += [r"\fBPYINSMOD_CACHE\fR names another folder.", ".TP", r"\fI/run/pyinsmod\fR"]
    lines += ["What is known of the running kernel, until the next boot."]
    return _page("pyinsmod", 8, "insmod that says why", shown, lines)


def command_page(command: str) -> str:
    """Return pyinsmod-COMMAND(8)."""
    parser = parser_of(command)
    lines = [".SH EXIT STATUS"]
    for status in STATUSES[command]:
        number, _, meaning = status.partition(" ") if not status.startswith("0 to") else ("0 to 255", "", status[9:])
        lines += [".TP", rf"\fB{number}\fR", _roff(meaning)]
    lines += [".SH EXAMPLES", ".nf", *map(_roff, EXAMPLES[command]), ".fi"]
    about = first_sentence(parser.description or "")
    return _page(f"pyinsmod-{command}", 8, about[0].lower() + about[1:], parser, lines)


def claims_page() -> str:
    """Return pyinsmod-claims(5), the format of claims files."""
    source = ROOT / "docs/claims-format.md"
    made = subprocess.run(["lowdown", "-s", "-tman", source], capture_output=True, text=True, check=True).stdout
    body = made[made.index(".SH") :].replace(r"\fC", r"\fB")
    # The document's own title is a section without a name there.
    body = re.sub(r"\A\.SH\n(.*)\n\.LP\n", r".SH DESCRIPTION\n", body)
    body = re.sub(r"(?m)^(\.S[HS]\n?.*)\n\.[LP]P$", r"\1", body)  # a paragraph begins there anyway
    name = ".SH NAME\npyinsmod-claims \\- claims about a document, to be held against real kernels\n"
    return f"{_title('pyinsmod-claims', 5)}\n{name}{body}{_see_also('pyinsmod-claims')}"


def _page(name: str, section: int, about: str, parser: argparse.ArgumentParser, more: list[str]) -> str:
    page = Manpage(parser)
    page.description = about
    text = str(page)
    text = re.sub(r"\A\.TH.*", lambda _: _title(name, section), text)
    text = re.sub(r"(?<=\.SH NAME\n).*", lambda _: _roff(f"{name} - {about}").replace(" - ", r" \- ", 1), text, count=1)
    text = re.sub(r"^'", r"\\&'", text, flags=re.MULTILINE)  # a quote at the beginning of a line would be a macro
    # Its own last section is about the distribution, which is elsewhere.
    text = text.partition(".SH DISTRIBUTION")[0].rstrip()
    return "\n".join([_without_empty_lines(text), *more, _see_also(name)])


def _title(name: str, section: int) -> str:
    return f'.TH "{name.upper()}" "{section}" "{datetime.now(UTC).date()}" "pyinsmod {__version__}" "pyinsmod"'


def _see_also(name: str) -> str:
    others = [("pyinsmod", 8), *((f"pyinsmod-{command}", 8) for command in COMMANDS), ("pyinsmod-claims", 5)]
    others += [("insmod", 8), ("modprobe", 8), ("init_module", 2)]
    named = [rf".BR {_roff(other)} ({section})" for other, section in others if other != name]
    return "\n".join([".SH SEE ALSO", *(f"{line} ," for line in named[:-1]), named[-1], ""])


def _roff(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


def _without_empty_lines(text: str) -> str:
    return re.sub(r"\n{2,}", "\n", text)


def completions() -> Iterator[tuple[str, str]]:
    """Yield the file name and text of each shell's part."""
    for shell, name in SHELL_FILES.items():
        yield name, f"{shellcode(['pyinsmod'], shell=shell)}\n"


def undated(page: str) -> str:
    """Return a page without its date."""
    return re.sub(r'\A(\.TH "\S+" "\d" )"[\d-]*"', r"\1", page)


def main() -> None:
    """Write what has changed."""
    os.environ["COLUMNS"] = "80"  # where argparse breaks lines
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages():
        path = FOLDER / name
        if not path.exists() or undated(path.read_text()) != undated(text):
            path.write_text(text)
            print(path.relative_to(ROOT), file=sys.stderr)
    COMPLETIONS.mkdir(exist_ok=True)
    for name, text in completions():
        (COMPLETIONS / name).write_text(text)


if __name__ == "__main__":
    main()
