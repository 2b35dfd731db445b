"""The pages on expressions and lists say what the code does."""

from __future__ import annotations

import importlib
import re

import pytest
from conftest import ROOT
from planted_trees import plant, read
from test_readers_expression import TREES

from facedata.datasets.detections.join import DETECTORS
from facedata.datasets.list_values import FIELDS, PATHS
from facedata.datasets.readers.expressions import EXPRESSIONS, codes_note
from facedata.datasets.tables import TABLE_SUFFIXES

PAGE = (ROOT / "docs" / "expressions.md").read_text("utf-8")
LISTS = (ROOT / "docs" / "lists.md").read_text("utf-8")
CODED = {"raf_db": "RAF-DB", "affectnet": "AffectNet", "fer2013": "FER2013", "ck_plus": "CK+"}


@pytest.mark.parametrize(("module", "title"), CODED.items())
def test_the_page_has_each_table_of_codes(module, title):
    codes = importlib.import_module(f"facedata.datasets.readers.{module}")._CODES
    stated = codes_note(title, codes).text.partition(": ")[2]
    assert re.search(rf"\[{re.escape(title)}\]\(.*\) \| {re.escape(stated)} \|", PAGE)
    assert set(codes.values()) - {None} <= set(EXPRESSIONS)


@pytest.mark.parametrize("name", TREES)
def test_every_dataset_is_on_the_page_and_states_its_convention(tmp_path, name):
    assert f"(readers/{name}.md)" in PAGE
    assert read(name, plant(tmp_path, TREES[name])).notes


def test_words_of_the_pages_are_those_of_the_code():
    for word in (*EXPRESSIONS, "other"):
        assert f"`{word}`" in PAGE
    for kind in DETECTORS:
        assert f"--kind {kind}" in PAGE
    for field in (*FIELDS, *PATHS):
        assert f"`{field}`" in LISTS
    for suffix in TABLE_SUFFIXES - {".csv", ".parquet"}:
        assert f"`{suffix}`" in LISTS
