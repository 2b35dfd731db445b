"""The recipe against attacks: what it learns from, what it makes of it, and what it refuses."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from recipe_parts import domains, ids, listed, one_thread, tiny
from safetensors import safe_open
from typer.testing import CliRunner

from facedata.annotate.score.bootstrap import Draws
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, FacedataError, SourceError, UsageError
from facedata.datasets.versions.protocol import HoldOut, Protocol
from facedata.recipes import fas
from facedata.recipes.batches import Batches
from facedata.recipes.config import RowsConfig, load_config
from facedata.recipes.evaluating import evaluate_model
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.metrics.run import Evaluating
from facedata.recipes.rows import choose_rows

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

NO_DRAWS = Draws(0, 0, 0.95)


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    """Three domains, with splits."""
    return domains(tmp_path_factory.mktemp("three"), ("east", "north", "south"), people=8)


@pytest.fixture(scope="module")
def learned(three, tmp_path_factory) -> Path:
    """A model that has not seen the domain south."""
    root = tmp_path_factory.mktemp("learned") / "model"
    config = tiny(rows={"hold_out": ["south"]}, loop={"steps": 60, "rate": 0.01, "dev_every": 20})
    fas.train_fas(three, root, config)
    return root


def test_a_model_beats_chance_by_far_on_a_domain_that_it_has_not_seen(three, learned):
    found = evaluate_model(three, learned, Evaluating(draws=NO_DRAWS)).evaluation.to_json()
    assert found["domains"]["south"]["auc"]["value"] > 0.9
    assert found["domains"]["south"]["hter"]["value"] < 0.25
    assert found["threshold"]["origin"] == "source-dev"
    assert "split val of dataset, kept with model (8 bona fide, 8 attacks)" in found["threshold"]["chosen_on"]


def test_the_folder_says_what_the_model_is(three, learned):
    card = json.loads((learned / "training.json").read_text())
    assert card["dataset"] == {"name": "dataset", "version": Dataset.open(three).version}
    assert card["config"]["rows"]["hold_out"] == ["south"]
    assert card["code"].startswith("0.")
    assert card["threshold"]["origin"] == "source-dev"
    with safe_open(learned / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["training"]) == card
    kept = pd.read_parquet(learned / "rows.parquet")
    assert set(kept.index) == {
        *ids(three, split="train", domain="east"),
        *ids(three, split="train", domain="north"),
    }
    watched = pd.read_parquet(learned / "dev.parquet")
    assert set(watched.index) == {
        *ids(three, split="val", domain="east"),
        *ids(three, split="val", domain="north"),
    }
    # the threshold of the card is the one of equal errors on those very scores
    live, spoof = (watched["score"][watched["label"] == name] for name in ("live", "spoof"))
    at = card["threshold"]["value"]
    far, frr = (spoof >= at).mean(), (live < at).mean()
    assert abs(far - frr) <= 1 / min(len(live), len(spoof))


def test_scores_are_those_of_the_rows_asked_for_and_repeat(three, learned):
    dataset = Dataset.open(three)
    everything = fas.score(learned, dataset, batch=5).table.set_index("sample_id")["score"]
    assert len(everything) == len(dataset)
    some = ids(three, split="test", domain="south")
    again = fas.score(learned, dataset, ids=some).table.set_index("sample_id")["score"]
    np.testing.assert_allclose(again[some], everything[some], atol=1e-5)


# ---- rows


def chosen(dataset: Path, protocol: Protocol | None = None, **rows):
    return choose_rows(Dataset.open(dataset), RowsConfig(**rows), protocol, seed=0)


def test_without_a_split_val_whole_people_are_kept_for_development(tmp_path):
    dataset = domains(tmp_path, people=10, splits=False)
    found = chosen(dataset, dev_share=0.2)
    people = [{row.subject for row in rows} for rows in (found.train, found.dev)]
    assert not people[0] & people[1]
    assert len(found.train) + len(found.dev) == len(Dataset.open(dataset))
    shares = [sum(row.domain == name for row in found.dev) / 40 for name in ("north", "south")]
    assert shares == pytest.approx([0.2, 0.2])
    assert "20 % of the people" in found.of


def test_a_protocol_says_what_is_learned_from_and_what_is_not(three):
    protocol = Protocol(
        name="p",
        splits={"train": 'domain in ["east", "north"]', "test": 'domain == "south"'},
        hold_out=HoldOut(share=0.25),
    )
    found = chosen(three, protocol)
    assert {row.domain for row in (*found.train, *found.dev)} == {"east", "north"}
    assert len(found.dev) == 16
    assert not {row.subject for row in found.train} & {row.subject for row in found.dev}


def test_a_domain_that_is_held_out_is_neither_learned_from_nor_watched(three):
    found = chosen(three, hold_out=("south",))
    assert {row.domain for row in (*found.train, *found.dev)} == {"east", "north"}


def rows_of(*lines: tuple[str, str, str, str]) -> list[dict]:
    names = ("label", "subject", "domain", "split")
    return [
        {**dict(zip(names, line, strict=True)), "person": number, "number": 0, "place": 0}
        for number, line in enumerate(lines)
    ]


GOOD = [
    (label, f"{split}{number}", "here", split)
    for split in ("train", "val")
    for label in ("live", "spoof")
    for number in range(2)
]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [(a, b, "", d) for a, b, _, d in GOOD],
            "4 of 4 rows to train on have no domain .*facedata ingest --domain",
        ),
        (
            [one for one in GOOD if one[0] == "live" or one[3] == "val"],
            "all 2 rows for train are live; .*facedata merge",
        ),
        (
            [one for one in GOOD if one[0] == "spoof" or one[3] != "val"],
            "all 2 rows for development are spoof",
        ),
        (
            [("", b, c, d) for _, b, c, d in GOOD],
            "has the label None, which is not live or spoof; .*facedata filter",
        ),
        ([(*one[:3], "test") for one in GOOD], "has no rows of the split train; it has test"),
    ],
    ids=["no domain", "one class to train on", "one class to watch", "no label", "no split train"],
)
def test_rows_that_nothing_can_be_learned_from_are_refused(tmp_path, lines, said):
    with pytest.raises(FacedataError, match=said):
        fas.train_fas(listed(tmp_path, rows_of(*lines)), tmp_path / "m", tiny())
    assert not (tmp_path / "m").exists()


def test_without_domains_a_recipe_that_needs_none_learns(tmp_path):
    dataset = listed(tmp_path, rows_of(*[(a, b, "", d) for a, b, _, d in GOOD]))
    made = fas.train_fas(dataset, tmp_path / "m", tiny(rows={"balance": "label"}, loop={"steps": 1}))
    assert made.rows == 4
    with pytest.raises(SourceError, match=r"which losses.risk_variance needs"):
        fas.train_fas(dataset, tmp_path / "n", tiny(rows={"balance": "label"}, losses={"risk_variance": 1.0}))


def test_a_label_that_is_no_label_is_refused_though_it_came_past_the_reader(tmp_path):
    """A table that another tool wrote into a dataset: NaN in place of a label."""
    dataset = listed(tmp_path, rows_of(*GOOD))
    table = pd.read_parquet(dataset / "samples.parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = pq.read_table(dataset / "samples.parquet")
    labels = ["nan", *table["label"][1:]]
    place = whole.schema.get_field_index("label")
    pq.write_table(
        whole.set_column(place, whole.schema.field("label"), pa.array(labels)), dataset / "samples.parquet"
    )
    with pytest.raises(SourceError, match=f"{table['sample_id'][0]} has the label 'nan'"):
        fas.train_fas(dataset, tmp_path / "m", tiny())


def test_an_unknown_domain_to_hold_out_is_named_with_those_there_are(three):
    with pytest.raises(UsageError, match=r"no domain 'west' in dataset; its domains are east, north, south"):
        chosen(three, hold_out=("west",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("losses: {sare: 1}", "losses.sare: Extra inputs are not permitted"),
        ("loop: {steps: 0}", "loop.steps: Input should be greater than or equal to 1"),
        ("losses: {cross_entropy: 0}", "losses.cross_entropy"),
        ("loop: [", ":1: not valid YAML"),
    ],
)
def test_a_configuration_that_cannot_be_is_named_by_file_and_key(tmp_path, text, said):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as told:
        load_config(FasConfig, path, fas.DEFAULT_CONFIG)
    assert str(path) in str(told.value)
    assert said in str(told.value)


def test_a_loss_that_is_no_number_names_the_samples_of_faces(three, tmp_path, monkeypatch):
    from facedata.recipes import criterion

    real = criterion.FasModule.forward
    steps: list[int] = []

    def poisoned(self, batch):
        steps.append(1)
        found = real(self, batch)
        return {"cross_entropy": found["cross_entropy"] * math.nan} if len(steps) == 3 else found

    monkeypatch.setattr(criterion.FasModule, "forward", poisoned)
    with pytest.raises(FacedataError, match="at step 3") as told:
        fas.train_fas(three, tmp_path / "m", tiny())
    batches = Batches(Dataset.open(three), chosen(three).train, tiny())
    assert all(name in str(told.value) for name in batches.at(2).samples)
    with pytest.raises(DatasetError, match="holds no finished model; finish it with"):
        fas.score(tmp_path / "m", Dataset.open(three))


# ---- evaluation of models


def test_a_model_is_not_tested_on_what_it_learned_from(three, learned):
    with pytest.raises(SourceError, match=r"32 of 48 train rows .* are rows that .*model was trained on"):
        evaluate_model(three, learned, Evaluating(split="train", draws=NO_DRAWS))
    with pytest.raises(SourceError, match="or watched by"):
        evaluate_model(three, learned, Evaluating(split="val", draws=NO_DRAWS))


def test_another_threshold_may_be_chosen_on_the_development_rows_that_are_kept(three, learned):
    found = evaluate_model(three, learned, Evaluating(threshold="dev-apcer-10", draws=NO_DRAWS))
    threshold = found.evaluation.to_json()["threshold"]
    assert threshold["origin"] == "source-dev"
    assert "no species' APCER above 10 %" in threshold["rule"]
    given = evaluate_model(three, learned, Evaluating(threshold="0.25", draws=NO_DRAWS))
    assert given.evaluation.to_json()["threshold"]["origin"] == "given"
    with pytest.raises(UsageError, match="leave out --dev"):
        evaluate_model(three, learned, Evaluating(dev=three))


def test_scores_that_are_kept_evaluate_to_the_same(three, learned, tmp_path):
    whole = evaluate_model(three, learned, Evaluating(draws=NO_DRAWS))
    whole.scores.write(tmp_path / "scores.parquet")
    at = whole.evaluation.to_json()["threshold"]["value"]
    from facedata.recipes.metrics.run import evaluate

    again = evaluate(three, tmp_path / "scores.parquet", Evaluating(threshold=repr(at), draws=NO_DRAWS))
    for rate in ("hter", "auc", "acer"):
        assert again.to_json()[rate] == whole.evaluation.to_json()[rate]


def broken(model: Path, fault: str) -> None:
    card = json.loads((model / "training.json").read_text())
    if fault == "pickle":
        (model / "model.bin").write_bytes(b"")
    elif fault == "recipe":
        (model / "training.json").write_text(json.dumps({**card, "recipe": "another"}))
    elif fault == "weights":
        data = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(data[:-8] + bytes(8))
    elif fault == "dev":
        (model / "dev.parquet").unlink()
    else:
        (model / "training.json").unlink()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("pickle", "model.bin is pickled, and loading it could run code"),
        ("recipe", "is a model of facedata train another, not of train fas"),
        ("weights", "the weights are not those that its training.json names; restore the folder"),
        ("dev", "dev.parquet or rows.parquet cannot be read"),
        ("card", r"holds no model \(training.json is missing\)"),
    ],
)
def test_a_model_that_is_not_whole_or_not_safe_is_refused(three, learned, tmp_path, fault, said):
    model = Path(shutil.copytree(learned, tmp_path / "model"))
    broken(model, fault)
    with pytest.raises(DatasetError, match=said):
        evaluate_model(three, model, Evaluating(draws=NO_DRAWS))


# ---- commands


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_two_commands_make_the_ocim_row(tmp_path):
    names = ("oulu-npu", "casia-fasd", "replay-attack", "msu-mfsd")
    everything = domains(tmp_path, names, people=6, each=1, splits=False)
    config = tmp_path / "c.yaml"
    config.write_text(
        "network: {side: 32, width: 4}\nloop: {steps: 40, batch: 12, rate: 0.01, dev_every: 20, memory: 8}\n"
    )
    invoke("train", "fas", everything, "--protocol", "ocim", "--config", config, "-o", tmp_path / "ocim")
    told = invoke(
        "eval", everything, "--model", tmp_path / "ocim", "--protocol", "ocim", "--draws", 0, "--json",
        "-o", tmp_path / "row",
    )  # fmt: skip
    found = json.loads(told)
    assert list(found["folds"]) == ["ocim-c", "ocim-i", "ocim-m", "ocim-o"]
    for name, fold in found["folds"].items():
        (domain,) = fold["domains"]
        assert domain[0] == name[-1] if name != "ocim-i" else domain == "replay-attack"
        assert fold["threshold"]["origin"] == "source-dev"
        card = json.loads((tmp_path / "ocim" / name / "training.json").read_text())
        assert card["protocol"]["name"] == name
        learned = set(pd.read_parquet(tmp_path / "ocim" / name / "rows.parquet").index)
        assert not learned & set(ids(everything, domain=domain))
    assert found["mean"]["frame"]["auc"] > 0.8
    assert "| mean |" in (tmp_path / "row" / "metrics.md").read_text()
    # the same by the scores that were kept, which name their fold
    kept = invoke(
        "eval", everything, "--scores", tmp_path / "row" / "scores.parquet", "--protocol", "ocim",
        "--threshold", 0, "--draws", 0, "--json",
    )  # fmt: skip
    assert json.loads(kept)["mean"]["frame"]["auc"] == found["mean"]["frame"]["auc"]
    card = tmp_path / "ocim" / "ocim-i" / "training.json"
    card.write_text(card.read_text().replace("oulu-npu", "another"))
    other = ["eval", str(everything), "--model", str(tmp_path / "ocim"), "--protocol", "ocim"]
    assert "was trained by another protocol of the name ocim-i" in CliRunner().invoke(app, other).output
    done = CliRunner().invoke(
        app, ["eval", str(everything), "--model", str(tmp_path / "ocim" / "ocim-c"), "--protocol", "ocim"]
    )
    assert done.exit_code == 2
    assert "holds no model of the fold ocim-i" in done.output


def test_the_command_trains_goes_on_and_says_what_it_did(three, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("network: {side: 32, width: 4}\nloop: {batch: 8, memory: 8}\n")
    model = tmp_path / "m"
    told = invoke("train", "fas", three, "-o", model, "--config", config, "--steps", 2, "--hold-out", "south")
    assert "trained 2 steps on 32 rows" in told
    assert "chosen on split val of dataset" in told
    summary = json.loads(
        invoke(
            "train", "fas", three, "-o", model, "--config", config, "--steps", 3, "--hold-out", "south",
            "--resume", "--json",
        )
    )  # fmt: skip
    assert (summary["steps"], summary["rows"], summary["dev_rows"]) == (3, 32, 16)
    assert "accepted as bona fide" in invoke("eval", three, "--model", model, "--draws", 0)
    both = CliRunner().invoke(app, ["eval", str(three), "--model", str(model), "--scores", "s.csv"])
    assert both.exit_code == 2
    assert "--model makes the scores itself" in both.output


def test_the_configuration_that_comes_with_it_is_the_default():
    assert load_config(FasConfig, None, fas.DEFAULT_CONFIG).loop.steps > 100


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("fas-*.yaml")), ids=lambda path: path.name)
def test_the_configurations_among_the_examples_load(path):
    assert load_config(FasConfig, path, fas.DEFAULT_CONFIG).losses.cross_entropy == 1


def test_the_configuration_and_the_code_of_the_recipes_page_run(tmp_path):
    text = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "c.yaml").write_text(example)
    assert load_config(FasConfig, tmp_path / "c.yaml", fas.DEFAULT_CONFIG).rows.hold_out == ("phone-night",)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(code, {})  # noqa: S102 - the page's own example
