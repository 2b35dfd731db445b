"""Every reader has a page with the tree it expects, and the page says what the reader says."""

from __future__ import annotations

import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "examples"))
from reader_pages import BEGIN, page, table, with_table

from facedata.datasets.readers.catalogue import READERS, open_reader

DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", READERS)
def test_a_reader_and_its_page_say_the_same(name):
    reader = open_reader(name)
    text = (DOCS / "readers" / f"{name}.md").read_text("utf-8")
    assert text == page(reader), "run python examples/reader_pages.py"
    assert reader.name == name
    assert reader.tree in text
    assert ("in public code" in reader.source) or ("from memory" in reader.source.lower())
    for choice, (values, what) in reader.described().items():
        assert f"--choose {choice}=" in text
        assert values
        assert what, f"{choice} needs a docstring: what does it settle?"


def test_the_table_of_readers_is_whole():
    text = (DOCS / "readers.md").read_text("utf-8")
    assert text == with_table(text), "run python examples/reader_pages.py"
    assert BEGIN in text
    assert len(table().splitlines()) == len(READERS) + 2


def test_no_page_is_left_of_a_reader_that_is_gone():
    assert {path.stem for path in (DOCS / "readers").glob("*.md")} == set(READERS)
