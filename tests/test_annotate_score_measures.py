"""The measures against published examples, scikit-learn, formulas and brute force."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from sklearn import metrics

from facedata.annotate.score.agreement import ac1, accuracy, icc_consistency, kappa, precision_recall_f1
from facedata.annotate.score.bootstrap import Bank, Draws, Sums, estimate
from facedata.annotate.score.boxes import CONFIDENCES, average_precision, iou_matrix, match
from facedata.annotate.score.cider import Cider
from facedata.annotate.score.text import _align, meteor, rouge_l, words

# Shrout and Fleiss 1979, table 2: six targets, four judges; their table 4 gives ICC(3,1) = .71.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


def icc(ratings):
    return icc_consistency(np.array(float(len(ratings))), ratings.sum(0), ratings.T @ ratings).item()


def test_icc_of_shrout_and_fleiss():
    assert icc(SHROUT_FLEISS) == pytest.approx(0.7148, abs=5e-5)


def test_icc_asks_for_consistency_not_for_agreement():
    shifted = SHROUT_FLEISS + np.array([0, 3, -2, 1])
    assert icc(shifted) == pytest.approx(icc(SHROUT_FLEISS))
    assert icc(SHROUT_FLEISS[:, :1] + np.array([0, 4])) == pytest.approx(1.0)


def test_icc_of_two_raters_is_twice_the_covariance_over_the_variances():
    x, y = SHROUT_FLEISS[:, 0], SHROUT_FLEISS[:, 3]
    covariance = np.cov(x, y)
    assert icc(SHROUT_FLEISS[:, [0, 3]]) == pytest.approx(2 * covariance[0, 1] / np.trace(covariance))


def test_icc_is_undefined_where_nothing_varies():
    assert math.isnan(icc(np.full((5, 2), 0.1)))
    assert math.isnan(icc(SHROUT_FLEISS[:1]))


def test_ac1_and_kappa_where_one_category_is_common():
    # Gwet 2002, Kappa statistic is not satisfactory: 118 of 125 agree, and kappa is below zero.
    table = np.array([[118.0, 5.0], [2.0, 0.0]])
    assert ac1(table).item() == pytest.approx(0.9408, abs=5e-5)
    assert kappa(table).item() == pytest.approx(-0.0234, abs=5e-5)


def test_ac1_of_three_categories_by_hand():
    # pa = 7/10; shares (4+5)/20, (3+3)/20, (3+2)/20; chance = sum of p(1-p) / 2 = 0.32125
    table = np.array([[4.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 1.0, 2.0]])
    shares = np.array([9, 6, 5]) / 20
    chance = (shares * (1 - shares)).sum() / 2
    assert ac1(table).item() == pytest.approx((0.8 - chance) / (1 - chance))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_measures_equal_scikit_learn(classes):
    generator = np.random.default_rng(classes)
    for _ in range(5):
        truth = generator.integers(0, classes, 200)
        answer = np.where(generator.random(200) < 0.6, truth, generator.integers(0, classes, 200))
        confusion = metrics.confusion_matrix(truth, answer, labels=range(classes)).astype(float)
        precision, recall, f1 = precision_recall_f1(confusion)
        expected = metrics.precision_recall_fscore_support(truth, answer, zero_division=np.nan)
        np.testing.assert_allclose([precision, recall, f1], expected[:3])
        assert kappa(confusion).item() == pytest.approx(metrics.cohen_kappa_score(truth, answer))
        assert accuracy(confusion).item() == pytest.approx(metrics.accuracy_score(truth, answer))
        assert recall.mean() == pytest.approx(metrics.balanced_accuracy_score(truth, answer))


def test_answers_of_no_class_lower_recall_only():
    confusion = np.array([[3.0, 1.0, 2.0], [0.0, 4.0, 0.0]])  # the last column is no class
    precision, recall, f1 = precision_recall_f1(confusion)
    np.testing.assert_allclose(precision, [1.0, 0.8])
    np.testing.assert_allclose(recall, [0.5, 1.0])
    np.testing.assert_allclose(f1, [2 / 3, 8 / 9])
    assert accuracy(confusion).item() == pytest.approx(0.7)


def test_undefined_measures_are_not_numbers():
    never = np.array([[5.0, 0.0], [0.0, 0.0]])  # absent in truth, and never answered
    precision, recall, f1 = precision_recall_f1(never)
    assert np.isnan([precision[1], recall[1], f1[1], kappa(never)]).all()
    assert ac1(never) == 1.0
    missed = np.array([[5.0, 0.0], [2.0, 0.0]])
    precision, recall, f1 = precision_recall_f1(missed)
    assert np.isnan(precision[1])
    assert (recall[1], f1[1]) == (0.0, 0.0)


# --- the bootstrap ---


def accuracy_interval(right, subjects, draws):
    """The interval of the share of right answers; `right` and `subjects` are one a record."""
    bank = Bank(draws)
    sums = Sums(2, bank)
    for subject, value in zip(subjects, right, strict=True):
        bank.begin(draws.key(str(subject)))
        sums.add("all", 0)
        sums.add("all", 1, float(value))
    drawn = sums.drawn(intervals=len(set(subjects)) > 1)
    with np.errstate(invalid="ignore"):
        return estimate(drawn.both(lambda one: one[:, 0, 1] / one[:, 0, 0]), draws)


def test_draws_are_poisson_and_independent():
    draws = Draws(4000, 1)
    weights = draws.weights(np.array([draws.key(str(n)) for n in range(400)], dtype=np.uint64))
    # of 1.6 million counts: the shares of Poisson(1) to 5 standard errors
    for count in range(6):
        share = math.exp(-1) / math.factorial(count)
        assert (weights == count).mean() == pytest.approx(share, abs=5 * math.sqrt(share / weights.size))
    assert abs(weights.mean() - 1) < 5 / math.sqrt(weights.size)
    assert weights.var() == pytest.approx(1.0, rel=0.02)
    for axis in (weights, weights.T):  # neither subjects nor draws go together
        related = np.corrcoef(axis[:200])[np.triu_indices(200, 1)]
        assert np.abs(related).max() < 6 / math.sqrt(axis.shape[1])


def test_interval_of_independent_records_is_that_of_a_binomial():
    right = np.random.default_rng(5).random(400) < 0.3
    found = accuracy_interval(right, range(400), Draws(2000, 1))
    share = right.mean()
    assert found.value == pytest.approx(share)
    assert (found.high - found.low) / 2 == pytest.approx(
        1.96 * math.sqrt(share * (1 - share) / 400), rel=0.08
    )


def test_copies_of_a_subjects_records_narrow_nothing():
    right = np.random.default_rng(6).random(60) < 0.7
    once = accuracy_interval(right, range(60), Draws(500, 2))
    tenfold = accuracy_interval(np.repeat(right, 10), np.repeat(np.arange(60), 10), Draws(500, 2))
    assert (tenfold.low, tenfold.high) == pytest.approx((once.low, once.high))
    as_if_independent = accuracy_interval(np.repeat(right, 10), range(600), Draws(500, 2))
    width, honest = as_if_independent.high - as_if_independent.low, once.high - once.low
    assert width == pytest.approx(honest / math.sqrt(10), rel=0.2)


def test_draws_of_sums_are_the_sums_of_drawn_records():
    generator = np.random.default_rng(7)
    records = [(int(s), int(g), int(c)) for s, g, c in generator.integers(0, [9, 3, 4], (200, 3))]
    draws = Draws(40, 3)
    bank = Bank(draws)
    bank._most = 7  # so that it is folded often
    sums, other = Sums(4, bank), Sums(1, bank)
    for number, (subject, group, column) in enumerate(records):
        bank.begin(draws.key(str(subject)))
        if number % 2:
            sums.add(group, column)
        else:
            sums.count([(group, column)])
        other.add("all", 0, 0.5)
    drawn = sums.drawn()
    weights = draws.weights(np.array([draws.key(str(subject)) for subject in range(9)], dtype=np.uint64))
    for weight, counts in zip(weights.T, drawn.draws, strict=True):
        by_hand = Counter()
        for subject, group, column in records:
            by_hand[group, column] += weight[subject]
        for number, group in enumerate(drawn.groups):
            assert counts[number].tolist() == [by_hand[group, column] for column in range(4)]
    assert drawn.total.sum() == len(records)
    assert other.drawn().total.tolist() == [[100.0]]
    assert not len(other.drawn(intervals=False).draws)


def test_a_bank_grows_with_its_cells_and_not_with_what_is_added():
    draws = Draws(10, 0)
    bank = Bank(draws)
    sums = Sums(2, bank)
    for number in range(300_000):
        bank.begin(number)
        sums.add(number % 3, 1)
        sums.add(number % 3, 0, 2.0)
    held = bank._keys.itemsize * len(bank._keys) + bank._values.itemsize * len(bank._values)
    assert held < 5_000_000
    assert sums.drawn().total.tolist() == [[200_000.0, 100_000.0]] * 3


def test_the_seed_decides_the_draws():
    right = np.random.default_rng(9).random(50) < 0.5
    first, again, other = (accuracy_interval(right, range(50), Draws(300, seed)) for seed in (1, 1, 2))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)
    assert first.value == other.value


def test_one_subject_gives_no_interval():
    found = accuracy_interval([1, 0, 1], ["a", "a", "a"], Draws())
    assert found.value == pytest.approx(2 / 3)
    assert found.low is None


# --- text ---


@pytest.mark.parametrize(
    ("answer", "score"), [("police kill the gunman", 0.75), ("the gunman kill police", 0.5), ("", 0.0)]
)
def test_rouge_l_of_lin_2004(answer, score):
    assert rouge_l(answer.split(), [["police", "killed", "the", "gunman"]]) == pytest.approx(score)


def test_rouge_l_of_unlike_lengths_and_several_references():
    # LCS "b c": P = 2/2, R = 2/4, F1 = 2/3
    assert rouge_l(["b", "c"], [["x"], ["a", "b", "z", "c"]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("the cat sat on the mat", 1 - 0.5 / 6**3),  # one chunk of six matches
        ("on the mat sat the cat", 1 - 0.5 * (3 / 6) ** 3),  # on the mat | sat | the cat
        ("the cat was sat on the mat", 60 / 61 * (1 - 0.5 * (2 / 6) ** 3)),  # P 6/7, R 1: F = 60/61
        ("a dog ran", 0.0),
    ],
)
def test_meteor_by_hand(answer, score):
    assert meteor(answer.split(), [["the", "cat", "sat", "on", "the", "mat"]]) == pytest.approx(score)


def test_meteor_matches_stems_after_words():
    assert meteor(["raised", "cheeks"], [["raises", "cheek"]]) == pytest.approx(1 - 0.5 / 2**3)
    # "raised" is taken by its equal, so "raises" is left for the other one by its stem.
    assert _align(["raises", "raised"], ["raised", "raising"]) == [1, 0]


def test_meteor_aligns_all_words_and_nearly_always_in_the_fewest_chunks():
    generator, fewest = np.random.default_rng(4), 0
    for _ in range(150):
        answer, reference = (list(generator.choice(list("xyz"), generator.integers(1, 6))) for _ in range(2))
        places = _align(answer, reference)
        matches = sum((Counter(answer) & Counter(reference)).values())
        assert sum(place is not None for place in places) == matches
        assert all(answer[i] == reference[place] for i, place in enumerate(places) if place is not None)
        fewest += chunks(places) == min(map(chunks, alignments(answer, reference, matches)))
    assert fewest >= 125  # the problem is NP-hard; three letters are its worst case


def chunks(places):
    pairs = zip([None, *places], places, strict=False)
    return sum(here is not None and (before is None or here != before + 1) for before, here in pairs)


def alignments(answer, reference, matches):
    options = [[None, *(p for p, word in enumerate(reference) if word == one)] for one in answer]
    for places in itertools.product(*options):
        taken = [place for place in places if place is not None]
        if len(taken) == matches == len(set(taken)):
            yield places


def cider(entries):
    learned = Cider()
    for _, _, references in entries:
        learned.learn([one.split() for one in references])
    return learned.scores(
        [(answer.split(), [one.split() for one in references]) for _, answer, references in entries]
    )


def test_cider_by_hand():
    other = ("two", "x y", ["x y"])
    whole, none, part = (
        cider([("one", answer, ["a b c d"]), other])[0] for answer in ("a b c d", "e f g h", "a b")
    )
    assert whole == pytest.approx(10.0)
    assert none == 0.0
    # n = 1: 2 / (sqrt 2 sqrt 4); n = 2: 1 / sqrt 3; two words too short
    by_hand = (1 / math.sqrt(2) + 1 / math.sqrt(3)) / 4 * 10 * math.exp(-4 / 72)
    assert part == pytest.approx(by_hand)


def test_cider_clips_counts_and_weighs_what_all_say_with_nothing():
    other = ("two", "the y", ["the y"])
    # "a a" against "a b": 1 of clipped 1 over 2 sqrt 2, for single words alone
    assert cider([("one", "a a", ["a b"]), other])[0] == pytest.approx(10 / 4 / (2 * math.sqrt(2)))
    assert cider([("one", "the", ["the b"]), other])[0] == 0.0


def test_cider_equals_its_formula():
    generator = np.random.default_rng(11)
    entries = []
    for image in range(12):
        texts = [" ".join(generator.choice(list("abcdefg"), generator.integers(1, 9))) for _ in range(4)]
        entries.append((image, texts[0], texts[1 : 2 + image % 3]))
    np.testing.assert_allclose(cider(entries), by_formula(entries), atol=1e-12)


def test_cider_learns_and_scores_alike_in_one_go_or_in_many(monkeypatch):
    generator = np.random.default_rng(13)
    texts = [list(generator.choice(list("abcde"), generator.integers(1, 9))) for _ in range(60)]
    whole, parts = Cider(), Cider()
    for text in texts:
        whole.learn([text, texts[0]])
    monkeypatch.setattr("facedata.annotate.score.cider._FOLD", 10)
    for text in texts:
        parts.learn([text, texts[0]])
    pairs = [(texts[n], [texts[n - 1], texts[n - 2]]) for n in range(60)]
    one_by_one = [parts.scores([pair])[0] for pair in pairs]
    np.testing.assert_allclose(one_by_one, whole.scores(pairs), atol=1e-12)


def by_formula(entries):
    def grams(text, n):
        found = text.split()
        return Counter(tuple(found[i : i + n]) for i in range(len(found) - n + 1))

    scores = []
    for _, answer, references in entries:
        total = 0.0
        for reference, n in itertools.product(references, range(1, 5)):

            def weight(gram, n=n):
                holding = sum(any(gram in grams(one, n) for one in told) for _, _, told in entries)
                return math.log(len(entries) / max(1, holding))

            ours = {gram: count * weight(gram) for gram, count in grams(answer, n).items()}
            theirs = {gram: count * weight(gram) for gram, count in grams(reference, n).items()}
            dot = sum(min(ours[gram], theirs[gram]) * theirs[gram] for gram in ours.keys() & theirs.keys())
            size = math.hypot(*ours.values()) * math.hypot(*theirs.values())
            gap = len(answer.split()) - len(reference.split())
            total += dot / size * math.exp(-(gap**2) / 72) if size else 0.0
        scores.append(10 * total / 4 / len(references))
    return scores


def test_cider_of_one_picture_is_undefined():
    assert cider([("one", "a b", ["a b"])]) is None


def test_words_are_lower_case_without_marks():
    assert words("AU12: naïve—lips; 3.5!") == ["au12", "naïve", "lips", "3", "5"]


# --- boxes ---


def test_iou_by_hand():
    overlaps = iou_matrix([(0, 0, 10, 10)], [(0, 0, 10, 10), (5, 5, 10, 10), (20, 0, 5, 5), (0, 0, -3, 4)])
    np.testing.assert_allclose(overlaps, [[1.0, 25 / 175, 0.0, 0.0]])


def test_boxes_are_paired_for_the_largest_sum():
    # The first true box lies best on the second answer, but that one is all the second true box has.
    truth = [(0, 0, 10, 10), (8, 0, 10, 10)]
    answer = [(-4, 0, 10, 10), (4, 0, 10, 10)]
    total, each = match(truth, answer)
    np.testing.assert_allclose(each, [60 / 140, 60 / 140])
    assert total == pytest.approx(60 / 140)


def test_a_box_too_many_and_a_box_too_few_cost_alike():
    box, other = (0, 0, 4, 4), (50, 50, 4, 4)
    assert match([box], [box, other])[0] == match([box, other], [box])[0] == 0.5
    assert match([box], [])[0] == 0.0


def levels(values):
    found = np.zeros(CONFIDENCES)
    np.add.at(found, np.asarray(values, int), 1)
    return found


def test_average_precision_without_confidences_is_precision_times_recall():
    ap = average_precision(levels([100] * 6), levels([100] * 2), np.array(10.0))
    assert ap.item() == pytest.approx(6 / 8 * 6 / 10)


def test_average_precision_equals_scikit_learn():
    generator = np.random.default_rng(12)
    hit, rank = generator.random(80) < 0.5, generator.integers(0, CONFIDENCES, 80)
    ap = average_precision(levels(rank[hit]), levels(rank[~hit]), np.array(60.0))
    # scikit-learn knows only what was answered: of 60 true boxes, hit.sum() can be recalled.
    assert ap.item() == pytest.approx(metrics.average_precision_score(hit, rank) * hit.sum() / 60)


def test_average_precision_without_true_boxes_is_undefined():
    assert math.isnan(average_precision(levels([]), levels([3]), np.array(0.0)).item())
