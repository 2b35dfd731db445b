"""The judge: fitted on pairs, asked of planted faults, before the dataset and afterwards."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from synth_parts import Attack, make_attacks, tiny
from typer.testing import CliRunner

from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import DatasetError, SourceError, UsageError
from facedata.datasets.pictures import read_picture
from facedata.datasets.sample import derived_id
from facedata.datasets.sources import DatasetSource
from facedata.datasets.task import Planned, Rendered
from facedata.synth.config import Pairing
from facedata.synth.gates.again import judge_again
from facedata.synth.gates.base import GATES, Case, refusals
from facedata.synth.gates.fit import fit_judge
from facedata.synth.gates.judge import JUDGE_NAME, Judge
from facedata.synth.gates.screen import Screen, counted
from facedata.synth.pictures import fitted
from facedata.synth.sample import Sampling, sample
from facedata.synth.train import train

SIDE = 32
KINDS = ("print/paper", "replay/lcd")


def others_of(kind: str) -> str:
    return KINDS[1 - KINDS.index(kind)]


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    return make_attacks(tmp_path_factory.mktemp("judge"), people=20, each=2)


@pytest.fixture(scope="module")
def judge(attacks):
    return fit_judge(Dataset.open(attacks), Pairing(), SIDE)


@pytest.fixture(scope="module")
def cases(attacks):
    """Sound cases: each attack of the dataset, lit a little otherwise, so that it is no copy."""
    dataset = Dataset.open(attacks)
    rows = {sample.sample_id: sample for sample in dataset}

    def pixels(one):
        return fitted(read_picture(dataset.read(one.image), one.image).pixels, SIDE)

    spoofs = [one for one in rows.values() if one.label == "spoof"]
    found = []
    for number, one in enumerate(spoofs):
        style = next(
            other
            for other in spoofs[number:] + spoofs
            if other.attack == one.attack and other.subject != one.subject
        )
        content = pixels(rows[one.parent_id])
        found.append(Case(pixels(one), content, pixels(style), one.attack, one.parent_id, one.subject))
    return found


def shares(judge, cases):
    """The share of cases that each gate refuses."""
    found = Counter(gate for case in cases for gate in refusals(judge.scores(case)))
    return {gate: found[gate] / len(cases) for gate in GATES}


def test_planted_faults_are_refused_by_their_gates(judge, cases):
    draw = np.random.default_rng(0)
    some = cases[::3]
    sound = shares(judge, some)
    assert sound["identity"] <= 0.2  # ovals differ in little but their colours
    assert sound["kind"] <= 0.1
    assert sound["quality"] <= 0.1
    assert sound["artefacts"] == 0
    assert sound["memory"] >= 0.95  # they are training pictures, after all
    strangers = [
        replace(case, made=other.made)
        for case, other in zip(some, some[7:] + some[:7], strict=True)
        if case.subject != other.subject
    ]
    stranger = shares(judge, strangers)
    assert stranger["identity"] >= 0.8
    assert stranger["identity"] / (stranger["identity"] + sound["identity"]) >= 0.8
    assert shares(judge, [replace(one, kind=others_of(one.kind)) for one in some])["kind"] >= 0.95
    assert shares(judge, [replace(one, made=one.content) for one in some])["kind"] >= 0.95
    few = some[:6]
    assert shares(judge, [replace(one, made=np.full_like(one.made, 120)) for one in few])["artefacts"] == 1
    noise = [replace(one, made=draw.integers(0, 256, one.made.shape).astype(np.uint8)) for one in few]
    assert shares(judge, noise)["artefacts"] == 1
    assert shares(judge, [replace(one, finite=False) for one in few])["finite"] == 1


def test_what_cannot_be_measured_is_null_and_refuses_nothing(judge, cases):
    scores = judge.scores(replace(cases[0], style=None, kind="mask/resin"))
    found = {one.gate: one.to_json()["score"] for one in scores}
    assert found["quality"] is None
    assert found["kind"] is None
    assert found["face"] is None  # an oval is no face to the cascade
    assert not {"quality", "kind", "face"} & set(refusals(scores))


def test_a_judge_is_read_as_it_was_written(judge, cases, tmp_path):
    judge.save(tmp_path / JUDGE_NAME)
    again = Judge.load(tmp_path / JUDGE_NAME)
    assert again.version == judge.version
    assert [one.to_json() for one in again.scores(cases[0])] == [
        one.to_json() for one in judge.scores(cases[0])
    ]
    with pytest.raises(DatasetError, match=r"missing.*--training"):
        Judge.load(tmp_path / "none.safetensors")
    (tmp_path / "odd.safetensors").write_bytes(b"no such thing")
    with pytest.raises(DatasetError, match="cannot be read"):
        Judge.load(tmp_path / "odd.safetensors")


def test_fitting_again_gives_the_same_judge(attacks, judge):
    assert fit_judge(Dataset.open(attacks), Pairing(), SIDE).version == judge.version


def test_an_embedder_that_changed_is_refused(judge, cases):
    about = judge.about.model_copy(update={"embedder_key": "plain-0"})
    with pytest.raises(UsageError, match="fit them again"):
        Judge(about, judge.arrays).scores(cases[0])


def test_too_few_live_faces_are_refused(tmp_path):
    dataset = Dataset.open(make_attacks(tmp_path, people=3, each=2))
    with pytest.raises(SourceError, match="6 live faces, too few"):
        fit_judge(dataset, Pairing(), SIDE)


@dataclass(frozen=True)
class Sampled(Attack):
    """Attacks as a network might have made them: those of people 0-9 sound but for a shade, others blank."""

    styles: dict = field(default_factory=dict)

    def plan(self, parent):
        planned = []
        for one in super().plan(parent):
            kind = one.sample.attack
            parameters = {"kind": kind, "style": {"sample_id": self.styles[kind]}}
            made = one.sample.replace(operator="synth-diffusion", parameters=parameters)
            sample_id = derived_id(parent.sample_id, made.operator, parameters, 0, made.variant)
            blank = int(parent.subject[1:]) >= 10
            planned.append(Planned(made.replace(sample_id=sample_id), lambda: "", (kind, blank)))
        return planned

    def render(self, planned, pixels):
        kind, blank = planned.recipe
        if blank:
            return Rendered(np.full_like(pixels, 130))
        sound = super().render(Planned(planned.sample, planned.key, kind), pixels).pixels
        draw = np.random.default_rng(int(planned.sample.sample_id[:8], 16))
        return Rendered(np.clip(sound + draw.normal(0, 1.5, sound.shape), 0, 255).astype(np.uint8))


def test_a_dataset_is_judged_again(attacks, judge, tmp_path):
    rows = list(Dataset.open(attacks))
    styles = {kind: next(one.sample_id for one in rows if one.attack == kind) for kind in KINDS}
    live = tmp_path / "sampled"

    class Live(DatasetSource):
        def shards(self, size):
            for prefix, items in super().shards(size):
                yield prefix, [item for item in items if item.sample.label == "live"]

    run(
        "synth sample",
        Sampled(styles=styles, keeps_originals=False),
        Live(Dataset.open(attacks)),
        live,
        0,
        Options(engine="serial"),
    )
    with pytest.raises(UsageError, match=r"live parents of 80 of 80 rows .* --content"):
        judge_again(live, judge, tmp_path / "no")
    # Copies are what they nearly are: the memory of training is not what is looked at here.
    forgetful = Judge(judge.about, {**judge.arrays, "copy_limit": np.asarray(1.1)})
    result, kept = judge_again(live, forgetful, tmp_path / "judged", read=[attacks])
    assert result.details["judged"] == 80
    assert result.details["refused"]["artefacts"] == 40
    left = list(Dataset.open(tmp_path / "judged"))
    assert len(left) == len(kept.samples) == 80 - sum(result.details["refused"].values()) > 30
    assert all(int(one.subject[1:]) < 10 for one in left)
    assert counted(result.record.failures) == result.details["refused"]
    scores = left[0].attributes["gates"]
    assert scores["judge"] == forgetful.version
    assert scores["identity"]["score"] >= scores["identity"]["low"] == 0.99
    assert result.record.parameters["gates"]["limits"]["identity"] == 0.99
    assert result.details["fid"] < 0.5
    twice, _ = judge_again(live, forgetful, tmp_path / "twice", read=[attacks])
    assert twice.record.version == result.record.version
    with pytest.raises(SourceError, match="nothing to judge"):
        judge_again(attacks, judge, tmp_path / "none")


@pytest.fixture(scope="module")
def model(attacks, tmp_path_factory):
    root = tmp_path_factory.mktemp("model") / "m"
    train(attacks, root, tiny(steps=2, network={"resolution": SIDE}))
    return root


def test_a_network_that_knows_nothing_gets_nothing_into_a_dataset(attacks, judge, model, tmp_path):
    with pytest.raises(SourceError, match="nothing could be made"):
        sample(
            attacks, model, attacks, tmp_path / "o", limit=4, screen=Screen(judge), sampling=Sampling(steps=1)
        )


def test_what_passes_keeps_its_scores_and_its_pixels(attacks, judge, model, tmp_path):
    wide = {"ranges": np.tile([-np.inf, np.inf], (7, 1)), "quality_limit": np.asarray(1e9)}
    wide |= {"copy_limit": np.asarray(1.1), "kind_limits": np.zeros(3)}
    limits = judge.about.limits.model_copy(update={"identity": 0.0})
    mild = Judge(judge.about.model_copy(update={"limits": limits}), {**judge.arrays, **wide})
    told = {"limit": 4, "negatives": 3, "sampling": Sampling(steps=1)}
    free = sample(attacks, model, attacks, tmp_path / "free", **told)
    kept = sample(attacks, model, attacks, tmp_path / "kept", screen=Screen(mild), **told)
    assert free.record.counts.by_label == {"live": 3, "spoof": 4}
    before = {one.sample_id: one for one in Dataset.open(free.root)}
    after = list(Dataset.open(kept.root))
    assert [one.content_hash for one in after] == [before[one.sample_id].content_hash for one in after]
    assert {"gates", *(before[after[0].sample_id].attributes or {})} == set(after[0].attributes)
    assert kept.record.parameters["gates"]["judge"] == mild.version
    assert free.record.parameters["gates"] is None
    rows = {one.sample_id: one for one in Dataset.open(attacks)}
    for one in after:
        style = rows[one.parameters["style"]["sample_id"]]
        assert style.label == one.label
        assert style.attack == one.attack
        assert style.subject != one.subject


def test_the_command_line_asks_for_a_judge_and_counts_refusals(attacks, model, tmp_path):
    runner = CliRunner()
    (model / JUDGE_NAME).unlink(missing_ok=True)
    said = ["synth", "sample", str(attacks), "--model", str(model), "--style", str(attacks), "--steps", "1"]
    found = runner.invoke(app, [*said, "-o", str(tmp_path / "a"), "--limit", "2"])
    assert found.exit_code == 1
    assert "fit one with --training" in " ".join(found.output.split())
    found = runner.invoke(
        app,
        [*said, "-o", str(tmp_path / "b"), "--limit", "2", "--gates", "none", "--negatives", "1", "--json"],
    )
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["by_label"] == {"live": 1, "spoof": 2}
    judged = ["synth", "gates", str(tmp_path / "b"), "--model", str(model), "-o", str(tmp_path / "c")]
    found = runner.invoke(app, [*judged, "--training", str(attacks), "--content", str(attacks)])
    assert found.exit_code == 1
    assert "leaves no row" in " ".join(found.output.split())
    assert (model / JUDGE_NAME).is_file()
