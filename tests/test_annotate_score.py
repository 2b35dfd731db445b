"""Scoring from files: hand-made answers whose scores can be worked out on paper, and the command."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import typer
from annotate_scores import TASK, answer, row_of, sample, scored, units, value, write
from typer.testing import CliRunner

from facedata.annotate.checks.scan import Claim, claims
from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.claims import present_in, verdict
from facedata.annotate.score.facts import Facts, facts_of_answer, facts_of_evidence
from facedata.annotate.score.rege import expression_named, units_named
from facedata.annotate.score.run import Scoring, score
from facedata.cli.annotate_score import score as score_command
from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import SAMPLES_NAME
from facedata.datasets.errors import DatasetError, SourceError, UsageError
from facedata.datasets.sample import Layer

# --- action units ---


def test_units_are_scored_where_they_were_coded(tmp_path):
    coded = (6, 12)
    samples = [
        sample("a", au={6: 2.0, 12: 3.0}, au_domain=coded),
        sample("b", au={6: 0.0, 12: 1.0}, au_domain=coded),
        sample("c", au={12: 0.0}, au_domain=(12,)),  # AU6 was not coded here
        sample("d"),  # nothing was
    ]
    records = [
        answer("a", {"aus": units(6, 12)}, "seen"),
        answer("b", {"aus": units(6, 25)}, "seen"),
        answer("c", {"aus": units(6, 12)}, "seen"),
        answer("d", {"aus": units(6, 12)}, "seen"),
    ]
    found = scored(tmp_path, samples, records)
    assert row_of(found, "action units", "AU6").counts == {"coded": 2, "present": 1}
    assert value(found, "action units", "AU6", "precision") == 0.5  # a right, b wrong, c and d do not count
    assert value(found, "action units", "AU6", "recall") == 1.0
    assert row_of(found, "action units", "AU12").counts == {"coded": 3, "present": 2}
    assert value(found, "action units", "AU12", "precision") == 0.5
    assert value(found, "action units", "AU12", "recall") == 0.5
    assert value(found, "action units", "mean", "f1") == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.tasks[0].counts["units answered that were not coded"] == 2  # 25 of b, 6 of c
    assert not any(row.name == "AU25" for row in found.tasks[0].sections[0].rows)


def test_the_mean_is_of_units_that_show(tmp_path):
    samples = [sample("a", au={6: 2.0}, au_domain=(6, 12, 25))]
    found = scored(tmp_path, samples, [answer("a", {"aus": units(6, 12)}, "seen")])
    assert value(found, "action units", "AU12", "precision") == 0.0  # answered, and never there
    assert value(found, "action units", "AU25", "f1") is None
    assert value(found, "action units", "mean", "precision") == 1.0


def test_failures_are_wrong_in_everything_and_counted(tmp_path):
    samples = [sample(name, expression="fear", au={4: 1.0}, au_domain=(4, 12)) for name in "abcd"]
    right = {"expression": "fear", "aus": units(4)}
    references = [answer(name, right, "brows come down") for name in "abcd"]
    records = [
        answer("a", right, "brows come down"),
        answer("b", status="reject"),
        answer("c", status="blocked"),
    ]
    found = scored(tmp_path, samples, records, references)
    assert {name: found.tasks[0].counts[name] for name in ("scored", "invalid", "blocked", "missing")} == {
        "scored": 4,
        "invalid": 1,
        "blocked": 1,
        "missing": 1,
    }
    assert value(found, "classes", "expression", "accuracy") == 0.25
    assert value(found, "classes", "expression", "macro_f1") == pytest.approx(2 * 1 / (4 + 1))
    assert value(found, "action units", "AU4", "recall") == 0.25
    assert value(found, "action units", "AU12", "ac1") == pytest.approx(
        # of four absent units, three are called present: pa = 1/4, pi = 3/8
        (1 / 4 - 2 * 3 / 8 * 5 / 8) / (1 - 2 * 3 / 8 * 5 / 8)
    )
    assert value(found, "text", "text", "rouge_l") == 0.25
    lenient = score(tmp_path / "truth", tmp_path / "answers", Scoring(missing=False, draws=Draws(0)))
    assert value(lenient, "classes", "expression", "accuracy") == pytest.approx(1 / 3)
    assert lenient.tasks[0].counts["missing"] == 0


def test_a_task_of_which_no_answer_could_be_read_is_wrong_throughout(tmp_path):
    samples = [sample("a", expression="anger", au={4: 1.0}, au_domain=(4,))]
    found = scored(tmp_path, samples, [answer("a", status="reject")])
    assert value(found, "classes", "expression", "accuracy") == 0.0
    assert value(found, "action units", "AU4", "recall") == 0.0


def test_intensity_is_icc_of_what_both_graded(tmp_path):
    truth, said = [0, 1, 2, 3, 5, 4], [0, 2, 2, 4, 5, None]
    samples = [sample(f"s{n}", au={12: float(level)}, au_domain=(12,)) for n, level in enumerate(truth)]
    records = [
        answer(f"s{n}", {"aus": units(12) if level is None else units(AU12=level)}, "seen")
        for n, level in enumerate(said)
    ]
    found = scored(tmp_path, samples, records)
    assert row_of(found, "intensity", "AU12").counts == {"graded": 5}
    covariance = np.cov(truth[:5], said[:5])
    expected = 2 * covariance[0, 1] / np.trace(covariance)
    assert value(found, "intensity", "AU12", "icc") == pytest.approx(expected)


def test_without_grades_there_is_no_intensity(tmp_path):
    found = scored(
        tmp_path, [sample("a", au={12: 2.0}, au_domain=(12,))], [answer("a", {"aus": units(12)}, "x")]
    )
    assert "intensity" not in {section.title for section in found.tasks[0].sections}


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"au": 6, "intensity": "C"}, {"au": 12, "intensity": 2}], {6: 3.0, 12: 2.0}),
        ([{"au": 6, "present": False}, {"au": 12, "intensity": 0}, 25], {25: None}),
        ([{"au": 12, "intensity": "A"}, {"au": 12, "intensity": "D"}], {12: 4.0}),
        ([{"au": 12, "intensity": "D"}, {"au": 12, "intensity": "A"}], {12: 4.0}),
        (["12", {"name": "brow lowerer"}, True, None], {}),
    ],
)
def test_units_of_an_answer(listed, expected):
    assert facts_of_answer({"aus": listed}).aus == expected


def test_what_a_detector_found_is_not_true():
    evidence = {"coded": [6, 12], "aus": [{"au": 12, "origin": "detector"}]}
    assert facts_of_evidence(evidence).coded is None
    evidence["aus"][0]["origin"] = "human"
    assert facts_of_evidence(evidence).coded == {6, 12}


# --- classes ---


def test_classes_by_hand(tmp_path):
    truth = ["fear", "fear", "fear", "anger", "anger", "sadness"]
    said = ["fear", "anger", "bored", "anger", "anger", "fear"]
    samples = [sample(f"s{n}", expression=name) for n, name in enumerate(truth)]
    records = [answer(f"s{n}", {"expression": name}, "x") for n, name in enumerate(said)]
    found = scored(tmp_path, samples, records)
    assert value(found, "classes", "expression", "accuracy") == 0.5
    assert value(found, "classes", "expression", "uar") == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert value(found, "classes", "expression", "macro_f1") == pytest.approx((2 / 5 + 4 / 5 + 0) / 3)


def test_labels_and_attacks_of_spoof_tasks(tmp_path):
    samples = [
        sample("a", label="live", au={12: 1.0}, au_domain=(12,)),
        sample("b", label="spoof", attack="print/paper"),
    ]
    records = [answer(name, {"label": "live"}, "Live.", task="spoof-coarse") for name in "ab"]
    records += [answer("a", {"class": "live"}, "live", task="spoof-fine")]
    records += [answer("b", {"class": "replay"}, "replay", task="spoof-fine")]
    found = scored(tmp_path, samples, records)
    assert value(found, "classes", "label", "accuracy", "spoof-coarse") == 0.5
    assert [section.title for section in found.tasks[0].sections] == ["classes"]
    assert value(found, "classes", "attack_class", "accuracy", "spoof-fine") == 0.5


# --- claims and REGE ---

TRUTH = Facts(aus={6: None, 12: 2.0}, coded=frozenset({4, 6, 12}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AU12 is visible.", ["supported"]),
        ("AU12 is absent.", ["contradicted"]),
        ("AU4 is absent.", ["supported"]),
        ("There is no sign of AU4, but AU6 shows.", ["supported", "supported"]),
        ("AU4 is present.", ["contradicted"]),
        ("AU17 is present.", ["unjudged"]),
        ("AU17 is absent.", ["unjudged"]),
    ],
)
def test_verdicts(text, expected):
    assert [verdict(claim, TRUTH) for claim in claims(text)] == expected


def test_words_of_several_units_need_all_of_them_to_contradict():
    claim = Claim(au=7, polarity="present", side=None, start=0, end=4, others=(6,))
    assert verdict(claim, Facts(aus={6: None}, coded=frozenset({6, 12}))) == "supported"
    assert verdict(claim, Facts(aus={}, coded=frozenset({6, 7}))) == "contradicted"
    assert verdict(claim, Facts(aus={}, coded=frozenset({6, 12}))) == "unjudged"  # it may well be AU7


def test_words_of_several_units_add_none_beside_a_clear_one():
    made = claims("AU6 is there; the raised cheeks narrow the eyes from below.")
    assert any(claim.others for claim in made), "the sentence should be ambiguous"
    assert present_in(made) == {6}


def test_claims_of_a_text(tmp_path):
    samples = [sample("a", au={6: 1.0, 12: 1.0}, au_domain=(4, 6, 12))]
    text = "AU12 is visible. AU6 is absent. AU4 is absent. AU17 is visible."
    found = scored(tmp_path, samples, [answer("a", {"aus": units(12)}, text)])
    assert row_of(found, "claims", "claims").counts == {"claims": 4}
    assert value(found, "claims", "claims", "precision") == 0.5
    assert value(found, "claims", "claims", "contradiction") == 0.25
    assert value(found, "claims", "claims", "not_judged") == 0.25
    assert value(found, "claims", "claims", "recall") == 0.5


def test_rege_as_published_takes_a_denial_for_a_claim(tmp_path):
    text = "AU12 is absent. AU4 is present. The face shows anger."
    samples = [sample("a", expression="anger", au={4: 1.0, 12: 1.0}, au_domain=(4, 12))]
    records = [answer("a", {"expression": "anger", "aus": units(4)}, text)]
    found = scored(tmp_path, samples, records, [answer("a", {"aus": units(4, 12)}, text)])
    assert value(found, "rege", "action units", "recognition") == 1.0
    assert value(found, "rege", "action units", "rege") == 2.0
    assert value(found, "rege", "action units", "recognition_polarity") == 0.5  # AU4 1, AU12 0
    assert value(found, "rege", "action units", "rege_polarity") == 1.5
    assert value(found, "rege", "expression", "rege") == 2.0


def test_published_reading_of_a_text():
    assert units_named("AU1+AU2, no AU4; au6, AU 7") == {1, 2, 4}
    assert expression_named("There is no anger here. She looks happy. Sad eyes, sadness.") == "happiness"
    assert expression_named("The brows are up. Fear, fear and surprise.") == "fear"
    assert expression_named("Not a trace of fear.") == "fear"  # nothing else is left: as published
    assert expression_named("A face.") is None


# --- boxes ---


def test_boxes_against_the_mask(tmp_path):
    mask = np.zeros((30, 40), np.uint8)
    mask[10:20, 5:25] = 255
    data = cv2.imencode(".png", mask)[1].tobytes()
    root = tmp_path / "truth"
    (root / "layers").mkdir(parents=True)
    (root / "layers" / "m.png").write_bytes(data)
    layer = Layer(name="mask", ref="layers/m.png", content_hash=content_hash(data))
    samples = [
        sample("a", label="spoof", attack="print/paper", layers=(layer,)),
        sample("b", label="spoof", attack="print/paper", layers=(layer,)),
        sample("c", label="live"),
        sample("d", label="spoof", attack="print/paper"),  # no mask: nobody knows where
    ]
    boxes = {"a": [[5, 10, 20, 10]], "b": [[5, 10, 9, 10]], "c": [[0, 0, 5, 5]], "d": [[0, 0, 5, 5]]}
    records = [answer(name, {"boxes": boxes[name]}, "there", task="spoof-locate") for name in "abcd"]
    found = scored(tmp_path, samples, records)
    assert row_of(found, "localisation", "boxes", "spoof-locate").counts == {"pictures": 2, "boxes": 2}
    assert value(found, "localisation", "boxes", "iou", "spoof-locate") == pytest.approx((1 + 0.45) / 2)
    # The box in the live picture is a false one: precision 2/3 or 1/3, recall 2/2 or 1/2.
    assert value(found, "localisation", "boxes", "ap@0.4", "spoof-locate") == pytest.approx(2 / 3)
    assert value(found, "localisation", "boxes", "ap@0.5", "spoof-locate") == pytest.approx(1 / 3 * 1 / 2)


# --- sides of a comparison ---


def test_truth_from_edited_answers(tmp_path):
    evidence = {"expression": {"value": "fear"}, "coded": [4, 12], "aus": [{"au": 4}]}
    edited = [answer("a", {"expression": "anger", "aus": units(12)}, "x", evidence=evidence)]
    given = [answer("a", {"expression": "fear", "aus": units(12)}, "x")]
    by_label = scored(tmp_path, None, given, edited)
    by_edit = scored(tmp_path, None, given, edited, truth="answers")
    assert value(by_label, "classes", "expression", "accuracy") == 1.0
    assert value(by_edit, "classes", "expression", "accuracy") == 0.0
    assert value(by_label, "action units", "AU12", "precision") == 0.0
    assert value(by_edit, "action units", "AU12", "precision") == 1.0


def test_every_draw_of_a_sample_is_scored_against_all_references(tmp_path):
    samples = [sample("a", expression="fear"), sample("b", expression="fear")]
    references = [answer("a", {"expression": "fear"}, text, draw=n) for n, text in enumerate(("p q", "r s"))]
    records = [answer("a", {"expression": "fear"}, text, draw=n) for n, text in enumerate(("r s", "p q"))]
    found = scored(tmp_path, samples, records, references)
    assert row_of(found, "text", "text").counts == {"texts": 2}
    assert value(found, "text", "text", "rouge_l") == 1.0


def test_intervals_are_drawn_by_subject(tmp_path):
    samples = [sample(f"{s}{n}", subject=s, expression="fear") for s in "xyz" for n in range(4)]
    said = {"x": "fear", "y": "anger", "z": "fear"}
    records = [answer(one.sample_id, {"expression": said[one.subject]}, "x") for one in samples]
    found = scored(tmp_path, samples, records)
    assert found.subjects == 3
    assert any("only 3 subjects" in note for note in found.notes)
    estimate = found.tasks[0].measure("classes", "expression", "accuracy")
    # Three subjects are all right or all wrong: each draw is a ratio of their three counts.
    draws = Draws(50)
    counts = draws.weights(np.array([draws.key(f"subject {name}") for name in "xyz"], dtype=np.uint64))
    drawn = counts.sum(0) > 0
    shares = counts[[0, 2]].sum(0)[drawn] / counts.sum(0)[drawn]
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))
    assert estimate.low < estimate.value < estimate.high


def test_samples_unknown_to_the_truth_are_left_out_and_said(tmp_path):
    samples = [sample("a", expression="fear")]
    records = [answer(name, {"expression": "fear"}, "x") for name in "ab"]
    found = scored(tmp_path, samples, records)
    assert found.tasks[0].counts["scored"] == 1
    assert any(note.startswith("1 answers are about samples") for note in found.notes)


def test_tasks_are_scored_apart_or_chosen(tmp_path):
    samples = [sample("a", expression="fear")]
    records = [
        answer("a", {"expression": word}, "x", task=task) for word, task in (("fear", "t"), ("anger", "u"))
    ]
    found = scored(tmp_path, samples, records)
    assert [value(found, "classes", "expression", "accuracy", task) for task in "tu"] == [1.0, 0.0]
    assert [one.task for one in scored(tmp_path, samples, records, tasks=("u",)).tasks] == ["u"]


def test_the_order_of_answers_changes_nothing(tmp_path):
    samples = [sample(f"s{n}", subject=str(n % 4), expression="fear") for n in range(12)]
    records = [
        answer(f"s{n}", {"expression": "fear" if n % 3 else "anger"} if n % 5 else None, "x" if n % 5 else "")
        for n in range(12)
    ]
    first = scored(tmp_path, samples, records)
    again = scored(tmp_path, samples, records)
    turned = scored(tmp_path, samples, records[::-1])
    assert first == again
    assert turned == first


def test_what_a_task_asks_does_not_depend_on_which_answer_comes_first(tmp_path):
    samples = [sample(name, expression="fear", au={4: 1.0}, au_domain=(4,)) for name in "ab"]
    silent = answer("a", {"aus": units(4)}, "x")  # names no expression, and is wrong about it
    full = answer("b", {"expression": "fear", "aus": units(4)}, "x")
    for records in ([silent, full], [full, silent]):
        found = scored(tmp_path, samples, records)
        assert row_of(found, "classes", "expression").counts["answers"] == 2
        assert value(found, "classes", "expression", "accuracy") == 0.5


# --- errors ---


def test_errors_name_the_place_and_the_mend(tmp_path):
    truth = write(tmp_path / "truth", [sample("a")])
    empty, other = (
        write(tmp_path / "empty", None, []),
        write(tmp_path / "other", None, [answer("z", {}, "x")]),
    )
    with pytest.raises(SourceError, match="neither a dataset nor a file of records"):
        score(tmp_path / "none", truth)
    with pytest.raises(SourceError, match="truth has no answers to score"):
        score(truth, truth)
    with pytest.raises(SourceError, match="has no records"):
        score(truth, empty)
    with pytest.raises(SourceError, match=r"no sample that .*other answers is in"):
        score(truth, other)
    with pytest.raises(UsageError, match="has no answers that could be the truth"):
        score(truth, other, Scoring(truth="answers"))
    with pytest.raises(UsageError, match="scored against itself"):
        score(other, other, Scoring(truth="answers"))
    with pytest.raises(DatasetError, match=r"lacks the columns .*is it a file of records"):
        score(truth, truth / SAMPLES_NAME)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(DatasetError, match=r"text\.parquet cannot be read"):
        score(truth, tmp_path / "text.parquet")


# --- the command ---

APP = typer.Typer()
APP.command()(score_command)


def test_command(tmp_path):
    samples = [
        sample(f"s{n}", subject=f"p{n}", expression="fear", au={4: 1.0}, au_domain=(4,)) for n in range(6)
    ]
    records = [answer(f"s{n}", {"expression": "fear", "aus": units(4)}, "AU4 shows.") for n in range(6)]
    truth, answers = write(tmp_path / "truth", samples, records), write(tmp_path / "made", samples, records)
    page = tmp_path / "scores.md"
    arguments = [str(truth), str(answers), "--draws", "20"]
    shown = CliRunner().invoke(APP, [*arguments, "-o", str(page)], catch_exceptions=False)
    assert shown.exit_code == 0
    assert "explain-expression: 6 scored" in shown.stdout
    assert "1.000 [1.000, 1.000]" in shown.stdout
    text = page.read_text("utf-8")
    assert "| AU4 | 6 | 6 | 1.000 [1.000, 1.000] |" in text
    assert all(title in text for title in ("### claims", "### text", "### rege"))
    told = CliRunner().invoke(APP, [*arguments, "--json"], catch_exceptions=False)
    found = json.loads(told.stdout)
    assert found["bootstrap"] == {"draws": 20, "seed": 0, "level": 0.95}
    accuracy = found["tasks"][TASK]["classes"]["expression"]["accuracy"]
    assert accuracy == {"value": 1.0, "low": 1.0, "high": 1.0}
    refused = CliRunner().invoke(APP, [str(truth), str(answers), "-o", str(tmp_path)])
    assert refused.exception is not None
    assert "cannot be written" in str(refused.exception)
