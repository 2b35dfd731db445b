"""Targets that are files of a dataset, of its source, or beside it: readers, tables, pictures, journals."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import fas_trees
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from conftest import jpeg, picture
from PIL import Image
from planted_trees import plant
from test_instructions import record
from test_readers_expression import TREES

from facedata.annotate.providers.base import Outcome
from facedata.annotate.providers.replay import Replay
from facedata.annotate.score.reading import Side, answered
from facedata.annotate.score.reading import read_truth as recorded_truth
from facedata.annotate.store import Store
from facedata.curate.report import write_report
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.embed.given import read_embeddings
from facedata.datasets.engine import Options
from facedata.datasets.entries import Setting
from facedata.datasets.errors import FacedataError
from facedata.datasets.exports.run import export
from facedata.datasets.framing import Framing
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading, open_input
from facedata.datasets.instructions import INSTRUCTIONS_NAME, read_records, to_table
from facedata.datasets.pictures import read_picture
from facedata.datasets.reader_source import ReaderSource
from facedata.datasets.readers.catalogue import READERS, open_reader
from facedata.datasets.record import RECORD_NAME
from facedata.datasets.validate import validate
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.diff import diff
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.history import log

from .target import Target, cleared, take

__all__ = ["FILES"]

_TEXTS = (".csv", ".txt", ".json", ".npy", ".face")
_PLANTED = {"disfa": {"images": "images"}}


def readers(root: Path) -> Target:
    """Every reader: an input is `NAME FILE`, a line end, and what that file of the reader's tree holds."""
    seeds = []
    for name in READERS:
        tree = root / name
        tree.mkdir()
        if name in TREES:
            plant(tree, TREES[name])
        else:
            make = "oulu" if name == "oulu-npu" else name.replace("-", "_")
            getattr(fas_trees, make)(tree)
        for path in sorted(tree.rglob("*")):
            if path.suffix in _TEXTS:
                place = f"{name} {path.relative_to(tree)}\n"
                seeds.append((place.encode(), path.read_bytes()))
    heads = dict(seeds)

    def run(data: bytes) -> None:
        line, end, content = data.partition(b"\n")
        if (head := line + end) not in heads:
            head, content = list(heads)[zlib.crc32(head) % len(heads)], data
        name, _, place = head.decode().strip().partition(" ")
        path = root / name / place
        path.write_bytes(content)
        try:
            _read(name, root / name)
        finally:
            path.write_bytes(heads[head])

    return Target("text", tuple(head + content for head, content in seeds), run)


def _read(name: str, root: Path) -> None:
    reader = open_reader(name)
    chosen = reader.choices.model_validate(_PLANTED.get(name, {}))
    setting = Setting(str(root), name, {}, Framing(), opener=reader.opener)
    take(ReaderSource(reader.read(root, chosen), setting, reader), 6)


def _set(root: Path, layout: str = "files") -> Path:
    for number in range(4):
        path = root / "pictures" / ("live" if number % 2 else "spoof") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    made = root / "set"
    ingest("folder", root / "pictures", made, Reading(), Options(engine="serial", layout=layout))
    return made


def _verbs(root: Path, made: Path, whole: Path) -> tuple[Callable[[], object], ...]:
    """What reads a dataset; which one comes after `validate` is up to the input."""
    out = root / "out"
    return (
        lambda: filter_rows(made, "width > 1 and label != 'x'", cleared(out), Writing(overwrite=True)),
        lambda: write_report(made, root / "report.html", pictures=2, records=4),
        lambda: diff(whole, made),
        lambda: log(made),
        lambda: export(made, cleared(out), "huggingface"),
        lambda: export(made, cleared(out), "webdataset"),
        lambda: export(made, cleared(out), "folder"),
        lambda: take(open_input(made, Reading())),
    )


def _part(root: Path, name: str, layout: str = "files", form: str = "parquet") -> Target:
    made = _set(root, layout)
    shutil.copytree(made, root / "whole")
    path = next(made.glob(name))
    verbs = _verbs(root, made, root / "whole")

    def run(data: bytes) -> None:
        path.write_bytes(data)
        _both(lambda: validate(made), verbs[zlib.crc32(data) % len(verbs)])

    return Target(form, (path.read_bytes(),), run)


def _both(*calls: Callable[[], object]) -> None:
    """Call all of them: an error of the first one, made for people, does not spare the next."""
    for call in calls:
        with contextlib.suppress(FacedataError):
            call()


def records(root: Path) -> Target:
    """`dataset.json`."""
    return _part(root, RECORD_NAME, form="json")


def rows(root: Path) -> Target:
    """`samples.parquet`."""
    return _part(root, SAMPLES_NAME)


def shards(root: Path) -> Target:
    """A shard of pictures."""
    return _part(root, "shards/*.parquet", "shards")


def instructions(root: Path) -> Target:
    """`instructions.parquet`: checked, exported, scored against."""
    made = _set(root)
    path = made / INSTRUCTIONS_NAME
    samples = list(Dataset.open(made))
    found = sorted((record(one) for one in samples), key=lambda one: one.record_id)
    pq.write_table(to_table(found), path)
    out = root / "out"
    verbs = (
        lambda: list(read_records(made)),
        lambda: export(made, cleared(out), "llava"),
        lambda: _scored(made),
        lambda: filter_rows(made, "width > 1", cleared(out), Writing(overwrite=True)),
        lambda: write_report(made, root / "report.html", pictures=2, records=4),
    )

    def run(data: bytes) -> None:
        path.write_bytes(data)
        _both(lambda: validate(made), verbs[zlib.crc32(data) % len(verbs)])

    return Target("parquet", (path.read_bytes(),), run)


def _scored(made: Path) -> None:
    side = Side.open(made)
    columns = ("sample_id", "task", "status", "structured", "evidence", "messages")
    found = [row for batch in side.batches(columns) for row in batch.to_pylist()]
    for row in found:
        answered(row)
    recorded_truth((), found, {row["sample_id"] for row in found}, "answers", references=True)
    side.length()


def pictures(root: Path) -> Target:
    """Pictures of every format that is read."""
    del root
    more = {"save_all": True, "append_images": [Image.fromarray(picture(4))]}
    kinds = [
        ("GIF", more),
        ("JPEG", {"progressive": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", more),
    ]
    kinds += [(kind, {}) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")]
    seeds = []
    for kind, options in kinds:
        file = io.BytesIO()
        Image.fromarray(picture(3)).save(file, kind, **options)
        seeds.append(file.getvalue())

    def run(data: bytes) -> None:
        read_picture(data, "x", 10**6)

    return Target("bytes", tuple(seeds), run)


def journals(root: Path) -> Target:
    """A journal of answers, gone on with and played back."""
    path = root / "answers.sqlite"
    with Store(path) as store:
        for number in range(6):
            store.put(f"k{number}", f"q{number}", Outcome(status="ok", text="x" * 100))
        store.begin_batch("label", "gemini", [("k", "q")])

    def use() -> None:
        with Store(path) as store:
            for number in range(6):
                store.get(f"k{number}")
            store.open_batches("gemini")
            store.put("new", "q", Outcome(status="ok", text="\ud800"))

    def run(data: bytes) -> None:
        for left in root.glob("answers.sqlite*"):
            left.unlink()
        path.write_bytes(data)
        _both(lambda: Replay(path), use)

    return Target("bytes", (path.read_bytes(),), run)


def embeddings(root: Path) -> Target:
    """Vectors made elsewhere: the first byte says which form."""
    ids = [f"{number:064x}" for number in range(4)]
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(root / "e.npy", vectors)
    np.savez_compressed(root / "e.npz", sample_id=np.array(ids), embeddings=vectors)
    pq.write_table(pa.table({"sample_id": ids, "embedding": vectors.tolist()}), root / "e.parquet")
    paths = [root / f"e.{ending}" for ending in ("npy", "npz", "parquet")]

    def run(data: bytes) -> None:
        path = paths[data[0] % 3] if data else paths[0]
        path.write_bytes(data[1:])
        read_embeddings(path, ids)

    return Target("bytes", tuple(bytes([n]) + path.read_bytes() for n, path in enumerate(paths)), run)


def models(root: Path) -> Target:
    """The card of a trained model, and the header of its weights; the first byte says which."""
    from safetensors.numpy import save  # these take seconds, which the other targets need not wait

    from facedata.recipes.checkpoint import CARD_NAME, WEIGHTS, read_card
    from facedata.synth.gates.judge import Judge
    from facedata.synth.load import read_card as read_synth_card

    folder = root / "model"
    folder.mkdir()
    card = {
        "recipe": "fas",
        "weights": "0" * 64,
        "config": {"loop": {"steps": 1}},
        "quality": {"names": ["a"]},
    }
    (folder / CARD_NAME).write_text(json.dumps({**card, "base": {"path": "../base", "weights": "1"}}))
    tensors = {"a": np.zeros((2, 3), np.float32)}
    (folder / WEIGHTS).write_bytes(save(tensors, {"facedata": json.dumps({"kinds": ["x"]})}))
    paths = (folder / CARD_NAME, folder / WEIGHTS)

    def run(data: bytes) -> None:
        path = paths[data[0] % 2] if data else paths[0]
        kept = path.read_bytes()
        path.write_bytes(data[1:])
        try:
            _both(
                lambda: read_card(folder),
                lambda: read_synth_card(folder),
                lambda: Judge.load(folder / WEIGHTS),
            )
        finally:
            path.write_bytes(kept)

    return Target("json", tuple(bytes([n]) + path.read_bytes() for n, path in enumerate(paths)), run)


FILES = {
    "readers": readers,
    "records": records,
    "rows": rows,
    "shards": shards,
    "instructions": instructions,
    "pictures": pictures,
    "journals": journals,
    "embeddings": embeddings,
    "models": models,
}
