"""The report page and the terminal's summary, on a made-up evening."""

import re
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise

import pytest
from rich.console import Console

from aggregator.demo.report_page import print_summary, write_report_page
from tests.report_check import problems
from tests.unit.demo.sample import FIRST, sample_extra, sample_report


class Page(HTMLParser):
    """Collects what a reader and a browser meet, scripts left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._in_script = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._in_script = tag in {"script", "style"}
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        self._in_script = self._in_script and tag not in {"script", "style"}

    def handle_data(self, data):
        if not self._in_script and data.strip():
            self.text.append(data.strip())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report_page(report=sample_report(), path=path, extra=sample_extra())
    return path.read_text(encoding="utf-8")


def test_the_page_needs_no_network(html):
    page = Page(html)
    assert [attributes for tag, attributes in page.tags if tag in {"link", "img", "iframe"}] == []
    assert all("src" not in attributes for tag, attributes in page.tags if tag == "script")


def test_every_chart_has_a_name_and_a_table(html):
    page = Page(html)
    charts = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    assert len(charts) == 6  # power and reliability of two groups, power of the called one, and money
    assert all(attributes["aria-label"] for attributes in charts)
    assert page.count("details") == 5
    assert page.count("table") == 3 + 5 + 3 + 2  # overview, beside charts, limits and messages, money and timings
    assert ("html", {"lang": "en"}) in page.tags


def test_headings_go_down_one_level_at_a_time(html):
    levels = [int(tag[1]) for tag, _ in Page(html).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_times_are_dutch_and_names_are_escaped(html):
    text = Page(html).text
    assert "17:00 to 20:00" in text
    assert "Congestion on Wednesday 14 January 2026" in text
    assert f"Utrecht <Oost> public ({FIRST})" in text


def test_the_numbers_of_the_evening_are_there(html):
    text = Page(html).text
    assert text.count("98.6%") == 1  # 887.35 of 900 kWh, beside the bid
    assert text.count("97.5%") == 1  # with the call, as a tile
    for number in ("172.60", "47.92", "600.000", "Cleared in part", "99.6%", "CLC-A CLC-1", "FlexOrderResponse"):
        assert number in text


def test_the_sample_is_a_sound_report():
    assert problems(sample_report()) == []


def test_without_series_the_page_has_tables_and_money(tmp_path):
    path = tmp_path / "report.html"
    write_report_page(report=sample_report(), path=path, extra={})
    assert Page(path.read_text(encoding="utf-8")).count("table") == 5


def test_the_summary_says_what_counts():
    out = StringIO()
    print_summary(sample_report(), console=Console(file=out, width=160))
    summary = out.getvalue()
    for text in ("Bid [kW]", "Cleared in part", "Deelauto", "172.60", "Drivers served: 99.6%"):
        assert text in summary
