from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tracer.compare import ClaimVerdict, Run, RunVerdict
from tracer.report.html import as_html, duration, milliseconds
from tracer.report.model import Report


class Page(HTMLParser):
    """Collects what a test asks about; complains about tags that are not closed in order."""

    VOID = frozenset(("meta", "br"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def test_the_page_shows_counts_index_runs_and_claims(report: Report) -> None:
    page = Page(as_html(report))
    text = " ".join(page.text.split())
    assert "4 claims held against 2 runs ✓ 1 confirmed ◐ 1 depends" in text
    assert {"step-1", "step-2", "F1", "other", "claim-open"} <= set(page.ids)
    assert "Says it is so Reality it was so By run 6.1/kmod ✗ contradicted 6.1/busybox ✓ confirmed" in text
    assert "6.1/kmod kernel log the kernel logged “hello”" in text


def test_the_page_needs_nothing_from_elsewhere(report: Report) -> None:
    text = as_html(report)
    page = Page(text)
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text


def test_hostile_text_is_text(hostile_report: Report) -> None:
    text = as_html(hostile_report)
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    text.encode()


def test_every_link_leads_somewhere_for_the_projects_own_document(report: Report) -> None:
    own = (Path(__file__).parents[4] / "docs" / "loading-a-module.md").read_text()
    page = Page(as_html(Report(Path("loading-a-module.md"), own, report.runs, report.verdicts)))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert {f"step-{number}" for number in range(1, 15)} <= set(page.ids)


def test_runs_that_differ_are_told_apart(report: Report, verdict: Callable[..., ClaimVerdict]) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed", "6.1/busybox": "contradicted"})
    seen = {"6.1/kmod": RunVerdict("confirmed", "it mapped"), "6.1/busybox": RunVerdict("contradicted", "it read")}
    page = Page(as_html(replace(report, verdicts=[replace(one, by_run=seen, reality="both")])))
    assert "Reality 6.1/kmod it mapped 6.1/busybox it read By run" in " ".join(page.text.split())


def test_tabs_and_lines_of_a_quote_stay(report: Report, verdict: Callable[..., ClaimVerdict]) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed"}, quote="| a\t|\n| b |")
    assert "<blockquote>| a\t|\n| b |</blockquote>" in as_html(replace(report, verdicts=[one]))


@pytest.mark.parametrize(("value", "wanted"), [(None, ""), (0.0, "0.0"), (12.345, "12.3"), (-1.25, "−1.2")])
def test_moments_have_one_decimal(value: float | None, wanted: str) -> None:
    assert milliseconds(value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"), [(None, ""), (0.0061, "6 µs"), (0.9, "900 µs"), (1.0, "1.0 ms"), (2500.0, "2.50 s")]
)
def test_durations_have_the_unit_that_fits(value: float | None, wanted: str) -> None:
    assert duration(value) == wanted


def test_the_two_columns_show_what_kind_of_thing_the_kernel_did(report: Report, run: Callable[..., Run]) -> None:
    records = [
        {"type": "exec", "t": 1, "pid": 7, "path": "/sbin/insmod", "argv": ["insmod"]},
        {"type": "kernel_call", "t": 2_000_000, "pid": 7, "name": "load_module", "depth": 1, "duration": 5_000_000},
        {"type": "kernel_event", "t": 3_000_000, "pid": 7, "name": "module_load", "text": "mymod"},
        {"type": "log", "t": 4_000_000, "text": "mymod: init"},
    ]
    text = " ".join(Page(as_html(replace(report, runs=[run(records=records)]))).text.split())
    assert (
        "2.0 5 load_module() 5.0 ms 3.0 tracepoint module_load: mymod 4.0 log the kernel logged “mymod: init”" in text
    )
