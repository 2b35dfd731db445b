"""Row hashes of whole tables are those of single rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sample import SAMPLES

from facedata.datasets.errors import DatasetError
from facedata.datasets.rowhash import canonical_rows, row_digests
from facedata.datasets.sample import SCHEMA, Sample, to_table


def plain(**values) -> Sample:
    return Sample(sample_id="a", image="x", content_hash="0", width=1, height=1, **values)


@given(st.lists(SAMPLES, max_size=6), st.integers(0, 6))
def test_a_tables_hashes_are_its_rows_hashes(samples, start):
    expected = [sample.row_hash() for sample in samples]
    table = to_table(samples)
    assert [digest.hex() for digest in row_digests(table).to_pylist()] == expected
    part = table.slice(start)  # a part of a table shares its buffers: offsets must be minded
    assert [digest.hex() for digest in row_digests(part).to_pylist()] == expected[start:]


def test_repeated_values_are_spelled_once_and_right():
    """A column of few distinct values takes another way than one of many."""
    few = [plain(label="live", attributes={"text": 'a "quote" \\ \n'}, valence=-0.0)] * 40
    many = [plain(subject=f"person\t{n}", confidence=n / 64) for n in range(60)]
    table = to_table([*few, *many])
    assert [d.hex() for d in row_digests(table).to_pylist()] == [s.row_hash() for s in (*few, *many)]


def test_the_spelling_is_canonical_json():
    (text,) = canonical_rows(to_table([plain(box=(1.0, 0.5, 1e16, 2e-7), au={12: 2})])).to_pylist()
    assert text.startswith(
        '{"arousal":null,"attack":null,"attributes":null,"au":[{"au":12,"intensity":2.0}],'
    )
    assert '"box":[1.0,0.5,1e+16,2e-07]' in text
    assert "image" not in text


def test_no_rows_have_no_hashes():
    assert len(row_digests(SCHEMA.empty_table())) == 0


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_without_a_spelling_is_refused(number):
    with pytest.raises(DatasetError, match="NaN or infinite"):
        row_digests(to_table([plain(valence=number)]))
