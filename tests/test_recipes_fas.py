"""The recipe against attacks: what it learns from, what it makes of it, and what it refuses."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from recipe_parts import SIDE, domains, ids, listed, one_thread, tiny
from safetensors import safe_open
from torch.nn import functional
from typer.testing import CliRunner

from facedata.annotate.score.bootstrap import Draws
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, FacedataError, SourceError, UsageError
from facedata.datasets.versions.protocol import HoldOut, Protocol
from facedata.recipes import fas
from facedata.recipes.batches import Batches, Look, moved, varied
from facedata.recipes.config import RowsConfig, load_config
from facedata.recipes.criterion import Criterion
from facedata.recipes.evaluating import evaluate_model
from facedata.recipes.fas_config import FasConfig, LossConfig
from facedata.recipes.metrics.run import Evaluating
from facedata.recipes.models.base import Seen
from facedata.recipes.rows import choose_rows

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

NO_DRAWS = Draws(0, 0, 0.95)
CPU = torch.device("cpu")


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


# ---- batches


def test_a_batch_holds_equally_many_of_each_domain_and_label_and_depends_on_its_number_alone(three):
    rows = chosen(three).train
    config = tiny(loop={"batch": 12})
    one, other = (Batches(Dataset.open(three), rows, config) for _ in range(2))
    counts = [0] * 6
    for number in (3, 0, 3):
        batch = one.place(one.at(number), CPU)
        counts = [int(((batch.domain == d) & (batch.spoof == s)).sum()) for d in range(3) for s in (0, 1)]
        assert counts == [2] * 6
    again = other.place(other.at(3), CPU)
    assert torch.equal(again.pictures, batch.pictures)
    assert again.samples == batch.samples
    assert not torch.equal(other.place(other.at(4), CPU).pictures, batch.pictures)
    assert batch.pictures.shape == (12, 3, SIDE, SIDE)
    assert bool((batch.kind > 0).eq(batch.spoof).all())


def test_two_views_differ_in_light_and_place_and_show_the_same_faces(three):
    rows = chosen(three).train
    batches = Batches(Dataset.open(three), rows, tiny(losses={"asymmetric_contrast": 0.1}))
    batch = batches.place(batches.at(0), CPU)
    assert batch.views is not None
    assert batch.views.shape == batch.pictures.shape
    assert float((batch.views - batch.pictures).abs().mean()) > 0.01
    plain = tiny(
        losses={"asymmetric_contrast": 0.1},
        augment={"flip": 0, "shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0},
    )
    still = Batches(Dataset.open(three), rows, plain)
    same = still.place(still.at(0), CPU)
    torch.testing.assert_close(same.views, same.pictures)
    torch.testing.assert_close(same.pictures, still.at(0).pictures, atol=2e-3, rtol=0)


def test_a_picture_is_moved_mirrored_and_lit_as_it_is_told():
    picture = torch.zeros(1, 3, 8, 8)
    picture[:, :, 2, 1] = 0.5
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    assert [int(one) for one in moved(picture, mirror)[0, 0].nonzero()[0]] == [2, 6]
    shift = torch.tensor(
        [[[1.0, 0, 2 * 2 / 8], [0, 1, 0]]]
    )  # two px: looked up to the right, so it moves left
    picture[:, :, 2, 1], picture[:, :, 2, 5] = 0, 0.5
    assert [int(one) for one in moved(picture, shift)[0, 0].nonzero()[0]] == [2, 3]
    still = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    look = Look(still, torch.tensor([[4.0, 1.0, 0.25]]), torch.zeros(1), 0)
    lit = varied(torch.full((1, 3, 8, 8), 0.25), look)[0, :, 4, 4]
    assert lit.tolist() == pytest.approx([0.5, 0.25, 0.125])  # a stop of light is a factor on the square
    noisy = varied(torch.full((1, 3, 64, 64), 0.5), Look(still, torch.ones(1, 3), torch.tensor([0.05]), 1))
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)


def test_a_policy_on_the_batch_turns_labels_as_its_operators_say(three):
    """moire-pattern makes a replay of whatever it is given; a share of the samples is left as it is."""
    rows = chosen(three).train
    policy = Path(three).parent / "moire.yaml"
    policy.write_text(
        "name: moire\nchains:\n  - steps:\n      - {operator: moire-pattern, parameters: {strength: 0.3}}\n"
    )
    plain = {"flip": 0, "shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0}
    config = tiny(augment={**plain, "policy": str(policy), "share": 0.5}, loop={"batch": 24})
    batches = Batches(Dataset.open(three), rows, config)
    drawn = batches.at(0)
    batch = batches.place(drawn, CPU)
    before = Batches(Dataset.open(three), rows, tiny(augment=plain, loop={"batch": 24}))
    untouched = before.place(before.at(0), CPU)
    changed = (batch.pictures - untouched.pictures).abs().amax((1, 2, 3)) > 1e-3
    assert 4 < int(changed.sum()) < 20
    assert bool(batch.spoof[changed].all())
    assert bool(torch.equal(batch.spoof[~changed], untouched.spoof[~changed]))
    # touched ones are of a domain of their own
    assert bool((batch.domain[changed] == untouched.domain[changed] + 3).all())
    assert bool(torch.equal(batch.domain[~changed], untouched.domain[~changed]))
    assert not bool(batch.known[changed].any())


# ---- losses


def seen_of(score: torch.Tensor, features: torch.Tensor) -> Seen:
    return Seen(score, features, features, torch.zeros(len(score), 1, 4, 4))


def batch_of(three: Path, **told):
    batches = Batches(Dataset.open(three), chosen(three).train, tiny(**told))
    return batches, batches.place(batches.at(0), CPU)


def test_losses_are_weighted_and_named_and_a_high_score_is_live(three):
    _, batch = batch_of(three)
    config = LossConfig(cross_entropy=2.0, live_contrast=0.5, mask=1.0)
    criterion = Criterion(config, 4, 3, 3, 5)
    score = torch.where(batch.spoof, -3.0, 3.0)
    found = criterion(seen_of(score, torch.ones(len(score), 4)), batch, None)
    assert set(found) == {"cross_entropy", "live_contrast", "mask"}
    assert float(found["cross_entropy"]) == pytest.approx(2 * math.log(1 + math.exp(-3)))
    live = int((~batch.spoof).sum())
    assert float(found["live_contrast"]) == pytest.approx(0.5 * math.log(live - 1))
    assert float(found["mask"]) == pytest.approx(math.log(2))  # live faces' empty masks at even odds
    wrong = criterion(seen_of(-score, torch.ones(len(score), 4)), batch, None)
    assert float(wrong["cross_entropy"]) == pytest.approx(2 * math.log(1 + math.exp(3)))


def test_risks_are_remembered_from_batch_to_batch_in_training_alone(three):
    _, batch = batch_of(three)
    config = LossConfig(risk_variance=10.0, risk_momentum=0.9)
    criterion = Criterion(config, 4, 3, 3, 5)
    score = batch.domain.float()  # spoofs of the third domain look the most live
    risks = [float(functional.softplus(torch.tensor(float(one)))) for one in range(3)]
    for again in range(2):
        found = criterion(seen_of(score, torch.ones(len(score), 4)), batch, None)
        assert float(found["risk_variance"]) == pytest.approx(10 * np.var(risks), rel=1e-4)
        assert criterion.risks.tolist() == pytest.approx(risks), again
    criterion.eval()
    criterion(seen_of(score * 0, torch.ones(len(score), 4)), batch, None)
    assert criterion.risks.tolist() == pytest.approx(risks)


def test_gaussians_gather_round_the_samples_of_their_kind(three):
    _, batch = batch_of(three)
    criterion = Criterion(LossConfig(triplets=1.0, margin=1.0), 2, 3, 3, 5)
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    draw = torch.Generator().manual_seed(0)
    for _ in range(60):
        features = centres[batch.kind] + 0.3 * torch.randn((len(batch.kind), 2), generator=draw)
        found = criterion(seen_of(features[:, 0], features), batch, None)
    torch.testing.assert_close(criterion.means, centres, atol=0.15, rtol=0)
    assert float(found["triplets"]) == 0  # far apart: by more than the margin
    mixed = criterion(seen_of(features[:, 0], centres[(batch.kind + 1) % 3]), batch, None)
    assert float(mixed["triplets"]) > 5


@pytest.mark.parametrize(
    "losses",
    [
        {"asymmetric_contrast": 0.1, "orthogonality": 0.1},
        {"risk_variance": 1.0, "risk_groups": "attack", "risk_momentum": 0.0, "empty_as_zero": True},
        {"mask": 0.5, "triplets": 0.1},
    ],
    ids=lambda losses: "+".join(losses),
)
@pytest.mark.parametrize("name", ["central", "vit"])
def test_every_network_trains_with_every_loss(three, tmp_path, losses, name):
    config = tiny(network={"name": name}, losses=losses, loop={"steps": 2, "dev_every": 2})
    made = fas.train_fas(three, tmp_path / "m", config)
    head = (tmp_path / "m" / "log.csv").read_text().splitlines()[0]
    named = [key for key, value in losses.items() if isinstance(value, float) and key != "risk_momentum"]
    assert set(named) <= set(head.split(","))
    scores = fas.score(tmp_path / "m", Dataset.open(three)).table
    assert made.steps == 2
    assert scores["score"].nunique() > 10


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
        (model / "training.json").write_text(json.dumps({**card, "recipe": "fer"}))
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
        ("recipe", "is a model of facedata train fer, not of train fas"),
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
