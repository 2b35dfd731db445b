"""Error rates against scikit-learn, hand-worked cases and their definitions counted out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn import metrics

from facedata.annotate.score.bootstrap import Draws
from facedata.datasets.errors import UsageError
from facedata.recipes.metrics import curve
from facedata.recipes.metrics.curve import Group, cuts
from facedata.recipes.metrics.presentations import Presentations
from facedata.recipes.metrics.rates import _rates, rates_of
from facedata.recipes.metrics.thresholds import ThresholdRule, choose, parse_rule

NONE = Draws(count=0)


def presentations(live, attacks, subjects=None, domains="d") -> Presentations:
    """Bona fide scores, and attack scores by species."""
    rows = [(score, "live", None) for score in live]
    rows += [(score, "spoof", name) for name, scores in attacks.items() for score in scores]
    table = pd.DataFrame(rows, columns=["score", "label", "species"])
    table["domain"] = domains
    table["cluster"] = [str(n) for n in (subjects or range(len(rows)))]
    table["clip"] = table["cluster"]
    return Presentations(table)


@st.composite
def scored(draw, most=24):
    """Presentations with many ties: scores are small whole numbers, of three species, of a few subjects."""
    score = st.integers(-3, 3).map(float)
    live = draw(st.lists(score, min_size=1, max_size=most))
    attacks = {name: draw(st.lists(score, max_size=most)) for name in ("mask", "print", "replay")}
    attacks["print"].append(draw(score))
    attacks = {name: scores for name, scores in attacks.items() if scores}
    number = len(live) + sum(map(len, attacks.values()))
    subjects = draw(st.lists(st.integers(0, 4), min_size=number, max_size=number))
    return presentations(live, attacks, subjects)


# Four bona fide, two prints, two replays; accepted from 5 on: prints none, replays one, bona fide three.
BY_HAND = presentations([9, 8, 5, 2], {"print": [1, 4], "replay": [6, 3]})


def test_rates_by_hand():
    found = rates_of(BY_HAND, 5.0, NONE)
    assert {name: one.value for name, one in found.apcer.items()} == {"print": 0, "replay": 0.5}
    assert found.worst == "replay"
    assert {name: one.value for name, one in found.at.items()} == {
        "far": 0.25,
        "bpcer": 0.25,
        "hter": 0.25,
        "apcer_max": 0.5,
        "acer": 0.375,  # of the maximum over species, not of all attacks
    }
    # 16 pairs; 9 and 8 beat all 4 attacks, 5 beats 1, 3 and 4, 2 beats 1
    assert found.along["auc"].value == 12 / 16
    assert found.along["eer"].value == 0.25
    # no attack reaches more than 6: 9 and 8 are above it
    assert found.along["tpr_at_fpr_1"].value == 0.5
    # a tenth of two replays is none of them, so the threshold is above 6
    assert found.along["bpcer_at_apcer_10"].value == 0.5


def test_bpcer_at_apcer_heeds_the_worst_species():
    # of 20 prints one scores 7, of 10 masks one scores 5: at APCER 5 % the masks need a threshold above 5,
    # the prints none above 0
    some = presentations([1, 4, 6, 8], {"print": [7.0] + [0.0] * 19, "mask": [5.0] + [0.0] * 9})
    found = rates_of(some, 0.0, NONE).along
    assert found["bpcer_at_apcer_10"].value == 0
    assert found["bpcer_at_apcer_5"].value == 0.5
    assert found["bpcer_at_apcer_1"].value == 0.75


def test_equal_scores_say_nothing():
    found = rates_of(presentations([3, 3], {"print": [3, 3, 3]}), 3.0, NONE)
    assert (found.along["auc"].value, found.along["eer"].value) == (0.5, 0.5)
    assert (found.at["far"].value, found.at["bpcer"].value) == (1, 0)
    assert found.along["tpr_at_fpr_1"].value == 0


def test_parted_scores_have_no_error():
    found = rates_of(presentations([3, 4], {"print": [1, 2]}), 2.5, NONE)
    assert (found.along["auc"].value, found.along["eer"].value, found.at["acer"].value) == (1, 0, 0)
    assert found.worst is None


@pytest.mark.parametrize(("live", "attacks"), [([1, 2], {}), ([], {"print": [1, 2]})])
def test_what_needs_both_classes_is_undefined_without_one(live, attacks):
    found = rates_of(presentations(live, attacks), 1.5, NONE)
    for name in ("auc", "eer", "tpr_at_fpr_1", "bpcer_at_apcer_5"):
        assert found.along[name].value is None
    assert (found.at["hter"].value, found.at["acer"].value) == (None, None)
    assert (found.at["bpcer"].value is None) == (not live)
    assert (found.at["apcer_max"].value is None) == (not attacks)


@given(scored(), st.integers(-4, 4))
def test_rates_are_those_of_scikit_learn(some, threshold):
    table = some.table
    live, scores = (table["label"] == "live").to_numpy(), table["score"].to_numpy()
    found = rates_of(some, float(threshold), NONE)
    fpr, tpr, _ = metrics.roc_curve(live, scores, drop_intermediate=False)
    assert found.along["auc"].value == pytest.approx(metrics.roc_auc_score(live, scores))
    corners = np.arange(len(fpr))
    at = brentq(lambda x: 1 - np.interp(x, corners, tpr) - np.interp(x, corners, fpr), 0, len(fpr) - 1)
    assert found.along["eer"].value == pytest.approx(np.interp(at, corners, fpr), abs=1e-9)
    assert found.along["tpr_at_fpr_1"].value == pytest.approx(tpr[fpr <= 0.01].max())
    (tn, fp), (fn, tp) = metrics.confusion_matrix(live, scores >= threshold, labels=[False, True])
    assert found.at["far"].value == pytest.approx(fp / (fp + tn))
    assert found.at["bpcer"].value == pytest.approx(fn / (fn + tp))
    balanced = metrics.balanced_accuracy_score(live, scores >= threshold)
    assert found.at["hter"].value == pytest.approx(1 - balanced)


@given(scored(), st.sampled_from([0.1, 0.05, 0.01]))
def test_bpcer_at_apcer_is_the_least_over_all_thresholds(some, limit):
    live, _, species = some.groups()
    thresholds = cuts(live, *species.values())
    least = min(
        np.mean(live.scores < at)
        for at in thresholds
        if max(np.mean(group.scores >= at) for group in species.values()) <= limit
    )
    found = rates_of(some, 0.0, NONE).along[f"bpcer_at_apcer_{100 * limit:g}"]
    assert found.value == pytest.approx(least)


@given(scored(), st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_a_draw_is_the_rows_that_it_repeats(some, times):
    """Weighing a subject by how often it was drawn is the same as writing its rows as often."""
    table = some.table
    names = sorted(table["cluster"].unique())
    weights = np.array([times[: len(names)]], float)
    repeated = table["cluster"].map(dict(zip(names, times, strict=False)))
    copies = Presentations(table.loc[table.index.repeat(repeated)].reset_index(drop=True))
    assume(len(copies))
    live, spoof, species = some.groups()
    weighed = _rates(live, spoof, species, 0.0, weights)
    written = rates_of(copies, 0.0, NONE)
    plain = {**written.at, **written.along, **{f"apcer {k}": v for k, v in written.apcer.items()}}
    for name, value in weighed.items():
        expected = plain[name].value if name in plain else None
        assert value[0] == pytest.approx(math.nan if expected is None else expected, nan_ok=True), name


@given(scored())
def test_a_draw_counts_for_itself_whatever_block_it_is_in(some):
    live, spoof, _ = some.groups()
    weights = np.random.default_rng(0).integers(0, 3, (7, some.subjects)).astype(float)
    together = curve.eer(live.weighed(weights), spoof.weighed(weights))
    alone = [curve.eer(live.weighed(row[None]), spoof.weighed(row[None]))[0] for row in weights]
    np.testing.assert_array_equal(together, alone)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_cuts_part_neighbouring_scores_however_near_or_large(scores):
    group = Group.of(np.array(scores), np.zeros(len(scores), np.int64))
    levels = np.unique(group.scores)
    found = cuts(group)
    assert len(found) == len(levels) + 1
    np.testing.assert_array_equal([int((levels < at).sum()) for at in found], range(len(levels) + 1))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("dev-eer", 4.5),  # FAR 1/4 (6), FRR 1/4 (2)
        ("best-on-test", 4.5),  # errors 1/4 and 1/4, as with 7; of equals that with FAR nearest to FRR
        ("dev-apcer-50", 4.5),  # of each species at most one of two
        ("dev-apcer-10", 7.0),
        ("5.25", 5.25),
    ],
)
def test_thresholds_by_hand(rule, expected):
    live, _, species = BY_HAND.groups()
    assert choose(live, species.values(), parse_rule(rule), "rows").value == expected


@given(scored())
def test_the_threshold_of_highest_f1_is_beaten_by_none(some):
    live, _, species = some.groups()
    found = choose(live, species.values(), ThresholdRule("source-dev", "f1"), "").value
    scores = np.concatenate([live.scores, *(group.scores for group in species.values())])
    true = np.arange(len(scores)) < len(live.scores)

    def f1(at):
        return metrics.f1_score(true, scores >= at, zero_division=0)

    assert f1(found) == pytest.approx(max(f1(at) for at in scores))


@given(scored())
def test_the_threshold_of_least_hter_is_beaten_by_none(some):
    live, _, species = some.groups()
    best = choose(live, species.values(), parse_rule("best-on-test"), "").value
    attacks = np.concatenate([group.scores for group in species.values()])

    def hter(at):
        return (np.mean(live.scores < at) + np.mean(attacks >= at)) / 2

    assert all(hter(best) <= hter(at) + 1e-12 for at in np.arange(-4, 4.5, 0.5))


def test_intervals_widen_where_subjects_and_not_pictures_vary():
    generator = np.random.default_rng(1)
    ability = generator.normal(size=12)  # a subject's pictures score alike
    owner = np.repeat(np.arange(12), 30)
    live = ability[owner] + 0.1 * generator.normal(size=owner.size)
    attacks = {"print": generator.normal(-2, 1, 40).tolist()}
    clustered = presentations(live, attacks, [*owner, *range(100, 140)])
    alone = presentations(live, attacks)
    widths = []
    for some in (clustered, alone):
        one = rates_of(some, 0.0, Draws(400, 0)).at["bpcer"]
        assert one.low <= one.value <= one.high
        widths.append(one.high - one.low)
    # 30 pictures of each of 12 people: up to sqrt(30) = 5.5 times as wide
    assert 3 < widths[0] / widths[1] < 7


def test_the_interval_of_a_share_is_that_of_the_binomial():
    some = presentations(np.repeat([0.0, 1.0], [40, 160]), {"print": [0.0]})
    one = rates_of(some, 0.5, Draws(2000, 3)).at["bpcer"]
    half = 1.96 * math.sqrt(0.2 * 0.8 / 200)
    assert (one.low, one.high) == (pytest.approx(0.2 - half, abs=0.012), pytest.approx(0.2 + half, abs=0.012))


def test_intervals_repeat_by_seed_and_not_by_the_order_of_rows():
    generator = np.random.default_rng(5)
    some = presentations(generator.normal(1, 1, 30), {"print": generator.normal(0, 1, 30)}, [*range(15)] * 4)
    shuffled = Presentations(some.table.sample(frac=1, random_state=1))
    first, again = (rates_of(one, 0.5, Draws(200, 7)).to_json() for one in (some, shuffled))
    assert first == again
    assert first != rates_of(some, 0.5, Draws(200, 8)).to_json()


def test_clips_take_the_mean_of_their_frames():
    table = pd.DataFrame(
        {
            "score": [1.0, 3.0, 5.0, 0.0],
            "label": ["live", "live", "spoof", "spoof"],
            "species": [None, None, "print", "print"],
            "domain": "d",
            "cluster": ["a", "a", "b", "b"],
            "clip": ["a", "a", "b", "c"],
        }
    )
    assert sorted(Presentations(table).clips().table["score"]) == [0.0, 2.0, 5.0]


@pytest.mark.parametrize("text", ["dev", "dev-apcer-0", "dev-apcer-100", "nan", "inf", ""])
def test_a_rule_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="is not dev-eer, dev-apcer-N"):
        parse_rule(text)
