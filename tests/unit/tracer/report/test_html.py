from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tracer.compare import ClaimVerdict, Observation, Run, RunVerdict
from tracer.errno_table import Row
from tracer.report.html import as_html, content, content_hash, duration, milliseconds, units
from tracer.report.model import Report

VOID = frozenset(("meta", "br"))
IN_PICTURES = frozenset(("path", "rect", "line", "circle"))


class Page(HTMLParser):
    """Collects what a test asks about; complains about tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.named: list[str] = []
        self.handlers: list[str] = []
        self.closed_details = 0
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attrs)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "xlink:href", "action"}]
        self.named += (names.get("aria-labelledby") or "").split()
        self.handlers += [name for name in names if name.startswith("on")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["script"], ["style"]):
            self.text += f"{data} "


def words(page: Page) -> str:
    return " ".join(page.text.split())


def test_the_page_says_what_was_held_against_what(report: Report) -> None:
    text = words(Page(as_html(replace(report, made="2026-11-23 07:20 UTC"))))
    assert "4 claims held against 2 runs: 1 kernel, 2 loaders; 2026-11-23 07:20 UTC ✓ 1 confirmed ◐ 1 depends" in text
    assert (
        "Kernels 6.1 6.1.0-50-amd64 Loaders kmod 30 busybox 30 Again pyinsmod validate --kernel 6.1 --loader kmod"
        in text
    )


def test_the_command_that_made_the_report_is_given_as_it_was_typed(report: Report) -> None:
    text = words(Page(as_html(replace(report, chosen=("--kernel", "all", "--loader", "all")))))
    assert "Again pyinsmod validate --kernel all --loader all Document" in text


def test_a_claims_card_stands_below_the_line_it_is_about(report: Report) -> None:
    page = Page(as_html(report))
    assert {"step-1", "step-2", "claim-open", "claim-whole", "run-6.1-kmod"} <= set(page.ids)
    text = words(page)
    assert text.index("execve") < text.index("kernel log recorded in 6.1/kmod the kernel logged “hello”")
    assert "Measure it again: pyinsmod validate --kernel 6.1 --loader kmod --claim exec" in text


def test_all_that_links_and_labels_lead_to_is_there_once(report: Report) -> None:
    own = (Path(__file__).parents[4] / "docs" / "loading-a-module.md").read_text()
    for one in (report, replace(report, document=Path("loading-a-module.md"), text=own)):
        page = Page(as_html(one))
        assert len(page.ids) == len(set(page.ids))
        assert {link[1:] for link in page.links} | set(page.named) <= set(page.ids)
    assert {f"step-{number}" for number in range(1, 15)} <= set(page.ids)


def test_the_page_needs_nothing_from_elsewhere(report: Report) -> None:
    text = as_html(report)
    page = Page(text)
    assert all(link.startswith("#") for link in page.links)
    assert not {"link", "img", "iframe", "object", "form"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_only_the_pages_own_script_may_run(report: Report) -> None:
    text = as_html(report)
    assert Page(text).tags.count("script") == 1
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert script is not None
    assert policy is not None
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src '{content_hash(script[1])}'" in policy[1]


def test_hostile_text_is_text(hostile_report: Report) -> None:
    text = as_html(hostile_report)
    page = Page(text)
    assert page.tags.count("script") == 1
    assert page.handlers == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert {link[1:] for link in page.links} <= set(page.ids)
    text.encode()


def test_content_escapes_all_but_quotes() -> None:
    assert content('<a href="x">&\'\x1b\u202e') == '&lt;a href="x"&gt;&amp;\'\\x1b\\u202e'


def test_runs_that_differ_are_told_apart(report: Report, verdict: Callable[..., ClaimVerdict]) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed", "6.1/busybox": "contradicted"})
    seen = {"6.1/kmod": RunVerdict("confirmed", "it mapped"), "6.1/busybox": RunVerdict("contradicted", "it read")}
    text = words(Page(as_html(replace(report, verdicts=[replace(one, by_run=seen, reality="both")]))))
    assert (
        "✓ kmod it mapped Measure it again: pyinsmod validate --kernel 6.1 --loader kmod --claim a ✗ busybox it read"
        in text
    )
    assert "Between loaders busybox differs from kmod 1 verdict it is so ✗ busybox it read ✓ kmod it mapped" in text
    assert "Between kernels No differences were seen." in text


def test_a_cell_of_the_matrix_leads_to_the_evidence_of_its_run(
    report: Report, verdict: Callable[..., ClaimVerdict]
) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed", "6.1/busybox": "contradicted"})
    text = as_html(replace(report, verdicts=[one]))
    assert '<a href="#claim-a.1" title="6.1/kmod: confirmed">✓</a>' in text
    assert '<a href="#claim-a.2" title="6.1/busybox: contradicted">✗</a>' in text


def test_where_a_run_cannot_do_the_experiment_the_reason_is_told(
    report: Report, verdict: Callable[..., ClaimVerdict]
) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed"})
    seen = {**one.by_run, "6.1/busybox": RunVerdict("not-applicable", "settled by 6.1/kmod")}
    assert "Not in busybox: settled by kmod" in words(
        Page(as_html(replace(report, verdicts=[replace(one, by_run=seen)])))
    )


def test_a_claim_whose_words_are_gone_is_shown_all_the_same(
    report: Report, verdict: Callable[..., ClaimVerdict]
) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed"}, quote="not in there")
    assert "Claims whose words stand nowhere in the document it is so" in words(
        Page(as_html(replace(report, verdicts=[one])))
    )


def test_claims_of_the_same_slug_have_anchors_of_their_own(
    report: Report, verdict: Callable[..., ClaimVerdict]
) -> None:
    both = [verdict("a b", {"6.1/kmod": "confirmed"}), verdict("a/b", {"6.1/kmod": "confirmed"})]
    assert {"claim-a-b", "claim-a-b-1"} <= set(Page(as_html(replace(report, verdicts=both))).ids)


def test_a_document_named_on_the_command_line_is_in_the_commands(report: Report) -> None:
    text = words(Page(as_html(replace(report, subject=("my doc.md",)))))
    assert "pyinsmod validate 'my doc.md' --kernel 6.1 --loader kmod --claim exec" in text


@pytest.mark.parametrize(("value", "wanted"), [(None, ""), (0.0, "0.0"), (12.345, "12.3"), (-1.25, "−1.2")])
def test_moments_have_one_decimal(value: float | None, wanted: str) -> None:
    assert milliseconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, ""), (0.0061, "6 µs"), (0.9, "900 µs"), (1.0, "1.0 ms"), (2500.0, "2.50 s")]
)
def test_durations_have_the_unit_that_fits(value: float | None, wanted: str) -> None:
    assert duration(value) == wanted


@pytest.mark.parametrize(("value", "wanted"), [(1.0, "1"), (10.0, "10"), (1.26, "1.3"), (0.04, "0")])
def test_lengths_are_short(value: float, wanted: str) -> None:
    assert units(value) == wanted


def test_the_two_columns_show_what_kind_of_thing_the_kernel_did(report: Report, run: Callable[..., Run]) -> None:
    records = [
        {"type": "exec", "t": 1, "pid": 7, "path": "/sbin/insmod", "argv": ["insmod"]},
        {"type": "kernel_call", "t": 2_000_000, "pid": 7, "name": "load_module", "depth": 1, "duration": 5_000_000},
        {"type": "kernel_event", "t": 3_000_000, "pid": 7, "name": "module_load", "text": "mymod"},
        {"type": "log", "t": 4_000_000, "text": "mymod: init"},
    ]
    document = f"{report.text}\n### Step 5: The kernel reads it\n"
    page = Page(as_html(replace(report, text=document, runs=[run(records=records)])))
    assert (
        "2.0 5 load_module() 5.0 ms 3.0 tracepoint module_load: mymod 4.0 log the kernel logged “mymod: init”"
        in words(page)
    )
    assert "svg" in page.tags


def test_the_first_experiment_is_drawn_in_a_document_without_a_plain_load(
    report: Report, run: Callable[..., Run]
) -> None:
    records = [{"type": "exec", "t": 1, "pid": 7, "path": "/sbin/insmod", "argv": ["insmod"]}]
    (observed,) = run(records=records).observations.values()
    other = replace(run(), observations={"empty": Observation(), "not-elf": observed})
    text = words(Page(as_html(replace(report, runs=[other], verdicts=[]))))
    assert "User space and kernel space in the experiment not-elf , as recorded" in text
    assert "In words: 1 record " in text


def test_errors_that_are_documented_or_occurred_are_told_apart(report: Report, hostile: str) -> None:
    errors = [
        Row("init_module", "EPERM", documented=True, occurred=("no-capability", "load")),
        Row("init_module", "EBUSY", documented=True, occurred=()),
        Row("delete_module", "EWOULDBLOCK", documented=False, occurred=(hostile,)),
    ]
    text = as_html(replace(report, errors=errors))
    page = Page(text)
    assert page.tags.count("script") == 1
    assert "#errors" in page.links
    found = re.findall(r'<tr class="([\w-]+)"><th scope="row"><code>(\w+)</code></th><td>(\w+)</td>', text)
    assert found == [
        ("confirmed", "EPERM", "yes"),
        ("not-observed", "EBUSY", "yes"),
        ("contradicted", "EWOULDBLOCK", "no"),
    ]
    assert re.findall(r"<caption><code>(.*?)</code>", text) == ["init_module()", "delete_module()"]


def test_a_document_that_lists_no_errors_has_no_table_of_them(report: Report) -> None:
    assert 'id="errors"' not in as_html(report)
