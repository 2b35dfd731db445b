"""Targets that are texts: lists, settings, tasks, expressions, answers, edits, tables."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from annotate_parts import TASK, make_dataset
from conftest import jpeg

from facedata.annotate.ask import Answered
from facedata.annotate.compose import compose, judge
from facedata.annotate.jobs import Jobs
from facedata.annotate.providers.base import Outcome, Sampling
from facedata.annotate.providers.replay import Replay
from facedata.annotate.providers.rules import Rules
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.augment.policy import load_policy
from facedata.curate.audit.trials import read_trials
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.detections.join import join
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.instructions import to_table
from facedata.datasets.keyed import keyed_value
from facedata.datasets.labels import parse_label_map
from facedata.datasets.list_values import parse_columns
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.edit import edit
from facedata.datasets.versions.expression import Expression
from facedata.datasets.versions.protocol import load_protocol
from facedata.recipes.config import load_config
from facedata.recipes.fas_config import FasConfig
from facedata.recipes.labels.config import LabelsConfig
from facedata.recipes.metrics.predictions import read_predictions
from facedata.recipes.metrics.truth import read_truth
from facedata.recipes.sft.config import SftConfig
from facedata.synth.config import load_config as load_synth

from .target import Target, cleared, take

__all__ = ["TEXTS"]

ROOM = Path(__file__).resolve().parent.parent.parent
_SERIAL = Options(engine="serial", overwrite=True)


def _stock(*patterns: str) -> tuple[bytes, ...]:
    found = [path for pattern in patterns for path in sorted(ROOM.glob(pattern))]
    assert found, patterns
    return tuple(path.read_bytes() for path in found)


def _pictures(root: Path, count: int = 4) -> Path:
    for number in range(count):
        path = root / "pictures" / ("live" if number % 2 else "spoof") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    return root / "pictures"


def _dataset(root: Path) -> Path:
    ingest("folder", _pictures(root), root / "set", Reading(), Options(engine="serial"))
    return root / "set"


def lists(root: Path) -> Target:
    """`ingest list`: the first byte says which ending the list has."""
    _pictures(root)
    table = (
        b'path,label,subject,attack,split,box,au,valence\nlive/1.jpg,live,a,,train,"1 2 3 4","1:2",0.5\n'
        b'spoof/0.jpg,spoof,b,print/paper,test,"1,2,3,4","{""12"": 3}",-0.5\n'
    )
    lines = (
        b'{"path":"live/1.jpg","label":"live","box":[1,2,3,4],"au":{"1":2},"attributes":{"a":1},"frame":1}\n'
        b'{"path":"spoof/0.jpg","label":"spoof","attack":"print","au_domain":[1],"landmarks":[[1,2],[3,4]]}\n'
    )
    endings = ("csv", "jsonl", "tsv")

    def run(data: bytes) -> None:
        path = root / "pictures" / f"list.{endings[data[0] % 3] if data else 'csv'}"
        path.write_bytes(data[1:])
        take(open_input(path, Reading(), "list"))

    tabbed = b"path\tlabel\tbox\nlive/3.jpg\tlive\t1 2 3 4\n../../outside/secret.jpg\tlive\t\n"
    return Target("text", (b"\0" + table, b"\1" + lines, b"\2" + tabbed), run, reads_anywhere=True)


def policies(root: Path) -> Target:
    """`augment --policy`, drawn from as well."""
    path = root / "policy.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        policy = load_policy(str(path))
        policy.draw(0, "a", 0)

    return Target("yaml", _stock("augment/policies/*.yaml"), run)


def configs(root: Path) -> Target:
    """What trains: `--config` of every trainer, and a key within a file."""
    path = root / "config.yaml"
    kinds = (
        load_synth,
        lambda one: load_config(FasConfig, one, one),
        lambda one: load_config(LabelsConfig, one, one),
        lambda one: load_config(SftConfig, one, one),
        lambda one: keyed_value(f"{one}:optimizer.lr"),
    )

    def run(data: bytes) -> None:
        path.write_bytes(data[1:])
        kinds[data[0] % len(kinds) if data else 0](path)

    small = b"\0resolution: 32\nsteps: 10\noptimizer: {lr: 0.001}\nlora: {rank: 4}\n"
    parts = zip(
        b"\1\2\2\3", _stock("recipes/fas.yaml", "recipes/[af]*[ur].yaml", "recipes/sft/sft.yaml"), strict=True
    )
    seeds = [bytes([kind]) + text for kind, text in parts]
    return Target("yaml", (small, *seeds, b"\4optimizer: {lr: 1}\n"), run)


def protocols(root: Path) -> Target:
    """`split --protocol`."""
    path = root / "protocol.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        load_protocol(str(path))

    return Target("yaml", _stock("datasets/protocols/*.yaml"), run)


def tasks(root: Path) -> Target:
    """`annotate TASK`: the file and its templates, put to two faces."""
    dataset = make_dataset(root, 2)
    path = root / "task.yaml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for job in Jobs(dataset, [load_task(path)], 0, Sampling(), 1):
            text = asyncio.run(Rules().answer(job.request)).text
            _answer(job, text)

    small = yaml.safe_dump(TASK).encode()
    return Target("yaml", (small, *_stock("annotate/tasks/*.yaml")), run)


def answers(root: Path) -> Target:
    """What a model says to the stock tasks, by checks and records; the first byte says which was asked."""
    dataset = make_dataset(root, 1)
    jobs = [job for name in stock_tasks() for job in Jobs(dataset, [load_task(name)], 0, Sampling(), 1)]
    good = [asyncio.run(Rules().answer(job.request)).text.encode() for job in jobs]

    def run(data: bytes) -> None:
        _answer(jobs[data[0] % len(jobs) if data else 0], data[1:].decode("utf-8", "replace"))

    return Target("json", tuple(bytes([n]) + one for n, one in enumerate(good)), run)


def _answer(job, text: str) -> None:
    outcome = Outcome(status="ok", text=text)
    answer, checks = judge(job, outcome.text)
    record = compose(job, Rules(), Answered("k", outcome, 1, from_journal=False), answer, checks)
    to_table([record])
    record.model_dump_json().encode()


def expressions(root: Path) -> Target:
    """`filter`."""
    rows = pq.read_table(_dataset(root) / SAMPLES_NAME)
    seeds = (
        'label == "spoof" and attack.startswith("print")',
        "au[12] >= 2 or (width * 2 > 10 and not split in ['train', None])",
        "len(source.file) > 3 and attributes.a.b == 1.5 and abs(valence) < 1 and -width != 3 ** 2",
        'parameters.x is None and subject.lower().upper().contains("A") and box[0] // 2 % 3 <= 1e3',
    )

    def run(data: bytes) -> None:
        Expression(data.decode("utf-8", "replace")).mask(rows)

    return Target("words", tuple(one.encode() for one in seeds), run)


def edits(root: Path) -> Target:
    """`edit`: the file, and the dataset that it makes."""
    base = _dataset(root)
    ids = [sample.sample_id for sample in Dataset.open(base)]
    path, out = root / "edits.csv", root / "edited"
    text = f'sid,field,old,new\n{ids[0]},domain,,x\n{ids[1]},au,,"{{""1"": 2}}"\n{ids[2]},attributes.x,,[1]\n'
    more = f"sid,field,old,new,time,who\n{ids[3]},label,live,spoof,2026-01-31T12:00:00+00:00,me\n"
    more += f"{ids[0]},box,,1 2 3 4,,\n{ids[1]},__deleted__,,true,,\n{ids[2]},source.licence,,CC0,,\n"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        edit(base, path, cleared(out), skip_conflicts=True, writing=Writing(overwrite=True))

    return Target("text", (text.encode(), more.encode()), run)


def detections(root: Path) -> Target:
    """`join`: the first byte says which tool wrote the file."""
    base = _dataset(root)
    out = root / "joined"
    openface = (
        b"face, confidence, AU01_r, AU12_r, AU01_c, pose_Tx, pose_Ty, pose_Tz, pose_Rx, pose_Ry, pose_Rz\n"
    )
    openface += b"0, 0.98, 0.50, 1.25, 1, 1.0, 2.0, 500, 0.1, 0.2, 0.3\n"
    pyfeat = (
        b"frame,FaceRectX,FaceRectY,FaceRectWidth,FaceRectHeight,FaceScore,AU01,anger,Pitch,Roll,Yaw,input\n"
    )
    pyfeat += b"0,1,2,30,30,0.9,0.5,0.1,1,2,3,live/1.jpg\n0,1,2,30,30,0.9,0.5,0.1,1,2,3,spoof/0.jpg\n"

    def run(data: bytes) -> None:
        kind = ("openface", "py-feat")[data[0] % 2] if data else "openface"
        path = root / ("1.csv" if kind == "openface" else "fex.csv")
        path.write_bytes(data[1:])
        join(base, path, cleared(out), kind, _SERIAL)

    return Target("text", (b"\0" + openface, b"\1" + pyfeat), run)


def tables(root: Path) -> Target:
    """Tables of predictions, of the truth, and of annotators' answers."""
    readers = (read_predictions, read_truth, read_trials)
    endings = ("csv", "jsonl")

    def run(data: bytes) -> None:
        which = data[0] if data else 0
        path = root / f"table.{endings[which // 3 % 2]}"
        path.write_bytes(data[1:])
        readers[which % 3](path)

    scored = "sample_id,score,label,attack,subject,domain,split,clip\n"
    scored += "a,0.5,live,,x,d,test,1\nb,1,spoof,print,y,d,test,2\n"
    said = "sample_id,annotator,question,answer,confidence\na,x,expression,anger,0.5\na,y,au.12,yes,\n"
    review = 'sid,field,votes,old,new\na,expression,"{""x"": ""anger"", ""y"": [""fear""]}",,\n'
    lines = '{"sample_id": "a", "score": 0.5, "label": "live", "expression": "anger", "au1": 2}\n' * 2
    seeds = [b"\0" + scored.encode(), b"\1" + scored.encode(), b"\2" + said.encode(), b"\2" + review.encode()]
    return Target("text", (*seeds, b"\3" + lines.encode(), b"\4" + lines.encode()), run)


def arguments(root: Path) -> Target:
    """Small languages of the command line."""
    del root
    readers = (parse_label_map, parse_columns)

    def run(data: bytes) -> None:
        readers[data[0] % 2 if data else 0](data[1:].decode("utf-8", "replace"))

    return Target("words", (b"\0live=1,spoof=0,spoof=2-9", b"\1path=file,label=class,subject=who"), run)


def replays(root: Path) -> Target:
    """Answers kept as JSON lines, played back."""
    path = root / "answers.jsonl"
    one = {"question": "q", "status": "ok", "text": "x", "model": "m", "usage": {"input": 1, "output": 2}}

    def run(data: bytes) -> None:
        path.write_bytes(data)
        Replay(path)

    return Target(
        "json", (json.dumps(one).encode() + b"\n" + json.dumps({**one, "question": "p"}).encode(),), run
    )


TEXTS = {
    "lists": lists,
    "policies": policies,
    "configs": configs,
    "protocols": protocols,
    "tasks": tasks,
    "answers": answers,
    "expressions": expressions,
    "edits": edits,
    "detections": detections,
    "tables": tables,
    "arguments": arguments,
    "replays": replays,
}
