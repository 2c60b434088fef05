"""What documents say about tests is true: the files and functions that they name exist."""

import re
from pathlib import Path

import pytest

from assets.validation import kinds

TESTS = Path(__file__).resolve().parent.parent
DOCS = sorted((TESTS.parent / "docs").glob("*.md"))
NAMED = re.compile(r"`(?P<path>[\w/…]*test_[\w/]+\.py)`|`(?P<function>test_\w+)(?P<more>…?)`")
FILES = {path.relative_to(TESTS).as_posix(): path.read_text() for path in TESTS.rglob("test_*.py")}
FUNCTIONS = {name for text in FILES.values() for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def is_file(named):
    """Tell whether a test file is called so; … stands for folders, and leading ones may be left out."""
    pattern = re.compile(r"(.*/)?" + re.escape(named).replace("…", ".*").removeprefix("tests/") + "$")
    return any(pattern.match(file) for file in FILES)


def is_function(named, *, is_beginning):
    return named in FUNCTIONS or (is_beginning and any(name.startswith(named) for name in FUNCTIONS))


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_exists(document):
    missing = [
        found[0]
        for found in NAMED.finditer(document.read_text())
        if not (
            is_file(found["path"])
            if found["path"]
            else is_function(found["function"], is_beginning=bool(found["more"]))
        )
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_the_readme_leads_to_every_document(document):
    assert f"](docs/{document.name})" in (TESTS.parent / "README.md").read_text()


def test_the_settings_say_of_every_name_they_read_what_it_means():
    settings, embedded = ((TESTS.parent / f"aggregator/{name}.py").read_text() for name in ("settings", "embedded"))
    read = re.findall(r"""(?:env\.\w+|environ\.get)\(\s*"(\w+)\"""", settings + embedded)
    table = re.findall(r"^\| (`.*?) \|", settings, re.MULTILINE)
    assert sorted(set(read)) == sorted(re.findall(r"\w+", " ".join(table)))


def rows_of(document, heading):
    """Return the cells of each row in the tables of a document whose first column is headed so."""
    text = (TESTS.parent / "docs" / document).read_text()
    tables = re.findall(rf"^\| (?:{heading}) \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for table in tables for line in table.splitlines()]


def test_every_rule_of_the_markets_names_its_source_and_its_test():
    rows = rows_of("markets.md", "rule|condition")
    assert len(rows) > 50
    assert [row for row in rows if not all(row)] == []


def test_every_limit_and_fallback_names_its_place_and_a_test_file():
    rows = rows_of("safety.md", "limit or fallback")
    assert len(rows) > 40
    assert [limit for limit, place, tests in rows if not (limit and place and NAMED.search(tests))] == []


def test_the_guide_names_every_field_and_word_that_a_partner_may_send():
    text = (TESTS.parent / "docs" / "cpo-guide.md").read_text()
    rows = [kinds.ASSET, kinds.STATE, kinds.SESSION, kinds.METER_VALUE, kinds.READING, kinds.RESULT]
    fields = {name for kind in [*rows, kinds.COMMUNICATION_TEST] for name in kind.names}
    words = {*kinds.KINDS, *kinds.CATEGORIES, *kinds.PAUSING, *kinds.QUALITIES, *kinds.RESULTS}
    assert [name for name in sorted(fields) if not re.search(rf"\b{name}\b", text)] == []
    assert [word for word in sorted(words) if f"`{word}`" not in text] == []
