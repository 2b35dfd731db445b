"""Audits that estimate: each against a case worked out by theory, and against faults that were planted."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from audit_rows import outcome
from conftest import ROOT
from scipy.stats import chi2, norm
from sklearn.covariance import LedoitWolf

from facedata.annotate.score.bootstrap import Draws
from facedata.curate.audit.anchors import agreed, sharpness, softened
from facedata.curate.audit.base import Rows
from facedata.curate.audit.domains import shift_ratio
from facedata.curate.audit.engine import Answer
from facedata.curate.audit.estimates import ESTIMATES
from facedata.curate.audit.groups import group_directions, worst_gap
from facedata.curate.audit.noise import suspects
from facedata.curate.audit.probe import unthreaded
from facedata.curate.audit.store import as_json
from facedata.curate.audit.unknown import cube_root_tail, mahalanobis
from facedata.datasets.errors import UsageError

sys.path.insert(0, str(ROOT / "benchmarks"))
import audits as benchmark
from audit_plants import clean
from audit_plants_models import embedded, plants

PLANTS = {plant.audit: plant for plant in plants()}
LEAST = {  # precision and recall that the table of docs/audit.md shows, less what few repeats may lose
    "shortcut": (0.9, 0.4, 10),
    "label-noise": (0.85, 0.8, 2),
    "unknown": (0.9, 0.7, 2),
    "domains": (0.9, 0.5, 12),
    "spectra": (0.9, 0.5, 12),
    "groups": (0.9, 0.25, 10),
    "anchors": (0.8, 0.9, 3),
    "felt": (0.9, 0.6, 12),
    "annotators": (0.9, 0.9, 5),
}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", sorted(PLANTS))
def test_planted_faults_are_found_and_nothing_else(name):
    precision, recall, repeats = LEAST[name]
    score = benchmark.measure(PLANTS[name], seed=11, repeats=repeats)
    assert score.right + score.missed > 0
    assert score.precision["value"] >= precision
    assert score.recall["value"] >= recall


def test_every_audit_has_a_plant():
    assert set(LEAST) == set(PLANTS)


# shortcut


def shortcut_rows(trace: float, **columns: object) -> Rows:
    frame = clean(np.random.default_rng(1), persons=100, shots=20)
    made = np.random.default_rng(2).random(len(frame)) < 0.5
    frame["operator"] = np.where(made, "capture", None)
    vectors = normal(3, len(frame), 8)
    vectors[made, 2] += trace
    return Rows(frame.assign(**columns), vectors)


def test_shortcut_reports_the_auc_of_theory():
    found = outcome("shortcut", shortcut_rows(1.0))
    truth = norm.cdf(1 / np.sqrt(2))
    for name in ("live/capture", "spoof/capture"):
        area = found.numbers["auc"][name]
        assert area["low"] < truth < area["high"] + 0.02
        assert area["against"] == "domain and attack"
    assert found.verdict == "warn"
    assert found.fields["made"].shape == (2000,)
    assert {finding.samples for finding in found.findings} != {()}


def test_shortcut_says_when_other_domains_have_to_do():
    rows = shortcut_rows(0.0)
    made = rows.frame["operator"].notna()
    frame = rows.frame.assign(domain=np.where(made, "here", "there"))
    assert (
        outcome("shortcut", Rows(frame, rows.embeddings)).numbers["auc"]["live/capture"]["against"]
        == "attack"
    )


def test_shortcut_of_made_spoofs_and_real_live_rows_cannot_be_measured_and_says_so():
    rows = shortcut_rows(0.0)
    spoof = rows.frame["label"] == "spoof"
    frame = rows.frame.assign(operator=np.where(spoof, "photo_print", None))
    found = outcome("shortcut", Rows(frame, rows.embeddings))
    assert found.verdict == "warn"
    assert "cannot be measured" in found.said
    assert found.numbers["counts"]["spoof"] == {"made": 1000, "others": 0}
    assert "100% of the live rows were not" in found.said
    half = rows.frame["operator"].where(~spoof, "photo_print")  # live rows, half of them, made as well
    found = outcome("shortcut", Rows(rows.frame.assign(operator=half), rows.embeddings))
    assert found.verdict == "warn"
    assert found.numbers["auc"]["live/capture"]["low"] < 0.5
    assert "The rest cannot be measured" in found.said
    bare = rows.frame.assign(operator=None)
    assert outcome("shortcut", Rows(bare, rows.embeddings)).verdict == "skipped"


# unknown


def test_tail_is_that_of_chi_squared_where_rows_are_gaussian():
    reference = chi2.ppf((np.arange(10_000) + 0.5) / 10_000, 48)
    for chance, error in ((0.5, 0.02), (0.01, 0.03), (1e-4, 0.12), (1e-6, 0.25)):
        far = np.array([chi2.isf(chance, 48)])
        assert cube_root_tail(far, reference)[0] == pytest.approx(chance, rel=error)


def test_distances_are_those_of_ledoit_and_wolf():
    rows = normal(0, 300, 20) @ normal(1, 20, 20)
    expected = LedoitWolf().fit(rows).mahalanobis(rows)
    assert mahalanobis(rows).squared(rows) == pytest.approx(expected, rel=2e-3)


def test_what_is_searched_for_does_not_make_up_the_scale():
    rows = normal(0, 2000, 10)
    rows[:40, 0] += 12
    plain, trimmed = (np.median(mahalanobis(rows, trim).squared(rows)[:40]) for trim in (0.0, 0.05))
    assert trimmed > 1.5 * plain


def test_an_attack_that_train_never_saw_is_unknown_in_test():
    frame = clean(np.random.default_rng(0), persons=150)
    vectors = embedded(np.random.default_rng(1), frame)
    strange = ((frame["attack"] == "mask/resin") & (frame["split"] == "test")).to_numpy()
    vectors[strange, 3] += 12
    frame.loc[(frame["attack"] == "mask/resin") & (frame["split"] == "train"), "attack"] = "print/inkjet"
    found = outcome("unknown", Rows(frame, vectors))
    flagged = found.fields["unknown"]
    assert flagged[strange].mean() > 0.95
    assert flagged[~strange].sum() <= 5
    assert "mask" in found.said  # too few rows in train to be learned
    table = found.tables["unknown rows by class"].set_index("class")["share"]
    assert table["mask"] > 0.95 > 0.05 > table["live"]


def test_unreadable_pictures_have_no_confidence():
    frame = clean(np.random.default_rng(0))
    vectors = embedded(np.random.default_rng(1), frame)
    vectors[5] = np.nan
    found = outcome("unknown", Rows(frame, vectors))
    assert np.isnan(found.fields["confidence"][5])
    assert found.fields["nearest"][5] is None
    assert found.numbers["rows"] == len(frame) - 1


# domains


def shifted(seed: int, rows: int, shift: float, interaction: float = 0.0) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    classes, places = generator.integers(0, 2, rows), generator.integers(0, 3, rows)
    vectors = generator.standard_normal((rows, 30))
    vectors[:, 0] += 4 * classes
    vectors[:, 1] += shift * (places - 1) * np.sqrt(1.5)
    vectors[:, 2] += interaction * (places - 1) * np.sqrt(1.5) * (2 * classes - 1)
    return vectors, classes, places, np.arange(rows)


@pytest.mark.parametrize(("shift", "interaction"), [(0.0, 0.0), (2.0, 0.0), (6.0, 1.0)])
def test_shift_is_what_was_added_and_centring_leaves_what_depends_on_the_class(shift, interaction):
    raw, after, pairs = shift_ratio(*shifted(0, 6000, shift, interaction), Draws(count=200))
    assert raw.value == pytest.approx(np.hypot(shift, interaction) / 4, abs=0.03)
    assert after.value == pytest.approx(interaction / 4, abs=0.03)
    assert pairs.shape == (2, 3)


def test_small_domains_do_not_look_shifted_for_being_small():
    # Means of 50 rows in 30 numbers lie sqrt(2 x 30 / 50) = 1.1 apart by chance: a quarter of the classes.
    found = [shift_ratio(*shifted(seed, 300, 0.0), Draws(count=0))[0].value for seed in range(20)]
    assert np.mean(found) < 0.08


def test_interval_of_a_shift_covers_it():
    draws = Draws(count=150)
    found = [unthreaded(shift_ratio)(*shifted(seed, 600, 2.0), draws)[0] for seed in range(40)]
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 33  # 38 expected, less four deviations


def test_domains_without_shared_labels_are_not_compared():
    frame = clean(np.random.default_rng(0))
    frame["domain"] = np.where(frame["label"] == "live", "a", "b")
    found = outcome("domains", Rows(frame, embedded(np.random.default_rng(0), frame)))
    assert found.verdict == "skipped"
    assert "told apart" in found.said


# groups


def test_errors_by_group_are_those_of_theory():
    generator = np.random.default_rng(0)
    frame = clean(generator, persons=600)
    vectors = normal(1, len(frame), 10)
    worse = (pd.factorize(frame["person"])[0] % 2 == 0).astype(bool)
    apart = np.where(worse, 1.5, 3.0)
    vectors[:, 0] += apart * ((frame["label"] == "spoof") - 0.5)
    frame["attributes"] = pd.Series(
        [{"gender": "f" if one else "m", "age": 30} for one in worse], dtype=object
    )
    found = outcome("groups", Rows(frame, vectors))
    errors = found.tables["error by group"].set_index("group")["error"]
    assert errors["f"] == pytest.approx(norm.sf(0.75), abs=0.02)
    assert errors["m"] == pytest.approx(norm.sf(1.5), abs=0.02)
    gap = found.numbers["gender"]["gap"]
    assert gap["low"] < norm.sf(0.75) - norm.sf(1.5) < gap["high"]
    assert found.verdict == "fail"
    assert "age" not in found.numbers  # one age is no two groups


def test_no_gap_is_called_one_no_oftener_than_the_level_says():
    draws, called = Draws(count=200, seed=0), 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        codes, classes = generator.integers(0, 5, 600), generator.integers(0, 2, 600)
        wrong = (generator.random(600) < 0.2).astype(float)
        called += worst_gap(wrong, classes, codes, np.arange(600), draws).value.low > 0
    assert called <= 12  # 5 of 100, and three standard deviations


def test_projection_takes_the_group_away_and_nothing_of_the_label():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 3, 6000)
    classes = (generator.random(6000) < np.array([0.2, 0.5, 0.8])[groups]).astype(int)  # confounded
    vectors = normal(1, 6000, 12)
    vectors[:, 0] += 3 * classes
    vectors[:, 4] += 2 * (groups == 1)
    vectors[:, 5] += 2 * (groups == 2)
    directions = group_directions(vectors, classes, groups)
    assert directions.shape == (12, 2)
    assert directions.T @ directions == pytest.approx(np.eye(2), abs=1e-5)
    assert np.linalg.norm(directions[[4, 5]]) ** 2 == pytest.approx(2, abs=0.02)
    assert np.abs(directions[0]).max() < 0.1


# label noise and anchors


def test_suspects_of_a_hand_worked_table():
    # Usual chances: of class 0 (.9 + .8 + .1) / 3 = .6, of class 1 (.7 + .9 + .85) / 3 = .82. Confident: rows
    # 0, 1 of 0, row 2 of 1 (.9), rows 4, 5 of 1; row 3, at .7, of none. One of three labels 0 is to be 1.
    first = np.array([0.9, 0.8, 0.1, 0.3, 0.1, 0.15])
    said, suspected = suspects(np.stack([first, 1 - first], axis=1), np.array([0, 0, 0, 1, 1, 1]))
    assert said.tolist() == [0, 0, 1, -1, 1, 1]
    assert suspected.tolist() == [-1, -1, 1, -1, -1, -1]


@pytest.mark.parametrize("name", ["label-noise", "anchors"])
def test_embeddings_that_show_nothing_raise_no_doubt(name):
    frame = clean(np.random.default_rng(0))
    frame["label"] = np.random.default_rng(1).choice(np.array(["live", "spoof"], object), len(frame))
    found = outcome(name, Rows(frame, normal(2, len(frame), 16)))
    assert found.verdict == "skipped"
    assert "balanced accuracy" in found.said
    assert not found.findings


def test_sharpness_is_found_again():
    # Labels drawn from the softmax of 7 x the cosines.
    generator = np.random.default_rng(0)
    cosines = generator.uniform(-1, 1, (20_000, 4))
    chances = softened(cosines, 7.0)
    labels = (generator.random(20_000)[:, None] > chances.cumsum(1)).sum(1)
    assert sharpness(cosines, labels) == pytest.approx(7, rel=0.05)


def test_anchors_are_of_agreed_rows_where_any_says_so():
    frame = clean(np.random.default_rng(0)).head(4)
    assert agreed(frame, 0.9).all()
    frame["confidence"] = [0.95, 0.2, np.nan, np.nan]
    frame["attributes"] = pd.Series(
        [None, {"adjudicated": {"expression": 0.99}}, {"a": 1}, None], dtype=object
    )
    assert agreed(frame, 0.9).tolist() == [True, True, False, False]


def test_a_blend_gets_half_of_each():
    frame = clean(np.random.default_rng(0), persons=50)
    names = np.array(["anger", "fear", "happiness"], object)
    truth = np.arange(len(frame)) % 3
    vectors = 4 * np.eye(8, dtype=np.float32)[truth] + 0.5 * normal(1, len(frame), 8)
    frame["expression"] = names[truth]
    blends = truth[:100] < 2
    vectors[:100][blends] += 2 * np.eye(8)[0] + 2 * np.eye(8)[1] - 4 * np.eye(8)[truth[:100][blends]]
    soft = outcome("anchors", Rows(frame, vectors)).fields
    shares = [soft[f"soft_{name}"][:100][blends].mean() for name in names]
    assert shares == pytest.approx([0.5, 0.5, 0.0], abs=0.1)
    assert np.sum([soft[f"soft_{name}"] for name in names], axis=0) == pytest.approx(1)


# felt


def felt_rows(shown: list[str | None], inner: list[str | None], **columns: object) -> Rows:
    frame = clean(np.random.default_rng(0), persons=len(shown), shots=1)
    frame["expression"] = pd.Series(shown, dtype=object)
    frame["attributes"] = pd.Series(
        [{"felt_expression": one, "felt_valence": -0.5} for one in inner], dtype=object
    )
    return Rows(frame.assign(**columns))


def test_felt_gap_of_a_hand_worked_table():
    # Smiles: 30 felt happy, 10 sad; sad faces: 20 felt sad. 10 of 60 differ; kappa = (5/6 - 1/2) / (1/2).
    rows = felt_rows(
        ["happiness"] * 40 + ["sadness"] * 20, ["happiness"] * 30 + ["sadness"] * 30, valence=0.25
    )
    found = outcome("felt", rows)
    assert found.numbers["differs"]["value"] == pytest.approx(1 / 6)
    assert found.numbers["kappa"]["value"] == pytest.approx(2 / 3)
    assert found.numbers["valence"]["value"] == pytest.approx(0.75)
    assert found.verdict == "warn"
    assert found.fields["gap"][35] == 1
    assert found.fields["gap"][0] == 0.75


def test_labels_that_never_differ_look_copied():
    found = outcome("felt", felt_rows(["fear"] * 120, ["fear"] * 120))
    assert found.verdict == "warn"
    assert "copied" in found.findings[0].detail
    assert outcome("felt", felt_rows([None] * 120, ["fear"] * 120)).verdict == "skipped"


def test_embeddings_that_are_missing_are_asked_for():
    frame = clean(np.random.default_rng(0))
    with pytest.raises(UsageError, match="--embeddings"):
        outcome("shortcut", Rows(frame))


# what is odd


def odd_rows() -> dict[str, Rows]:
    frame = clean(np.random.default_rng(0), persons=30)
    vectors, spectra = normal(1, len(frame), 16), normal(2, len(frame), 32)
    frame["operator"] = np.where(np.random.default_rng(3).random(len(frame)) < 0.5, "capture", None)
    told = [{"race": "ab"[number % 2], "felt_expression": 3, "age": None} for number in range(len(frame))]
    frame["attributes"] = pd.Series(told, dtype=object)
    gaps = np.where(np.random.default_rng(4).random((len(frame), 1)) < 0.5, np.nan, 1).astype(np.float32)
    few = frame.head(1).reset_index(drop=True)
    nothing = {"label": None, "attack": None, "expression": None, "domain": None}
    return {
        "one row": Rows(few, vectors[:1], spectra=spectra[:1]),
        "no picture could be read": Rows(frame, vectors * np.nan, spectra=spectra * np.nan),
        "half could not": Rows(frame, vectors * gaps, spectra=spectra * gaps),
        "no labels": Rows(frame.assign(**nothing), vectors, spectra=spectra),
        "one person": Rows(frame.assign(person="p", family="f"), vectors, spectra=spectra),
        "all alike": Rows(frame, np.ones_like(vectors), spectra=np.zeros_like(spectra)),
        "huge": Rows(frame, vectors * np.float32(1e18), spectra=spectra),
        "tiny": Rows(frame, vectors * np.float32(1e-18), spectra=spectra),
        "one number": Rows(frame, vectors[:, :1], spectra=spectra),
        "a class a row": Rows(frame.assign(expression=frame["sample_id"]), vectors, spectra=spectra),
    }


@pytest.mark.parametrize("case", list(odd_rows()))
def test_odd_rows_are_answered_or_skipped_with_a_reason(case):
    rows = odd_rows()[case]
    said = {"annotator": ["ada", "ben"] * len(rows), "question": "q", "answer": ["x", "y"] * len(rows)}
    rows = replace(rows, trials=pd.DataFrame({"sample_id": np.repeat(rows.frame["sample_id"], 2), **said}))
    for audit in ESTIMATES:
        found = audit.run(rows, audit.thresholds())
        assert found.said.endswith(".")
        assert all(len(field) == len(rows) for field in found.fields.values())
        json.dumps(as_json([Answer(audit, audit.thresholds(), found)], {}), allow_nan=False)
