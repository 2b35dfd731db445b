"""Clusters, folds, the clustered AUC and the out-of-fold probe against formulas and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from audit_rows import rows_of
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from facedata.annotate.score.bootstrap import Draws
from facedata.curate.audit.clusters import auc, clusters_of, deal, drawn_sums
from facedata.curate.audit.probe import compact, out_of_fold


def lone(count: int) -> np.ndarray:
    return np.arange(count)


def test_families_and_people_link_rows_and_equal_names_of_two_datasets_do_not():
    lines = [
        {"subject": "1", "source": None},
        {"subject": "1", "parent_id": f"{0:032x}"},
        {"parent_id": f"{1:032x}"},
        {"subject": "2"},
        {},
    ]
    frame = rows_of(lines).frame
    frame.loc[3, "person"] = "other\0001"
    found = clusters_of(frame)
    assert found[0] == found[1] == found[2]
    assert len({found[0], found[3], found[4]}) == 3


def test_folds_keep_clusters_whole_and_share_out_the_classes():
    generator = np.random.default_rng(0)
    clusters = generator.integers(0, 200, 3000)
    classes = (generator.random(3000) < 0.3).astype(int)
    folds = deal(clusters, classes, 5, seed=1)
    assert all(len(np.unique(folds[clusters == one])) == 1 for one in np.unique(clusters))
    shares = [classes[folds == fold].mean() for fold in range(5)]
    assert np.ptp([np.sum(folds == fold) for fold in range(5)]) < 150
    assert max(shares) - min(shares) < 0.08
    assert not np.array_equal(folds, deal(clusters, classes, 5, seed=2))


def test_auc_is_that_of_scikit_learn_ties_included():
    generator = np.random.default_rng(1)
    positive = generator.random(500) < 0.4
    scores = np.round(generator.standard_normal(500) + positive, 1)
    found = auc(scores, positive, lone(500))
    assert found.value == pytest.approx(roc_auc_score(positive, scores))
    assert found.low < found.value < found.high


def test_interval_of_independent_rows_is_that_of_delong():
    # DeLong, DeLong and Clarke-Pearson 1988: components by brute force, the logit by the delta rule.
    generator = np.random.default_rng(2)
    positive = np.arange(60) < 25
    scores = generator.standard_normal(60) + positive
    wins = (scores[positive][:, None] > scores[~positive][None]).astype(float)
    area = wins.mean()
    variance = wins.mean(1).var(ddof=1) / 25 + wins.mean(0).var(ddof=1) / 35
    reach = norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    found = auc(scores, positive, lone(60))
    # Obuchowski's sum over all clusters also has the products of the two kinds, which lone rows do not share.
    assert np.log(found.high / (1 - found.high)) - np.log(area / (1 - area)) == pytest.approx(reach, rel=1e-9)


def test_interval_covers_the_truth_where_rows_of_a_cluster_are_alike():
    generator = np.random.default_rng(3)
    truth, covered, naive = norm.cdf(1 / np.sqrt(2 * 2)), 0, 0
    clusters = np.repeat(np.arange(40), 10)
    for _ in range(200):
        positive = np.repeat(generator.random(40) < 0.5, 10)
        scores = np.repeat(generator.standard_normal(40), 10) + generator.standard_normal(400) + positive
        found = auc(scores, positive, clusters)
        covered += found.low <= truth <= found.high
        alone = auc(scores, positive, lone(400))
        naive += alone.low <= truth <= alone.high
    assert covered >= 178  # 95 % of 200, less four standard deviations
    assert naive < 140  # as if rows were independent: what the clusters are for


def test_perfect_order_of_few_clusters_is_no_certainty():
    positive = np.arange(20) < 10
    found = auc(positive.astype(float), positive, lone(20))
    assert found.value == found.high == 1
    assert found.low == pytest.approx(0.025 ** (1 / 10))
    assert auc(np.ones(5), np.ones(5, bool), lone(5)).value is None


def test_scores_of_two_folds_are_not_compared():
    positive = np.array([True, False] * 20)
    folds = np.repeat([0, 1], 20)
    scores = positive + 100.0 * folds  # the second fold's model says larger numbers
    assert auc(scores, positive, lone(40), folds).value == 1
    assert auc(scores, positive, lone(40)).value == 0.75


def test_drawn_sums_vary_as_sums_of_whole_clusters_do():
    generator = np.random.default_rng(4)
    clusters = np.repeat(np.arange(50), 4)
    values = np.repeat(generator.standard_normal(50), 4)[:, None]
    sums = drawn_sums(values, clusters, Draws(count=4000, seed=0))
    assert sums[0, 0] == pytest.approx(values.sum())
    expected = 4 * np.sqrt((values[::4] ** 2).sum())  # weights of variance 1
    assert sums[1:].std() == pytest.approx(expected, rel=0.06)
    assert len(drawn_sums(values, np.zeros(200, int), Draws(count=10))) == 1


def test_probe_learns_nothing_from_clusters_that_are_kept_apart():
    # Every cluster has a mark of its own in 200 numbers, and one class: told within clusters, unknown beyond.
    generator = np.random.default_rng(5)
    clusters = np.repeat(np.arange(60), 8)
    classes = np.repeat(generator.permutation(60) % 2, 8)
    marks = generator.standard_normal((60, 200))[clusters] + 0.1 * generator.standard_normal((480, 200))
    marks = marks.astype(np.float32)
    ask = {"folds": 5, "rows": 1000, "strength": 0.01, "seed": 0}
    honest = out_of_fold(marks, classes, clusters, **ask)
    leaky = out_of_fold(marks, classes, lone(480), **ask)
    assert auc(honest.chances[:, 1], classes == 1, clusters, honest.folds).low < 0.5
    assert roc_auc_score(classes, leaky.chances[:, 1]) > 0.99


def test_probe_reaches_what_theory_allows():
    # Two normal classes, 2 deviations apart in one of 20 numbers: the best AUC is Phi(2 / sqrt 2).
    generator = np.random.default_rng(6)
    classes = generator.integers(0, 2, 4000)
    numbers = generator.standard_normal((4000, 20)).astype(np.float32)
    numbers[:, 7] += 2 * classes
    found = out_of_fold(numbers, classes, lone(4000), folds=5, rows=2000, strength=0.01, seed=0)
    area = auc(found.chances[:, 1], classes == 1, lone(4000), found.folds)
    assert area.value == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.01)


def test_long_embeddings_keep_their_distances():
    generator = np.random.default_rng(7)
    long = generator.standard_normal((50, 3000)).astype(np.float32)
    short = compact(long, seed=0)
    assert short.shape == (50, 512)
    before = np.linalg.norm(long[:25] - long[25:], axis=1)
    after = np.linalg.norm(short[:25] - short[25:], axis=1)
    assert np.abs(after / before - 1).max() < 0.15
    assert compact(short, seed=0) is short
