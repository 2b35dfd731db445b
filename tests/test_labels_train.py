"""Recipes of expressions and action units: what they learn, what they keep, and what they refuse."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from label_parts import SHOWN, dataset, face_row, people, tiny
from recipe_parts import domains, ids, one_thread
from safetensors import safe_open
from safetensors.torch import load_file
from sklearn import metrics
from typer.testing import CliRunner

from facedata.annotate.score.bootstrap import Draws
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, SourceError, TargetError, UsageError
from facedata.recipes.config import load_config
from facedata.recipes.evaluating import evaluate_model
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.labels.recipe import DEFAULT_CONFIGS, score_labels, train_labels
from facedata.recipes.metrics.run import Evaluating

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

ONCE = Evaluating(draws=Draws(0, 0, 0.95))
BOTH = {"expression": 1.0, "units": 1.0, "intensity": 0.3}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Twelve people with splits; three spoofs of smiling faces stand among those tested."""
    spoofs = [
        face_row(3, 9 + number, "happiness", split="test", label="spoof", attack="print")
        for number in range(3)
    ]
    return dataset(tmp_path_factory.mktemp("made"), people() + spoofs)


@pytest.fixture(scope="module")
def learned(made, tmp_path_factory) -> Path:
    """A model of all kinds of labels at once."""
    root = tmp_path_factory.mktemp("learned") / "model"
    train_labels("au", made, root, tiny(losses=BOTH))
    return root


def test_people_that_were_never_seen_are_told_by_far_better_than_by_chance(made, learned):
    found = evaluate_model(made, learned, ONCE).evaluation.to_json()
    assert found["expression"]["all"]["samples"] == 12
    assert found["expression"]["all"]["uar"]["value"] > 0.8  # chance is 0.25
    assert found["action_units"]["mean"]["f1"]["value"] > 0.9  # always present: 2/3
    assert found["intensity"]["mean"]["icc"]["value"] > 0.7
    assert "3 attacks are left out: the model has learned from none" in found["notes"]
    assert "only 3 subjects: intervals from so few are too narrow" in found["notes"]
    (told,) = [note for note in found["notes"] if note.startswith("thresholds")]
    assert told == "thresholds of AU4, AU12: source-dev: highest F1, chosen on split val of dataset"


def test_the_figures_are_those_of_scikit_learn_at_the_thresholds_that_are_kept(made, learned):
    found = evaluate_model(made, learned, ONCE)
    card = json.loads((learned / "training.json").read_text())
    said = found.scores.table.set_index("sample_id")
    rows = {row["sample_id"]: row for row in Dataset.open(made).rows() if row["sample_id"] in said.index}
    true = [12 in {one["au"] for one in rows[name]["au"]} for name in said.index]
    cut = card["thresholds"]["12"]["value"]
    assert found.evaluation.to_json()["action_units"]["AU12"]["threshold"]["value"] == cut
    f1 = metrics.f1_score(true, said["au12"] >= cut)
    assert found.evaluation.to_json()["action_units"]["AU12"]["f1"]["value"] == pytest.approx(f1)


def test_the_folder_says_what_the_model_is_and_no_test_row_was_looked_at(made, learned):
    card = json.loads((learned / "training.json").read_text())
    assert (card["recipe"], card["units"], sorted(card["classes"])) == ("au", [4, 12], sorted(SHOWN))
    assert card["dataset"] == {"name": "dataset", "version": Dataset.open(made).version}
    assert card["code"].startswith("0.")
    with safe_open(learned / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["training"]) == card
    kept, watched = (pd.read_parquet(learned / name) for name in ("rows.parquet", "dev.parquet"))
    assert set(kept.index) == set(ids(made, split="train"))
    assert set(watched.index) == set(ids(made, split="val"))
    # the threshold of the card has the highest F1 on those very rows of any cut
    true = [
        4 in {one["au"] for one in row["au"]} for row in Dataset.open(made).rows() if row["split"] == "val"
    ]
    watched = watched.loc[[row["sample_id"] for row in Dataset.open(made).rows() if row["split"] == "val"]]
    best = max(metrics.f1_score(true, watched["au4"] >= one) for one in watched["au4"])
    at = card["thresholds"]["4"]
    assert metrics.f1_score(true, watched["au4"] >= at["value"]) == pytest.approx(best)
    assert (at["origin"], at["rule"]) == ("source-dev", "highest F1")


def test_a_run_goes_on_to_the_numbers_that_it_would_have_come_to(tmp_path):
    """With everything switched on: nothing that a step draws depends on how often the run was stopped."""
    losses = {"expression": 1.0, "affect": 1.0, "people": 0.1, "neighbours": 0.1}
    clips = {"each_batch": 2, "frames": 3, "pool": "attention"}

    def steps(count: int) -> LabelsConfig:
        loop = {"steps": count, "save_every": 2, "dev_every": 2, "schedule": "constant"}
        return tiny(losses=losses, clips=clips, loop=loop)

    filmed = dataset(
        tmp_path / "filmed",
        [
            {**row, "sequence": f"s{row['person']}", "frame": row["number"], "valence": 0.1 * row["number"]}
            for row in people()
        ],
    )
    train_labels("fer", filmed, tmp_path / "whole", steps(4))
    train_labels("fer", filmed, tmp_path / "halves", steps(2))
    train_labels("fer", filmed, tmp_path / "halves", steps(4), resume=True)
    whole, halves = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "halves"))
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()[0]
    assert set(log.split(",")) == {"step", "loss", *losses}
    # what such a model says of a frame depends on the frames round it
    found = evaluate_model(filmed, tmp_path / "whole", ONCE).evaluation.to_json()
    assert found["affect"]["valence"]["samples"] == 12
    frames = ids(filmed, split="test")
    alone = score_labels(tmp_path / "whole", Dataset.open(filmed), ids=frames[:1]).table
    among = score_labels(tmp_path / "whole", Dataset.open(filmed), ids=frames).table
    before = among.set_index("sample_id").loc[frames[0], "valence"]
    assert alone["valence"][0] != pytest.approx(before, abs=1e-6)


def test_half_precision_trains_to_answers_that_are_numbers(made, tmp_path):
    config = tiny(losses=BOTH, clips={"pool": "attention"}, loop={"steps": 2, "precision": "bf16"})
    assert all(0 <= one <= 1 for one in train_labels("au", made, tmp_path / "m", config).dev.values())
    table = score_labels(tmp_path / "m", Dataset.open(made)).table
    assert len(table) == len(Dataset.open(made))
    assert np.isfinite(table.drop(columns=["sample_id", "expression"]).to_numpy()).all()


def test_a_row_that_was_learned_from_or_watched_is_not_tested(made, learned):
    for split in ("train", "val"):
        with pytest.raises(SourceError, match=r"24 of 24 train rows|12 of 12 val rows"):
            evaluate_model(made, learned, Evaluating(split=split, draws=Draws(0, 0, 0.95)))


def test_people_that_it_knows_are_told_of(learned, made, tmp_path):
    again = dataset(tmp_path, [face_row(0, 77, name) for name in SHOWN])
    notes = evaluate_model(again, learned, ONCE).evaluation.notes
    assert "1 people or files are tested that the model was trained on" in notes


def test_what_a_model_has_not_learned_is_told_of(learned, tmp_path):
    rows = [
        face_row(50, 0, "neutral", au_domain=[4, 12, 25]),
        face_row(50, 1, "contempt"),
        face_row(50, 2, "happiness"),
    ]
    notes = evaluate_model(dataset(tmp_path, rows), learned, ONCE).evaluation.notes
    assert "expressions that the model has not learned count as wrong: contempt 1" in notes
    assert "units that are coded and the model does not tell: 25" in notes


def test_a_picture_without_landmarks_is_told_too(learned, tmp_path):
    """It is seen whole, and units are read from all of it."""
    rows = [face_row(60, number, name, landmarks=None) for number, name in enumerate(SHOWN)]
    found = Dataset.open(dataset(tmp_path, rows))
    table = score_labels(learned, found, ids=[row["sample_id"] for row in found.rows()]).table
    assert np.isfinite(table[["au4", "au12"]].to_numpy()).all()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"threshold": "0.5"}, "keeps a threshold for each unit"),
        ({"protocol": "ocim"}, "facedata split --protocol"),
    ],
)
def test_what_only_detectors_of_attacks_have_is_refused(made, learned, how, said):
    with pytest.raises(UsageError, match=said):
        evaluate_model(made, learned, Evaluating(**how))


def test_rows_without_a_label_that_the_model_tells_are_refused(learned, tmp_path):
    rows = [face_row(70, 0, "neutral", expression=None, au=None, au_domain=None)]
    with pytest.raises(SourceError, match="none has a label that model tells"):
        evaluate_model(dataset(tmp_path, rows), learned, ONCE)
    spoof = [face_row(70, 0, "neutral", label="spoof", attack="print")]
    with pytest.raises(SourceError, match="all are attacks"):
        evaluate_model(dataset(tmp_path / "s", spoof), learned, ONCE)


def test_a_checkpoint_of_another_recipe_is_refused(made, learned, tmp_path):
    other = json.loads((learned / "training.json").read_text()) | {"recipe": "another"}
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "training.json").write_text(json.dumps(other))
    with pytest.raises(DatasetError, match="is a model of facedata train another, not of train fas"):
        evaluate_model(made, tmp_path / "m", ONCE)
    with pytest.raises(DatasetError, match="is a model of facedata train another, not of train fer"):
        score_labels(tmp_path / "m", Dataset.open(made), ids=[])
    with pytest.raises(TargetError, match="another recipe"):
        train_labels("fer", made, learned, tiny(losses=BOTH), resume=True)


def test_a_model_of_labels_does_not_tell_attacks(learned, tmp_path):
    from facedata.recipes import fas

    faces = domains(tmp_path)
    with pytest.raises(DatasetError, match="is a model of facedata train au, not of train fas"):
        fas.score(learned, Dataset.open(faces))


@pytest.mark.parametrize(
    ("kind", "losses", "said"),
    [
        ("fer", {"units": 1.0}, "losses.expression is 0, and train fer is there to learn it"),
        ("au", {"expression": 1.0}, "losses.units is 0, and train au is there to learn it"),
    ],
)
def test_a_configuration_of_the_other_command_is_refused(made, tmp_path, kind, losses, said):
    with pytest.raises(UsageError, match=said):
        train_labels(kind, made, tmp_path / "m", tiny(losses=losses))
    assert not (tmp_path / "m").exists()


def test_a_loss_that_is_no_number_names_the_samples_of_faces(made, tmp_path, monkeypatch):
    from facedata.datasets.errors import FacedataError
    from facedata.recipes.labels import module

    monkeypatch.setattr(module.terms, "unit_loss", lambda logits, *rest: logits.sum() * math.nan)
    with pytest.raises(FacedataError) as told:
        train_labels("au", made, tmp_path / "m", tiny(losses={"units": 1.0}))
    named = set(re.findall(r"[0-9a-f]{32}", str(told.value)))
    assert len(named) == 8
    assert named <= set(ids(made, split="train"))


def test_the_commands_train_go_on_and_say_what_they_did(made, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("network: {side: 32, width: 4}\nlosses: {units: 1}\nloop: {batch: 8, memory: 8}\n")
    told = invoke("train", "au", made, "-o", tmp_path / "m", "--config", config, "--steps", 2)
    assert "trained 2 steps on 24 rows" in told
    assert re.search(
        r"AU12 shows from 0\.\d+, source-dev: highest F1, chosen on split val of dataset \(6 of", told
    )
    again = invoke(
        "train", "au", made, "-o", tmp_path / "m", "--config", config, "--steps", 3, "--resume", "--json"
    )
    summary = json.loads(again)
    assert (summary["steps"], summary["rows"], summary["dev_rows"]) == (3, 24, 12)
    assert summary["thresholds"]["4"]["origin"] == "source-dev"
    shown = invoke("eval", made, "--model", tmp_path / "m", "--draws", 0, "-o", tmp_path / "out")
    assert "thresholds of AU4, AU12: source-dev" in shown
    assert "| AU12 | 12 | 6 |" in (tmp_path / "out" / "metrics.md").read_text()
    kept = invoke("eval", made, "--scores", tmp_path / "out" / "scores.parquet", "--leave-missing", "--json")
    assert "action_units" in json.loads(kept)
    fer = tmp_path / "f.yaml"
    fer.write_text(config.read_text().replace("units", "expression"))
    told = invoke(
        "train",
        "fer",
        made,
        "-o",
        tmp_path / "f",
        "--config",
        fer,
        "--steps",
        2,
        "--seed",
        3,
        "--hold-out",
        "place-1",
    )
    assert "UAR" in told
    assert "on 12 rows" in told


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("kind", ["fer", "au"])
def test_the_configurations_that_come_with_it_are_the_defaults(kind):
    config = load_config(LabelsConfig, None, DEFAULT_CONFIGS[kind])
    assert (config.losses.expression > 0, config.losses.units > 0) == (kind == "fer", kind == "au")


def test_the_configurations_of_the_page_load(tmp_path):
    text = (ROOT / "docs" / "recipes-expression.md").read_text("utf-8")
    found = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found
    for example in found:
        (tmp_path / "c.yaml").write_text(example)
        assert load_config(LabelsConfig, tmp_path / "c.yaml", DEFAULT_CONFIGS["au"]).loop.steps > 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"config": {"losses": {"units": "many"}}},
            "training.json: config.losses.units: Input should be a valid",
        ),
        ({"classes": None}, "training.json says nothing of classes; restore it"),
    ],
)
def test_a_card_that_was_changed_is_refused(made, learned, tmp_path, change, said):
    card = {**json.loads((learned / "training.json").read_text()), **change}
    (tmp_path / "m").mkdir()
    told = {name: value for name, value in card.items() if value is not None}
    (tmp_path / "m" / "training.json").write_text(json.dumps(told))
    with pytest.raises(DatasetError, match=said):
        evaluate_model(made, tmp_path / "m", ONCE)
