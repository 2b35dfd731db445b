"""What a text claims of action units: hand-written sentences, and what must hold for any text."""

from __future__ import annotations

import dataclasses

import pytest
from annotate_sentences import SENTENCES
from hypothesis import given
from hypothesis import strategies as st

from facedata.annotate.checks.scan import Claim, claims, scan
from facedata.annotate.facs import ACTION_UNITS

SIDES = {"left": "L", "right": "R", "both": "B", None: ""}


def written(claim: Claim) -> str:
    units = "|".join(map(str, (claim.au, *claim.others)))
    return f"{'-' if claim.polarity == 'absent' else ''}{units}{SIDES[claim.side]}"


@pytest.mark.parametrize(("text", "expected"), SENTENCES, ids=[text for text, _ in SENTENCES])
def test_sentence(text, expected):
    assert {written(claim) for claim in claims(text)} == set(expected.split())


def test_there_are_enough_sentences():
    assert len({text for text, _ in SENTENCES}) >= 120


@pytest.mark.parametrize("unit", ACTION_UNITS.values(), ids=lambda unit: unit.name)
def test_every_name_is_read_as_its_unit(unit):
    found = claims(f"The {unit.name} is active.")
    assert [claim.au for claim in found if unit.number in (claim.au, *claim.others)]
    assert {claim.polarity for claim in found} == {"present"}


@given(st.text(max_size=200))
def test_any_text_can_be_read(text):
    for mention in scan(text):
        assert 0 <= mention.start < mention.end <= len(text)


@given(st.lists(st.sampled_from([text for text, _ in SENTENCES]), min_size=2, max_size=4))
def test_a_line_says_the_same_wherever_it_stands(lines):
    expected, begin = [], 0
    for line in lines:
        for one in scan(line):
            expected.append(dataclasses.replace(one, start=one.start + begin, end=one.end + begin))
        begin += len(line) + 1
    assert list(scan("\n".join(lines))) == expected


VOCABULARY = """
    AU12 AU4 the lips brows are is not no neither nor without parted raised corner corners of mouth
    upper lower inner left right both , and or ( ) : but which absent present expected coded AUs 6
    12 l r action units
    """
WORDS = st.sampled_from(VOCABULARY.split())


@given(st.lists(WORDS, max_size=25))
def test_any_order_of_its_own_words_can_be_read(chosen):
    text = " ".join(chosen)
    assert all(0 <= claim.start < claim.end <= len(text) for claim in claims(text))
