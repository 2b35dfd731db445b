"""Predicted expressions, units, intensities and heart rates against scikit-learn and formulas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import jpeg
from sklearn import metrics
from test_eval import COLUMNS, write
from version_trees import listed, make

from facedata.annotate.score.bootstrap import Draws
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import SourceError, UsageError
from facedata.recipes.metrics.labels import label_sections
from facedata.recipes.metrics.predictions import read_predictions
from facedata.recipes.metrics.run import Evaluating, evaluate

ONCE = Evaluating(draws=Draws(20))
# AU12 is graded or absent, AU4 coded but not in all, AU1 present and not graded
TRUE = [
    {"expression": "happiness", "au": {"12": 3, "1": None}, "au_domain": [1, 4, 12], "heart_rate": 60},
    {"expression": "happiness", "au": {"12": 4}, "au_domain": [1, 4, 12], "heart_rate": 72},
    {"expression": "happiness", "au": {}, "au_domain": [1, 12], "heart_rate": 80},
    {"expression": "anger", "au": {"4": 2}, "au_domain": [1, 4, 12]},
    {"expression": "fear", "au": {"4": 5, "1": None}, "au_domain": [1, 4, 12]},
    {},  # of which nothing is known
]
SAID = {
    "expression": ["happiness", "anger", "happiness", "anger", "surprise", "anger"],
    "au12": [0.9, 0.4, 0.5, 0.1, 0.0, 1.0],
    "au4": [0.0, 0.7, 0.7, 0.9, 0.2, 1.0],
    "au12_intensity": [2.5, 4.5, 0.5, 0.0, 1.0, 5.0],
    "heart_rate": [63, 68, 80, 100, 100, 100],
}


@pytest.fixture
def made(tmp_path) -> Path:
    folder = tmp_path / "p"
    folder.mkdir()
    lines = []
    for number, row in enumerate(TRUE):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
        lines.append(json.dumps({"path": f"{number}.jpg", "subject": f"s{number % 3}", **row}))
    (folder / "list.jsonl").write_text("\n".join(lines))
    return make(folder / "list.jsonl", tmp_path / "ds", variants=0)


@pytest.fixture
def said(made, tmp_path) -> Path:
    of = {int(Path(one.source.file).stem): one.sample_id for one in Dataset.open(made)}
    rows = [(of[number], *(SAID[name][number] for name in SAID)) for number in range(len(TRUE))]
    return write(tmp_path / "said.csv", rows, ",".join(["sample_id", *SAID]))


def test_labels_are_those_of_scikit_learn(made, said):
    found = evaluate(made, said, ONCE).to_json()
    true, answers = [row["expression"] for row in TRUE[:5]], SAID["expression"][:5]
    overall = found["expression"]["all"]
    assert overall["war"]["value"] == pytest.approx(metrics.accuracy_score(true, answers))
    recalls = metrics.recall_score(true, answers, labels=sorted(set(true)), average="macro")
    assert overall["uar"]["value"] == pytest.approx(recalls)
    f1 = metrics.f1_score(true, answers, labels=sorted(set(true)), average="macro")
    assert overall["f1"]["value"] == pytest.approx(f1)
    # AU4 was not coded in the third: its answer there is neither right nor wrong
    au4 = metrics.f1_score([0, 0, 1, 1], [0, 1, 1, 0])
    assert found["action_units"]["AU4"]["coded"] == 4
    assert found["action_units"]["AU4"]["f1"]["value"] == pytest.approx(au4)
    au12 = metrics.f1_score([1, 1, 0, 0, 0], [1, 0, 1, 0, 0])  # 0.5 shows
    assert found["action_units"]["AU12"]["f1"]["value"] == pytest.approx(au12)
    assert found["action_units"]["mean"]["f1"]["value"] == pytest.approx((au4 + au12) / 2)
    x, y = np.array([3, 4, 0, 0, 0.0]), np.array(SAID["au12_intensity"][:5])
    covariance = np.cov(x, y)  # ICC(3,1) of two raters
    icc = 2 * covariance[0, 1] / np.trace(covariance)
    assert found["intensity"]["AU12"]["icc"]["value"] == pytest.approx(icc)
    assert found["intensity"]["AU12"]["mae"]["value"] == pytest.approx(np.abs(x - y).mean())
    heart = found["heart_rate"]["heart rate"]
    assert (heart["samples"], heart["mae"]["value"]) == (3, pytest.approx(7 / 3))
    assert heart["rmse"]["value"] == pytest.approx(
        metrics.root_mean_squared_error([60, 72, 80], [63, 68, 80])
    )
    assert heart["bias"]["value"] == pytest.approx(-1 / 3)
    assert "hter" not in found


def test_a_unit_shows_from_its_own_threshold_on(made, said):
    dataset, given = Dataset.open(made), read_predictions(said)
    clusters = {one.sample_id: one.sample_id for one in dataset}
    found = label_sections(dataset, given, clusters, Draws(0), of="all", thresholds={12: 0.4})
    (units,) = [section for section in found if section.title == "action units"]
    rows = {row.name: row.measures for row in units.rows}
    assert (rows["AU12"]["threshold"].value, rows["AU4"]["threshold"].value) == (0.4, 0.5)
    f1 = metrics.f1_score([1, 1, 0, 0, 0], [1, 1, 1, 0, 0])  # 0.4 shows now
    assert rows["AU12"]["f1"].value == pytest.approx(f1)


def test_a_unit_of_intensity_zero_is_absent(tmp_path):
    """A level of 0 among those that are listed says the same as a unit that is coded and not listed."""
    folder = tmp_path / "p"
    folder.mkdir()
    lines = []
    for number, au in enumerate(({"12": 0}, {}, {"12": None}, {"12": 1})):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
        lines.append(json.dumps({"path": f"{number}.jpg", "subject": "s", "au": au, "au_domain": [12]}))
    (folder / "list.jsonl").write_text("\n".join(lines))
    made = make(folder / "list.jsonl", tmp_path / "ds", variants=0)
    path = write(tmp_path / "s.csv", [(one.sample_id, 1.0) for one in Dataset.open(made)], "sample_id,au12")
    found = evaluate(made, path, ONCE).to_json()["action_units"]["AU12"]
    assert (found["coded"], found["present"], found["precision"]["value"]) == (4, 2, 0.5)


def test_valence_and_arousal_are_compared_by_their_concordance(tmp_path):
    true, said = [-0.5, 0.1, 0.4, 0.9], [-0.4, 0.0, 0.7, 0.7]
    folder = tmp_path / "p"
    folder.mkdir()
    lines = []
    for number, value in enumerate([*true, None]):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
        row = {"path": f"{number}.jpg", "subject": f"s{number}", "valence": value}
        lines.append(json.dumps({name: one for name, one in row.items() if one is not None}))
    (folder / "list.jsonl").write_text("\n".join(lines))
    made = make(folder / "list.jsonl", tmp_path / "ds", variants=0)
    of = {int(Path(one.source.file).stem): one.sample_id for one in Dataset.open(made)}
    rows = [(of[number], value) for number, value in enumerate([*said, -1])]
    path = write(tmp_path / "said.csv", rows, "sample_id,valence")
    found = evaluate(made, path, ONCE).to_json()["affect"]["valence"]
    x, y = np.array(true), np.array(said)
    # Lin 1989: twice the covariance over the variances and the squared difference of the means
    ccc = 2 * np.mean((x - x.mean()) * (y - y.mean())) / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert (found["samples"], found["ccc"]["value"]) == (4, pytest.approx(ccc))
    assert found["rmse"]["value"] == pytest.approx(np.sqrt(np.mean((x - y) ** 2)))
    path.write_text(path.read_text().replace("-0.4", "-1.4"))
    with pytest.raises(SourceError, match=r"valence of .* is '-1.4', which is not from -1 to 1"):
        evaluate(made, path, ONCE)


def test_a_grade_that_nobody_gave_is_none(made, said, tmp_path):
    """AU1 is present in two samples without a grade: they have no intensity to be compared with."""
    text = said.read_text().replace("au12_intensity", "au1_intensity")
    (tmp_path / "one.csv").write_text(text)
    found = evaluate(made, tmp_path / "one.csv", ONCE).to_json()
    assert found["intensity"]["AU1"]["graded"] == 3
    assert found["intensity"]["AU1"]["icc"]["value"] is not None  # 0, 0, 0 against 4.5, 0.5, 0


def test_labels_without_a_prediction_are_refused_or_left_out(made, said):
    lines = said.read_text().splitlines()
    true = {one.sample_id for one in Dataset.open(made) if one.expression}
    first = next(line for line in lines if line.split(",")[0] in true)
    said.write_text("\n".join(line for line in lines if line != first))
    with pytest.raises(SourceError, match=r"1 of 5 labelled .* have no prediction"):
        evaluate(made, said, ONCE)
    found = evaluate(made, said, Evaluating(leave_missing=True, draws=Draws(20))).to_json()
    assert found["expression"]["all"]["samples"] == 4


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("au12", "1.5", "not from 0 to 1"),
        ("au12_intensity", "6", "not from 0 to 5"),
        ("heart_rate", "-1", "0 to 1000"),
    ],
)
def test_values_out_of_range_are_refused(made, said, column, value, words):
    lines = said.read_text().splitlines()
    cells = lines[2].split(",")
    cells[1 + list(SAID).index(column)] = value
    lines[2] = ",".join(cells)
    said.write_text("\n".join(lines))
    with pytest.raises(SourceError, match=f"said.csv:3: {column} of .* {words}"):
        evaluate(made, said, ONCE)


def test_only_the_tested_split_counts_and_no_threshold_is_asked_for(tmp_path):
    lines = [f",,s{n},d,{split}" for n, split in enumerate(["val", "test", "test"])]
    rows = [f"{line},{name}" for line, name in zip(lines, ["fear", "anger", "fear"], strict=True)]
    made = listed(tmp_path / "p", f"{COLUMNS},expression", rows, tmp_path / "ds", variants=0)
    ids = {int(Path(one.source.file).stem): one.sample_id for one in Dataset.open(made)}
    said = [(ids[0], "anger"), (ids[1], "anger"), (ids[2], "anger")]
    path = write(tmp_path / "said.csv", said, "sample_id,expression")
    found = evaluate(made, path, ONCE).to_json()["expression"]["all"]
    assert (found["samples"], found["war"]["value"], found["uar"]["value"]) == (2, 0.5, 0.5)
    with pytest.raises(UsageError, match=r"said.csv has no column score, so nothing needs --dev"):
        evaluate(made, path, Evaluating(dev_scores=path))
    scores = write(tmp_path / "s.csv", [(one, 0.5) for one in ids.values()])
    with pytest.raises(SourceError, match=r"has no column score"):
        evaluate(made, scores, Evaluating(dev_scores=path))


def test_predictions_that_nothing_is_known_of(made, tmp_path):
    ids = [one.sample_id for one in Dataset.open(made)]
    path = write(tmp_path / "s.csv", [(one, 0.5) for one in ids], "sample_id,au25")
    with pytest.raises(SourceError, match=r"predicts au25, of which .* has no labels"):
        evaluate(made, path, ONCE)
    table = write(tmp_path / "t.csv", [("a", "fear", "live")], "sample_id,expression,label")
    with pytest.raises(UsageError, match="which can stand alone for scores only"):
        evaluate(table, None, ONCE)
