r"""Manual pages' source as Markdown; the sources here are written in the manner of man-pages, DocBook and scdoc."""

from __future__ import annotations

import pytest

from tracer.manual.page import page_text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ('.\\" a comment\n.nh\n.ad l\n', ""),
        (".TH FOO 8 2020 kmod foo", "# foo(8)"),
        ('.TH "foo" "2"', "# foo(2)"),
        (".SH SEE ALSO", "## SEE ALSO"),
        ('.SS "Linux 2.4"', "### Linux 2.4"),
        ("two\nlines", "two lines"),
        ("one\n.PP\ntwo", "one\n\ntwo"),
        ("one\n.sp\ntwo", "one\n\ntwo"),
        ("one\n\ntwo", "one two"),
        ("the\n.I fd\nargument", "the fd argument"),
        ("see\n.BR open (2),\nand", "see open(2), and"),
        ('.BI "int " fd ", char *" p );', "int fd, char *p);"),
        (".RI name [\\c\n.BI = value\\c\n.RB [ ,\\c", "name[=value[,"),
        ("\\fBrun\\fR \\-\\-now isn\\*(Aqt \\(aqit\\(aq", "run --now isn't 'it'"),
        ("a\\&.b \\(bu \\e \\\\", "a.b • \\ \\"),
        ("x \\fB[CR]\\fP \\[u2014] y", "x [CR] — y"),
        ('word \\" and a comment', "word"),
        (".B a\\\nb", "ab"),
        (".TP\n.B EBADF\nNot open.", "- EBADF: Not open."),
        ('.TP\n.BR ENOKEY " (since Linux 3.7)"\nNo key.', "- ENOKEY (since Linux 3.7): No key."),
        (".IP (1) 5\nFirst.\n.IP (2)\nSecond.", "- (1): First.\n\n- (2): Second."),
        (".IP \\[bu] 3\nPoint.", "- Point."),
        (".PP\n\\fB-f\\fR, \\fB--force\\fR\n.RS 4\nForce it.\n.RE\n.PP\nNext.", "- -f, --force: Force it.\n\nNext."),
        (".TP\n.B a\nOuter:\n.RS\n.TP\n.B b\nInner.\n.RE", "- a: Outer:\n\n  - b: Inner."),
        (".nf\nint  f(void);\n\n  x\n.fi\nafter", "```\nint  f(void);\n\n  x\n```\n\nafter"),
        (".EX\na\n.EE", "```\na\n```"),
        (".ig\nhidden\n..\nshown", "shown"),
        (".UNKNOWN macro\ntext", "text"),
        (".ie \\n(.g .ds Aq \\(aq\n.el       .ds Aq '\ntext", "text"),
    ],
)
def test_source_becomes_text(source: str, text: str) -> None:
    assert page_text(source).strip("\n") == text
