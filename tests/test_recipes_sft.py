"""facedata train sft: what is learned from, that it is learned, and that a run goes on to its numbers."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from annotate_parts import facedata, make_requests
from conftest import ROOT
from recipe_parts import one_thread
from safetensors.torch import load_file
from sft_parts import ANSWERED, TASK, asked, base, even, faces, model, reads_videos, sft, tiny
from test_annotate_transformers import ask
from torch.nn import functional
from transformers import AutoProcessor

from facedata.annotate.jobs import Jobs
from facedata.annotate.providers import local
from facedata.annotate.providers.base import Sampling
from facedata.annotate.providers.transformers import Transformers
from facedata.annotate.tasks import load_task
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, FacedataError, UsageError
from facedata.datasets.instructions import read_records
from facedata.recipes.checkpoint import read_card
from facedata.recipes.logs import Logs
from facedata.recipes.sft.answers import choose_answers
from facedata.recipes.sft.base import find_base, load_base
from facedata.recipes.sft.config import AnswersConfig
from facedata.recipes.sft.run import train_sft
from facedata.recipes.sft.trainer import Trainer

__all__ = ["base", "faces", "model", "one_thread", "reads_videos"]

LEARNS = {
    "lora": {"rank": 8, "alpha": 16, "dropout": 0.0},
    "loop": {"steps": 200, "batch": 8, "accumulate": 1, "rate": 0.008, "warmup": 5, "dev_every": 50},
}


@pytest.fixture(scope="module")
def taught(faces, base, tmp_path_factory):
    """An adapter that overfits eight records, and what the command printed."""
    root = tmp_path_factory.mktemp("taught")
    (root / "config.yaml").write_text(yaml.safe_dump(LEARNS))
    before = local.fingerprint(base)
    done = sft(faces, "--model", base, "-o", root / "adapter", "--config", root / "config.yaml", "--json")
    assert local.fingerprint(base) == before
    return root / "adapter", json.loads(done.stdout)


# --- what is learned from ---


def test_records_are_of_their_samples_part_and_never_of_a_test(tmp_path):
    root = asked(tmp_path, 4, 1, {"person": 9, "subject": "p9"}, {"person": 9, "subject": "p9", "number": 1})
    chosen = choose_answers(Dataset.open(root), AnswersConfig(), 0)
    splits = {row["sample_id"]: row["split"] for row in Dataset.open(root).rows(("sample_id", "split"))}
    assert [len(chosen.train.records), len(chosen.dev.records)] == [6, 2]
    assert {splits[one] for one in chosen.train.samples} == {"train"}
    assert {splits[one] for one in chosen.dev.samples} == {"val"}
    assert sorted(splits.values()).count("test") == 2


def test_each_answer_is_a_row_that_follows_what_was_said_before(tmp_path):
    more = [{"ask": ["Sure?"], "answer": "Yes."}]
    root = asked(tmp_path, 2, 1, turns=[*TASK["turns"], *more])
    rows = choose_answers(Dataset.open(root), AnswersConfig(), 0).train
    assert (len(rows.records), len(rows.rows)) == (2, 4)
    first, second = rows.table(Dataset.open(root))[:2]["prompt"]
    assert [turn["role"] for turn in first] == ["user"]
    assert [turn["role"] for turn in second] == ["user", "assistant", "user"]
    completions = [row["completion"][0]["content"][0]["text"] for row in rows.table(Dataset.open(root))]
    assert sorted(completions) == sorted([*ANSWERED.values(), "Yes.", "Yes."])
    assert [len(row["images"]) for row in rows.table(Dataset.open(root))] == [1] * 4


def test_the_loss_is_of_the_answers_alone(base, tmp_path):
    """The loss is the cross entropy of the answer's tokens, worked out from the model's scores by hand."""
    more = [{"ask": ["Sure?"], "answer": "Yes."}]
    dataset = Dataset.open(asked(tmp_path, 2, 1, turns=[*TASK["turns"], *more]))
    rows = choose_answers(dataset, AnswersConfig(), 0).train
    processor, net = load_base(find_base(str(base)), tiny().lora, 0)
    trainer = Trainer(
        net,
        tiny(batch=4, accumulate=1).loop,
        tmp_path,
        rows,
        [0, 1, 2, 3],
        processing_class=processor,
        train_dataset=rows.table(dataset),
        eval_dataset=rows.table(dataset),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    labels, picture = batch["labels"], processor.tokenizer.convert_tokens_to_ids("<image>")
    said = ["".join(processor.tokenizer.convert_ids_to_tokens(row[row != -100])) for row in labels]
    answers = [json.loads(completion)[0]["content"][0]["text"] for _, _, completion, _ in rows.rows]
    assert said == [f"{answer}</s>" for answer in answers]
    assert (batch["input_ids"] == picture).any(1).all()
    assert (labels != picture).all()
    net.eval()
    with torch.no_grad():
        scores = net(**{name: one for name, one in batch.items() if name != "labels"}).logits[:, :-1]
        loss = trainer.compute_loss(net, dict(batch))
    learned = labels[:, 1:] != -100
    assert learned.sum() == sum(len(answer) + 1 for answer in answers)
    expected = functional.cross_entropy(scores[learned], labels[:, 1:][learned])
    torch.testing.assert_close(loss, expected)


# --- that it is learned ---


def test_eight_records_are_learned_by_heart(taught, base, faces):
    root, told = taught
    log = pd.read_csv(root / "log.csv")
    assert (told["records"], told["answers"], told["dev_records"]) == (8, 8, 4)
    assert log.step.tolist() == list(range(1, 201))
    assert log.loss[0] > 5
    assert log.loss[-10:].max() < 0.1
    card = json.loads((root / "training.json").read_text())
    assert card["base"] == {"name": "tiny-llava", "files": local.fingerprint(base)}
    assert card["dataset"] == {"name": "asked", "version": Dataset.open(faces).version}
    dev = pd.read_csv(root / "dev.csv").set_index("step").loss
    assert told["best_step"] == card["best"]["step"] == dev.idxmin()
    assert told["best_loss"] == pytest.approx(dev.min(), rel=1e-5)
    assert told["learned"] == sum(one.numel() for one in load_file(root / local.ADAPTER_WEIGHTS).values())
    assert not [path for path in root.rglob("*") if path.suffix in (".bin", ".pt", ".pth")]


def test_the_base_stays_bit_for_bit_and_the_adapter_changes_its_scores(taught, base):
    _, plain = local.load(base)
    _, adapted = local.load(taught[0])
    frozen = {
        name.replace(".base_layer", ""): one for name, one in adapted.base_model.model.state_dict().items()
    }
    assert set(plain.state_dict()) == {name for name in frozen if "lora_" not in name}
    for name, one in plain.state_dict().items():
        assert one.equal(frozen[name]), name


def test_annotate_asks_the_adapter_and_score_scores_it(taught, base, faces):
    """It tells every face rightly, of the people that it was watched by too; the base writes no JSON."""
    workplace = faces.parent
    flags = ("--task-file", "task.yaml", "source/dataset", "--provider", "transformers", "--device", "cpu")
    found = {}
    for name, path in (("by-base", base), ("by-adapter", taught[0])):
        facedata(*flags, "--max-tokens", 20, "--model", path, "-o", name, cwd=workplace)
        out, _ = facedata("score", "source/dataset", name, "--json", cwd=workplace)
        found[name] = json.loads(out)["tasks"]["tell"]
    assert {name: one["counts"]["scored"] for name, one in found.items()} == {"by-base": 12, "by-adapter": 12}
    assert found["by-base"]["counts"]["invalid"] == 12
    assert found["by-adapter"]["classes"]["label"]["accuracy"]["value"] == 1.0


def test_a_model_that_reads_videos_too_is_taught_and_asked_without_torchvision(faces, reads_videos, tmp_path):
    with pytest.raises(ImportError, match="Video processor cannot be loaded"):
        AutoProcessor.from_pretrained(reads_videos, backend="pil")
    made = train_sft(faces, tmp_path / "adapter", str(reads_videos), tiny(steps=2))
    assert made.learned > 0
    requests = make_requests(tmp_path, 2, Sampling(max_tokens=3))
    assert [one.status for one in ask(made.root, requests)] == ["truncated"] * 2


def test_the_example_asks_what_it_teaches(tmp_path):
    """The one conversation of a record is the prompt that annotate sends, and an answer of its form."""
    asked(tmp_path, 2, 1)
    task = load_task(ROOT / "examples/tell-live.yaml")
    jobs = list(Jobs(Dataset.open(tmp_path / "source/dataset"), [task], 0))
    facedata(
        "--task-file",
        ROOT / "examples/tell-live.yaml",
        "source/dataset",
        "--provider",
        "rules",
        "-o",
        "out",
        cwd=tmp_path,
    )
    records = list(read_records(tmp_path / "out"))
    assert len(jobs) == len(records) == 4
    for record in records:
        question, answer = record.messages
        assert (jobs[0].request.system, question.text()) == ("", jobs[0].request.prompt)
        assert json.loads(answer.text()) == record.structured
    assert {record.structured["label"] for record in records} == {"live", "spoof"}


def test_an_adapter_is_put_on_its_own_base_only(taught, base, tmp_path):
    adapter, other = tmp_path / "adapter", tmp_path / "other"
    shutil.copytree(taught[0], adapter)
    shutil.copytree(base, other)
    told = json.loads((adapter / local.ADAPTER).read_text())
    assert told["base_model_name_or_path"] == str(base)
    assert local.fingerprint(adapter) == local.fingerprint(taught[0]) != local.fingerprint(base)
    (adapter / local.ADAPTER).write_text(
        json.dumps({**told, "base_model_name_or_path": str(tmp_path / "no")})
    )
    with pytest.raises(UsageError, match=r"an adapter of a base that is not here: .*no is no folder"):
        local.load(adapter)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    (adapter / local.ADAPTER).write_text(json.dumps({**told, "base_model_name_or_path": str(other)}))
    with pytest.raises(UsageError, match="an adapter of another other than the one that lies there"):
        Transformers(adapter)
    (adapter / local.ADAPTER_WEIGHTS).unlink()
    with pytest.raises(DatasetError, match=r"finish it with facedata train sft --resume"):
        Transformers(adapter)


# --- a run that goes on, and one that cannot ---


def numbers(root):
    weights = load_file(root / local.ADAPTER_WEIGHTS)
    return (
        (root / "log.csv").read_text(),
        (root / "dev.csv").read_text(),
        {name: one.tolist() for name, one in weights.items()},
    )


@pytest.fixture(scope="module")
def whole(faces, base, tmp_path_factory):
    """Six steps at once."""
    root = tmp_path_factory.mktemp("whole") / "adapter"
    assert train_sft(faces, root, str(base), tiny()).steps == 6
    return root


def states(root):
    return sorted(path.name for path in (root / "states").iterdir() if path.is_dir())


def test_ctrl_c_writes_a_state_and_the_run_goes_on_to_the_same_numbers(
    faces, base, whole, tmp_path, monkeypatch
):
    log = Logs.step

    def stop(self, step, values):
        log(self, step, values)
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    (tmp_path / "config.yaml").write_text(tiny().model_dump_json())
    flags = (faces, "--model", base, "-o", tmp_path / "halves", "--config", tmp_path / "config.yaml")
    with monkeypatch.context() as patched:
        patched.setattr(Logs, "step", stop)
        done = sft(*flags, code=130)
    assert "go on with --resume" in done.stderr
    assert states(tmp_path / "halves") == ["checkpoint-2", "checkpoint-3"]
    with pytest.raises(DatasetError, match="holds no finished model"):
        read_card(tmp_path / "halves")
    sft(*flags, "--resume")
    assert numbers(tmp_path / "halves") == numbers(whole)
    read_card(tmp_path / "halves", "sft")


def test_two_processes_learn_what_one_learns_from_batches_of_twice_the_size(faces, base, tmp_path):
    """As on several GPUs, here over gloo."""
    train_sft(faces, tmp_path / "one", str(base), even())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, Path(__file__).with_name("launched_sft.py"), faces, base, tmp_path / "two"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    one, two = (pd.read_csv(tmp_path / name / "dev.csv").loss for name in ("one", "two"))
    assert two.tolist() == pytest.approx(one.tolist(), rel=1e-4)
    assert len(set(one)) == 4  # and what is compared does move
    cards = [read_card(tmp_path / name, "sft") for name in ("one", "two")]
    assert cards[0]["best"]["step"] == cards[1]["best"]["step"]


def test_a_finished_run_goes_on_when_it_is_asked_for_more(faces, base, whole, tmp_path):
    """The schedule is constant, so that six steps are the first of eight."""
    even = {"schedule": "constant"}
    train_sft(faces, tmp_path / "more", str(base), tiny(**even))
    first = numbers(tmp_path / "more")
    train_sft(faces, tmp_path / "more", str(base), tiny(**even), resume=True)  # nothing is left to be done
    assert numbers(tmp_path / "more") == first
    train_sft(faces, tmp_path / "more", str(base), tiny(**even, steps=8), resume=True)
    train_sft(faces, tmp_path / "once", str(base), tiny(**even, steps=8))
    assert numbers(tmp_path / "more") == numbers(tmp_path / "once")
    with pytest.raises(UsageError, match="trained for 8 steps already"):
        train_sft(faces, tmp_path / "more", str(base), tiny(**even), resume=True)


def test_patience_ends_a_run_and_the_best_look_is_kept(faces, base, tmp_path, monkeypatch):
    looks = iter([3.0, 1.0, 2.0, 1.5, 0.5])
    evaluate = Trainer.evaluation_loop

    def worse(self, *told, **named):
        found = evaluate(self, *told, **named)
        return found._replace(metrics={**found.metrics, "eval_loss": next(looks)})

    monkeypatch.setattr(Trainer, "evaluation_loop", worse)
    made = train_sft(faces, tmp_path / "adapter", str(base), tiny(steps=20, patience=2))
    assert (made.steps, made.best_step, made.best_loss) == (8, 4, 1.0)
    kept, best = (
        load_file(path / local.ADAPTER_WEIGHTS) for path in (made.root, made.root / "states/checkpoint-4")
    )
    assert all(kept[name].equal(one) for name, one in best.items())
    train_sft(faces, tmp_path / "adapter", str(base), tiny(steps=20, patience=2), resume=True)
    assert states(made.root) == ["checkpoint-4", "checkpoint-8"]  # its patience is out still


def test_a_loss_that_is_no_number_names_the_samples_and_keeps_the_state_before(
    faces, base, whole, tmp_path, monkeypatch
):
    compute, seen = Trainer.compute_loss, []

    def poisoned(self, model, inputs, *told, **named):
        loss = compute(self, model, inputs, *told, **named)
        if model.training:
            seen.append(inputs["pixel_values"])
        return loss * float("nan") if len(seen) == 8 and model.training else loss  # step 4, its second batch

    monkeypatch.setattr(Trainer, "compute_loss", poisoned)
    with pytest.raises(FacedataError, match=r"no number at step 4 .* checkpoint-3 is kept in") as told:
        train_sft(faces, tmp_path / "adapter", str(base), tiny())
    monkeypatch.undo()
    # The samples that are named are those whose pictures the batch held.
    rows = choose_answers(Dataset.open(faces), AnswersConfig(), 0).train
    named = [row for row, one in enumerate(rows.rows) if one[0] in str(told.value)]
    processor, _ = local.load(base)
    look = rows.table(Dataset.open(faces))
    pictures = [
        processor.image_processor(look[row]["images"], return_tensors="pt").pixel_values[0] for row in named
    ]
    assert len(named) == 2
    assert {one.sum().item() for one in pictures} == {one.sum().item() for one in seen[-1]}
    train_sft(faces, tmp_path / "adapter", str(base), tiny(), resume=True)
    assert numbers(tmp_path / "adapter") == numbers(whole)


def test_too_little_memory_names_the_batch_to_try(faces, base, tmp_path, monkeypatch):
    def full(*told, **named):
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(Trainer, "compute_loss", full)
    for batch, mend in ((4, "try loop.batch: 2 with loop.accumulate: 4"), (1, "try loop.recompute: true")):
        with pytest.raises(UsageError, match=mend):
            train_sft(faces, tmp_path / str(batch), str(base), tiny(batch=batch))


def test_nobody_is_told_of_a_run(faces, base, tmp_path, monkeypatch):
    def told(*told, **named):
        raise AssertionError

    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", told)
    monkeypatch.delenv("CI", raising=False)
    train_sft(faces, tmp_path / "adapter", str(base), tiny(steps=1, precision="bf16", recompute=True))
