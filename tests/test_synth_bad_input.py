"""What a user may get wrong about synthesis, and what is said: the thing, the place and the mend."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from synth_parts import make_attacks, make_faces, tiny

from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options, run
from facedata.datasets.errors import DatasetError, SourceError, TargetError, UsageError
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.task import Ingest
from facedata.datasets.words import Words
from facedata.synth import pairs as pairing
from facedata.synth import train as training
from facedata.synth.config import Pairing, load_config
from facedata.synth.despoof import despoof
from facedata.synth.latents import load_vae
from facedata.synth.load import load_model, read_card
from facedata.synth.pairs import Pair, find_live, find_pairs
from facedata.synth.pipeline import SpoofDiffusionPipeline
from facedata.synth.sample import Sampling, sample
from facedata.synth.train import train


@pytest.fixture(scope="module")
def attacks(tmp_path_factory) -> Path:
    return make_attacks(tmp_path_factory.mktemp("synth"))


@pytest.fixture(scope="module")
def trained(attacks, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("model") / "m"
    train(attacks, root, tiny(steps=1))
    return root


@pytest.fixture
def model(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "model"))


def listed(root: Path, lines: list[str], columns: str = "path,label,subject,attack,domain") -> Dataset:
    """A dataset of a list; the pictures are of the numbers in it."""
    make_faces(root, people=len(lines), each=1)
    folder = root / "pictures"
    rows = [f"{number}-0.png,{line}" for number, line in enumerate(lines)]
    (folder / "list.csv").write_text("\n".join([columns, *rows]) + "\n")
    source = open_input(folder / "list.csv", Reading())
    run("ingest", Ingest(), source, root / "ds", None, Options(engine="serial"))
    return Dataset.open(root / "ds")


BY_SUBJECT = Pairing(by="subject")


@pytest.mark.parametrize(
    ("lines", "wanted", "said"),
    [
        (["live,a,,x", "live,b,,x"], Pairing(), "no pairs, for there are no spoofs"),
        (
            ["spoof,a,print/paper,x", "spoof,b,print/paper,x"],
            Pairing(),
            "no pairs, for there are no live faces",
        ),
        (["live,a,,x", "spoof,a,print/paper,x"], Pairing(), "pair by the person"),
        (["live,a,,x", "spoof,b,print/paper,x"], BY_SUBJECT, "no person has both"),
        (
            ["live,a,,x", "spoof,a,print/paper,x"],
            BY_SUBJECT,
            "has one picture, which cannot be its own style",
        ),
        (["live,a,,x"], Pairing(hold_out=("y",)), "no domain 'y' in ds; its domains are x"),
        (["live,a,,x"], Pairing(split="dev"), "no 'dev' in ds; its splits are none"),
    ],
)
def test_no_pairs_says_what_is_missing(tmp_path, lines, wanted, said):
    with pytest.raises((SourceError, UsageError), match=said):
        find_pairs(listed(tmp_path, lines), wanted)


def test_a_domain_that_is_held_out_gives_no_pair_and_no_style(tmp_path):
    lines = [
        f"{kind},{who},{attack},{domain}"
        for domain in "xy"
        for who in "ab"
        for kind, attack in (("live", ""), ("spoof", "print/paper"))
    ]
    pairs = find_pairs(listed(tmp_path, lines), Pairing(by="subject", hold_out=("y",)))
    used = [face for pair in pairs.pairs for face in (pairs.faces[pair.content], pairs.faces[pair.target])]
    used += [pairs.faces[number] for styles in pairs.styles.values() for number in styles]
    assert {face.domain for face in used} == {"x"}
    assert len(pairs.pairs) == 2


def test_a_pair_of_two_people_is_refused(attacks, monkeypatch):
    faces = pairing.read_faces(Dataset.open(attacks))
    spoof = next(number for number, face in enumerate(faces) if face.label == "spoof")
    faces[spoof] = replace(faces[spoof], subject="somebody else")
    monkeypatch.setattr(pairing, "read_faces", lambda _: faces)
    with pytest.raises(
        UsageError, match=f"{faces[spoof].sample_id} shows 'somebody else'.*a pair of two people"
    ):
        find_pairs(Dataset.open(attacks), Pairing())


def test_a_style_that_is_the_target_is_refused(tmp_path):
    lines = ["live,a,,x", "spoof,a,print/paper,x", "spoof,a,print/paper,x"]
    pairs = find_pairs(listed(tmp_path, lines), BY_SUBJECT)
    for pair in pairs.pairs:
        for draw in range(20):
            assert pairs.style_of(pair, Words.of(draw)) != pair.target
    one = replace(pairs, styles={"print/paper": (pairs.pairs[0].target,)})
    with pytest.raises(SourceError, match="has one picture, which cannot be its own style"):
        one.style_of(Pair(0, pairs.pairs[0].target), Words.of(0))


def test_one_live_face_is_not_enough_to_learn_live_faces_from(tmp_path):
    with pytest.raises(SourceError, match="has 1 live faces"):
        find_live(listed(tmp_path, ["live,a,,x"]), Pairing())


def test_one_style_and_no_style_and_no_live_face_are_refused(attacks, model, tmp_path):
    one = listed(tmp_path / "one", ["spoof,z,print/paper,x"]).root
    with pytest.raises(SourceError, match="has one style; all attacks would look like it"):
        sample(attacks, model, one, tmp_path / "o")
    other = listed(tmp_path / "other", ["spoof,z,mask/resin,x", "spoof,y,mask/resin,x"]).root
    with pytest.raises(
        SourceError, match=r"no attack of a kind that the model knows \(print/paper, replay/lcd\)"
    ):
        sample(attacks, model, other, tmp_path / "o")
    with pytest.raises(SourceError, match="no live faces"):
        sample(other, model, attacks, tmp_path / "o")


def test_a_style_of_the_domain_that_was_held_out_is_refused(tmp_path):
    def domain(person):
        return ",x" if person < 4 else ",y"

    source = make_attacks(tmp_path, columns=",domain", extra=domain)
    train(source, tmp_path / "m", tiny(steps=1, pairs={"hold_out": ["y"]}))
    with pytest.raises(UsageError, match="styles of y, which the model's training held out"):
        sample(source, tmp_path / "m", source, tmp_path / "o")


def test_a_checkpoint_with_pickle_in_it_is_refused_before_anything_is_loaded(model):
    for name in ("unet/diffusion_pytorch_model.bin", "states/x.pt", "vae/model.ckpt"):
        path = model / name
        path.parent.mkdir(exist_ok=True)
        torch.save({"weight": torch.zeros(1)}, path)
        with pytest.raises(DatasetError, match=f"{path.name} is pickled, and loading it could run code"):
            load_model(model)
        path.unlink()


def test_a_checkpoint_of_another_version_or_with_other_weights_is_refused(model):
    card = model / "training.json"
    told = card.read_text()
    card.write_text(told.replace('"compression"', '"grain"'))
    with pytest.raises(DatasetError, match="whose quality values were others; train it again"):
        read_card(model)
    card.write_text(told)
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DatasetError, match=r"not those that its training\.json names"):
        read_card(model)
    weights.unlink()
    with pytest.raises(DatasetError, match=r"holds no finished model .* is missing"):
        read_card(model)
    with pytest.raises(DatasetError, match="is no folder"):
        read_card(model / "nowhere")


def test_a_card_that_is_damaged_or_of_another_version_names_the_key(model):
    card = model / "training.json"
    told = json.loads(card.read_text())
    for changed, said in (
        ([], "cannot be read .it is no mapping.; restore it"),
        ({**told, "config": {**told["config"], "newer": 1}}, "another version of facedata .config.newer"),
        ({key: value for key, value in told.items() if key != "kinds"}, ".kinds: Field required."),
        ({**told, "quality": {"names": []}}, ".quality.mean: Field required."),
    ):
        card.write_text(json.dumps(changed))
        with pytest.raises(DatasetError, match=said):
            read_card(model)
    card.unlink()
    with pytest.raises(DatasetError, match=r"is no model .training.json is missing.; give the folder"):
        read_card(model)


def test_a_model_that_cannot_be_loaded_begins_no_output(attacks, model, tmp_path):
    shutil.rmtree(model / "scheduler")
    with pytest.raises(DatasetError, match="has no scheduler; restore the folder"):
        sample(attacks, model, attacks, tmp_path / "o")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["model"]


def test_a_model_is_a_folder_of_its_own(attacks, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="is a file, and a model is a folder"):
        train(attacks, tmp_path / "file", tiny())
    with pytest.raises(UsageError, match="lies in the input"):
        train(attacks, attacks / "model", tiny())


def test_a_batch_that_the_gpu_cannot_hold_names_the_one_to_try(attacks, model, tmp_path, monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(SpoofDiffusionPipeline, "__call__", full)
    for batch, mend in ((8, "try --batch-size 4"), (1, "try --precision bf16")):
        with pytest.raises(UsageError, match=f"a batch of {batch} does not fit .*{mend}"):
            sample(attacks, model, attacks, tmp_path / str(batch), sampling=Sampling(batch=batch))


def test_a_gpu_that_is_too_small_names_the_batch_to_try(attacks, tmp_path, monkeypatch):
    def full(*_):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(training._Run, "_loss", full)
    with pytest.raises(UsageError, match=r"batch 4 does not fit .* try batch: 2 with accumulate: 2"):
        train(attacks, tmp_path / "m", tiny())


def test_a_hub_that_cannot_be_reached_names_the_files_to_bring(monkeypatch, tmp_path):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"bring its config\.json and diffusion_pytorch_model\.safetensors"):
        load_vae("nobody/no-autoencoder")
    (tmp_path / "vae").mkdir()
    with pytest.raises(DatasetError, match=r"no config\.json and no diffusion_pytorch_model\.safetensors"):
        load_vae(str(tmp_path / "vae"))


def test_sampling_names_what_is_not_there(attacks, model, tmp_path):
    for sampling, said in (
        (Sampling(scheduler="euler"), "'euler' is not one of ddim"),
        (Sampling(precision="int8"), "'int8' is not one of fp32"),
        (Sampling(precision="fp16"), "fp16 is for a GPU"),
    ):
        with pytest.raises(UsageError, match=said):
            load_model(model, sampling.scheduler, "cpu", sampling.precision)
    with pytest.raises(UsageError, match="was trained to make attacks; train one with task: despoof"):
        despoof(attacks, model, tmp_path / "o")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: none", "steps: Input should be a valid integer"),
        ("nothing: 1", "nothing: Extra inputs are not permitted"),
        ("network: {resolution: 20}", "network.resolution: Input should be a multiple of 8"),
        ("[1, 2", "is no YAML"),
        ("[1, 2]", "holds no keys"),
    ],
)
def test_a_configuration_names_the_key(tmp_path, text, said):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        load_config(path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_a_size_that_the_network_cannot_halve_is_refused(attacks, tmp_path):
    parts = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    vae = AutoencoderKL(block_out_channels=(4,) * 4, norm_num_groups=4, **parts)
    vae.save_pretrained(tmp_path / "vae")
    config = tiny(network={"resolution": 24, "vae": str(tmp_path / "vae")})
    with pytest.raises(UsageError, match="24 px are no multiple of 16"):
        train(attacks, tmp_path / "m", config)
