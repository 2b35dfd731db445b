"""Files and answers of strangers: whatever is in them, one line for people; no code, no climb, no bomb.

`FACEDATA_FUZZ=1000` runs each property that many times.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from annotate_parts import make_dataset
from conftest import jpeg, picture
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from facedata.annotate.ask import Answered
from facedata.annotate.compose import compose, judge
from facedata.annotate.jobs import Jobs
from facedata.annotate.providers.base import Outcome, Sampling
from facedata.annotate.providers.replay import Replay
from facedata.annotate.providers.rules import Rules
from facedata.annotate.store import Store
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.augment.policy import load_policy
from facedata.cli.main import app
from facedata.curate.report import write_report
from facedata.datasets import parquet
from facedata.datasets.dataset import Dataset
from facedata.datasets.embed import given as embeddings
from facedata.datasets.embed.transformers import Transformers
from facedata.datasets.engine import Options
from facedata.datasets.errors import DatasetError, FacedataError, PictureError, SourceError, UsageError
from facedata.datasets.exports.run import export
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading
from facedata.datasets.instructions import to_table
from facedata.datasets.pictures import read_picture
from facedata.datasets.safe_yaml import load_yaml
from facedata.datasets.validate import validate
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.edit import edit
from facedata.datasets.versions.expression import Expression
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.protocol import load_protocol
from facedata.recipes.checkpoint import read_card
from facedata.synth.config import load_config
from facedata.synth.load import read_card as read_synth_card

ROOT = Path(__file__).resolve().parent.parent
SCALE = int(os.environ.get("FACEDATA_FUZZ", "0"))
MORE = (
    *(b"1e999", b"-1", b"9" * 30, b"\0", b"\xff\xfe", b"../../", b"null", b"[]", b"{}", b"\\ud800", b"NaN"),
    *(b"&a [*a]", b"!!python/object/apply:os.system [x]", b"2001-99-99", b"[" * 3000, "\u202e".encode()),
)


def often(count: int):
    """How many examples: few among the tests, as many as one likes by hand."""
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    phases = (Phase.explicit, Phase.generate)  # a smaller example of a damaged file is no clearer
    return settings(max_examples=SCALE or count, suppress_health_check=checks, phases=phases, database=None)


@st.composite
def mutated(draw, *bases: bytes) -> bytes:
    """One of `bases` with a few bytes changed, cut, doubled or put in."""
    data = bytearray(draw(st.sampled_from(bases)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 5)):
            case 0 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 1:
                del data[at : at + draw(st.integers(1, 20))]
            case 2:
                data[at:at] = data[max(0, at - 30) : at]
            case 3:
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case 4:
                del data[at:]
            case 5:
                data[at:at] = draw(st.sampled_from(MORE))
    return bytes(data)


def survives(call) -> None:
    """An error made for people is all that may come of it; one second is enough for anything small."""
    began = time.process_time()
    with contextlib.suppress(FacedataError):
        call()
    assert time.process_time() - began < 5


def encoded(kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(3)).save(file, kind, **options)
    return file.getvalue()


FRAMES = {"save_all": True, "append_images": [Image.fromarray(picture(4))] * 2}
PICTURES = [
    *(encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000")),
    *(encoded("GIF", **FRAMES), encoded("TIFF", compression="tiff_lzw"), encoded("JPEG", progressive=True)),
]


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> Path:
    """`files` and `shards` of four pictures."""
    root = tmp_path_factory.mktemp("hostile")
    for number in range(4):
        path = root / "faces" / ("live" if number % 2 else "spoof") / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    for layout in ("files", "shards"):
        ingest("folder", root / "faces", root / layout, Reading(), Options(engine="serial", layout=layout))
    return root


@often(60)
@given(mutated(*PICTURES))
def test_pictures(data):
    try:
        found = read_picture(data, "x", 10**5)
        assert found.pixels.shape[0] * found.pixels.shape[1] <= 10**5
    except PictureError:
        pass


def test_a_picture_that_unpacks_to_gigabytes_is_not_unpacked():
    """A PNG of 30000 x 30000 in a few bytes: what it would take is read from its header."""
    import resource
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10**6))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PictureError, match=r"900\.0 megapixels, over the limit"):
        read_picture(png, "bomb.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kilobytes"


@often(25)
@given(st.data())
def test_records_and_manifests(sets, data):
    kind = data.draw(st.sampled_from(["files", "shards"]))
    name = data.draw(st.sampled_from(["dataset.json", "samples.parquet", "shard"]))
    copy = sets / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(sets / kind, copy)
    path = (
        next((copy / "shards").iterdir()) if name == "shard" and kind == "shards" else copy / "dataset.json"
    )
    path = copy / "samples.parquet" if name == "samples.parquet" else path
    path.write_bytes(data.draw(mutated(path.read_bytes())))
    survives(lambda: validate(copy))
    survives(lambda: filter_rows(copy, "true", sets / "out", Writing(overwrite=True)))


COLUMNS = [
    pa.array([1] * 4),
    pa.array([None] * 4, pa.string()),
    pa.array(["../x\0"] * 4),
    pa.array([[1.5]] * 4),
    pa.array([b"\xff\xfe"] * 4),
    pa.array(["{"] * 4),
    pa.array(['{"a":' * 3000] * 4),
    pa.array(["7"] * 4).dictionary_encode(),
]


@pytest.mark.parametrize("number", range(len(COLUMNS)))
def test_columns_of_another_type(sets, tmp_path, number):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "samples.parquet"
    table = pq.read_table(path)
    for place, name in enumerate(table.column_names):
        pq.write_table(table.set_column(place, name, COLUMNS[number]), path)
        survives(lambda: validate(tmp_path / "set"))
        survives(lambda: filter_rows(tmp_path / "set", "true", tmp_path / "out", Writing(overwrite=True)))


def test_a_row_group_that_unpacks_to_gigabytes_is_not_read(sets, tmp_path, monkeypatch):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "samples.parquet"
    table = pq.read_table(path)
    column = pa.array(["0" * (8 << 20)] * 4)
    pq.write_table(
        table.set_column(4, "width", column).set_column(5, "split", column), path, compression="zstd"
    )
    table = table.set_column(table.column_names.index("domain"), "domain", column)
    pq.write_table(table, path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(parquet, "_MOST_BYTES", 16 << 20)
    with pytest.raises(DatasetError, match=r"row group 0 unpacks to 0.0 GB"):
        list(Dataset.open(tmp_path / "set").tables())


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_a_record_that_nests_without_end(sets, tmp_path, text):
    shutil.copytree(sets / "files", tmp_path / "set")
    (tmp_path / "set" / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match="cannot be read"):
        Dataset.open(tmp_path / "set")


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases stand for more than"),
        ("a: &a [1, *a]", "an alias stands within"),
        ("[" * 100_000, "nested too deeply"),
        ("- " * 500 + "x", "nested too deeply"),
        ("a: 2001-99-99", "not what its form says"),
        ('a: !!int ""', "not what its form says"),
        ("a: !!timestamp x", "not what its form says"),
        ("!!python/object/apply:os.system ['touch owned']", "could not determine a constructor"),
        ("x" * (5 << 20), "characters are more"),
    ],
)
def test_yaml_that_is_an_attack(text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = time.process_time()
    with pytest.raises(yaml.YAMLError, match=words):
        load_yaml(text)
    assert time.process_time() - began < 2
    path = tmp_path / "p.yaml"
    path.write_text(text)
    for load in (lambda: load_policy(str(path)), lambda: load_task(path), lambda: load_config(path)):
        with pytest.raises(UsageError):
            load()
    with pytest.raises(UsageError):
        load_protocol(str(path))
    assert not (tmp_path / "owned").exists()


def test_yaml_that_is_none():
    assert load_yaml("a: &x [1, 2]\nb: *x\nc: 2001-01-01\n")["b"] == [1, 2]
    assert load_yaml("") is None


def texts(folder: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / folder).glob("*.yaml"))]


@often(40)
@given(
    mutated(*texts("augment/policies")),
    mutated(*texts("annotate/tasks")),
    mutated(*texts("datasets/protocols")),
)
def test_policies_tasks_and_protocols(tmp_path, policy, task, protocol):
    for load, data in ((load_policy, policy), (load_task, task), (load_protocol, protocol)):
        path = tmp_path / "x.yaml"
        path.write_bytes(data)
        survives(lambda load=load, path=path: load(str(path)))


WORDS = re.findall(
    r"\S+",
    "label == != < > <= >= is not in and or ( ) [ ] , . - 1 1e999 9999999999999999999 'x' \"live\" null true "
    "subject width box au attributes attributes.a source.file layers landmarks parameters __class__ lambda : "
    "label.__class__ {} f'{1}' ** // @ := import",
)


@often(150)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join))
@example(r"label == '\ud800'")
@example(r"label in ['live', '\ud800'] or label.startswith('\udfff') or attributes['\ud800'] == 1")
@example("(" * 10_000)
@example("not " * 10_000 + "true")
@example("true" + " and true" * 20_000)
@example("-" * 10_000 + "1 == width")
@example("__import__('os').system('touch owned')")
def test_filter_expressions(sets, text):
    rows = pq.read_table(sets / "files" / "samples.parquet")
    survives(lambda: Expression(text).mask(rows))


LIST = (
    b'path,label,subject,attack,split,box,au,valence\n0.jpg,live,a,,train,"1 2 3 4","1:2",0.5\n'
    b'1.jpg,spoof,b,print/paper,test,"1,2,3,4","{""12"": 3}",-0.5\n'
)
LINES = (
    b'{"path":"0.jpg","label":"live","box":[1,2,3,4],"au":{"1":2},"attributes":{"a":1},"valence":0.1}\n'
    b'{"path":"1.jpg","label":"spoof","attack":"print/paper","au_domain":[1,2],"landmarks":[[1,2],[3,4]]}\n'
)


def listed(root: Path, name: str, data: bytes) -> None:
    """Ingest a list; what comes of it is sound, and of the folder alone."""
    root.mkdir(exist_ok=True)
    for number in range(2):
        (root / f"{number}.jpg").write_bytes(jpeg(number))
    (root / name).write_bytes(data)
    shutil.rmtree(root.parent / "out", ignore_errors=True)
    survives(lambda: ingest("list", root / name, root.parent / "out", Reading(), Options(engine="serial")))
    if (root.parent / "out").exists():
        found = [one for one in validate(root.parent / "out").findings if one.check != "box"]
        assert found == []


@often(30)
@given(mutated(LIST), mutated(LINES))
def test_lists(tmp_path, table, lines):
    listed(tmp_path / "list", "list.csv", table)
    listed(tmp_path / "list", "list.jsonl", lines)


@pytest.mark.parametrize(
    "field",
    [
        *('"subject":"\\ud800"', '"path":"\\ud800.jpg"', '"path":"\\u0000"', '"attributes":{"a":"\\udfff"}'),
        *('"au":{"99999999999":1}', '"au_domain":[70000]', '"valence":1e400', '"frame":1' + "0" * 30),
        *('"path":"/etc/hostname"', '"attributes":' + "[" * 50_000),
    ],
)
def test_lists_with_values_that_no_table_holds(tmp_path, field):
    line = '{"path":"0.jpg","label":"live",' + field + "}\n"
    good = '{"path":"1.jpg","label":"live"}\n'
    listed(tmp_path / "list", "list.jsonl", (line + good).encode())
    rows = list(Dataset.open(tmp_path / "out"))
    assert "1.jpg" in {row.source.file for row in rows}, "the other lines are read"
    assert all("etc" not in row.source.file for row in rows)


@often(30)
@given(st.data())
def test_edits(sets, data):
    ids = [sample.sample_id for sample in Dataset.open(sets / "files")]
    base = f'sid,field,old,new\n{ids[0]},domain,,x\n{ids[1]},au,,"{{""1"": 2}}"\n{ids[2]},attributes.x,,[1]\n'
    (sets / "edits.csv").write_bytes(data.draw(mutated(base.encode())))
    writing = Writing(overwrite=True)
    survives(
        lambda: edit(sets / "files", sets / "edits.csv", sets / "out", skip_conflicts=True, writing=writing)
    )


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A job of each stock task that the small dataset has the labels for, with what the rules answer."""
    dataset = make_dataset(tmp_path_factory.mktemp("answers"), 1)
    found = []
    for name in stock_tasks():
        for job in Jobs(dataset, [load_task(name)], 0, Sampling(), 1):
            found.append((job, asyncio.run(Rules().answer(job.request)).text.encode()))
    assert len(found) >= 3
    return found


PROSE = ["no beard and ", "not ", "the face ", ", ", "left right ", "neither nor ", "(((", "AU12 ", "\ud800"]
PROSE += ["<script>", "<image>", "```json\n", '"', "\\", "'" * 30, "\u202e", "\0", "{", "}", "[", ":", "live"]


@often(60)
@given(st.data())
def test_answers_of_models(jobs, data):
    job, good = data.draw(st.sampled_from(jobs))
    words = st.lists(st.sampled_from(PROSE), max_size=20).map(lambda parts: "".join(parts) * 10)
    response = json.loads(good)
    prose = {name: data.draw(words) if isinstance(value, str) else value for name, value in response.items()}
    text = data.draw(st.one_of(mutated(good).map(lambda one: one.decode("utf-8", "replace")), words,
                               st.just(json.dumps(prose)), st.just("[" * 50_000)))  # fmt: skip

    def answered():
        outcome = Outcome(status="ok", text=text)
        answer, checks = judge(job, outcome.text)
        record = compose(job, Rules(), Answered("k", outcome, 1, from_journal=False), answer, checks)
        to_table([record])
        record.model_dump_json().encode()

    survives(answered)


def test_answers_that_take_regular_expressions_long(jobs):
    """Twenty thousand line ends behind a code fence took minutes."""
    job, _ = jobs[0]
    for unit in ("\n", " ", "\n \n", "```\n", "a "):
        for fence in ("```json\n", "```\n", ""):
            survives(lambda text=fence + unit * 20_000: judge(job, text))


@pytest.fixture(scope="module")
def journal(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("journal") / "answers.sqlite"
    with Store(path) as store:
        for number in range(20):
            store.put(f"k{number}", f"q{number}", Outcome(status="ok", text="x" * 200))
        store.begin_batch("label", "gemini", [("k", "q")])
    return path.read_bytes()


@often(40)
@given(st.data())
def test_journals(tmp_path, journal, data):
    path = tmp_path / "answers.sqlite"
    path.write_bytes(data.draw(mutated(journal)))

    def used():
        with Store(path) as store:
            for number in range(20):
                store.get(f"k{number}")
            store.open_batches("gemini")
            store.put("new", "q", Outcome(status="ok", text="\ud800"))

    survives(used)
    path.write_bytes(data.draw(mutated(journal)))
    survives(lambda: Replay(path))


@often(30)
@given(st.data())
def test_embeddings(sets, data):
    ids = [sample.sample_id for sample in Dataset.open(sets / "files")]
    np.save(sets / "e.npy", np.ones((4, 3), np.float32))
    np.savez_compressed(sets / "e.npz", sample_id=np.array(ids), embeddings=np.ones((4, 3), np.float32))
    pq.write_table(pa.table({"sample_id": ids, "embedding": [[1.0, 2.0]] * 4}), sets / "e.parquet")
    path = sets / data.draw(st.sampled_from(["e.npy", "e.npz", "e.parquet"]))
    path.write_bytes(data.draw(mutated(path.read_bytes())))
    survives(lambda: embeddings.read_embeddings(path, ids))


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "e.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("embeddings.npy", bytes(32 << 20))
    monkeypatch.setattr(embeddings, "_SMALL", 1 << 20)
    with pytest.raises(SourceError, match=r"unpacks to 0.0 GB from 0.0 MB"):
        embeddings.read_embeddings(path, ["a"])


def test_pickles_are_not_loaded(tmp_path):
    class Run:
        def __reduce__(self):
            return Path.touch, (tmp_path / "owned",)

    np.save(tmp_path / "e.npy", np.array([Run()], object), allow_pickle=True)
    with pytest.raises(SourceError, match="cannot be read"):
        embeddings.read_embeddings(tmp_path / "e.npy", ["a"])
    assert not (tmp_path / "owned").exists()


def test_weights_that_are_pickles_run_nothing(tmp_path):
    """A checkpoint in the form of old, in place of safetensors: the libraries read numbers of it alone."""
    import pickle

    from transformers import ViTConfig, ViTImageProcessor

    class Run:
        def __reduce__(self):
            return Path.touch, (tmp_path / "owned",)

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    ViTConfig(image_size=16, patch_size=8, architectures=["ViTModel"], **small).save_pretrained(
        tmp_path / "m"
    )
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Run()}, protocol=2))
    with pytest.raises(FacedataError):
        Transformers(str(tmp_path / "m"))
    assert not (tmp_path / "owned").exists()


SMALL = {"rows": -1}, {"rows": 2**60}, {"by_label": {"live": -4}}


@pytest.mark.parametrize("counts", SMALL)
def test_a_record_that_counts_what_nobody_can(sets, tmp_path, counts):
    shutil.copytree(sets / "files", tmp_path / "set")
    record = json.loads((tmp_path / "set" / "dataset.json").read_text())
    record["counts"].update(counts)
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match="counts"):
        Dataset.open(tmp_path / "set")


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "1e999", "-Infinity"])
def test_a_record_of_what_no_file_holds(sets, tmp_path, value):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "dataset.json"
    path.write_text(path.read_text().replace('"parameters": {', f'"parameters": {{"x": {value}, ', 1))
    with pytest.raises(DatasetError, match="cannot be read"):
        Dataset.open(tmp_path / "set")


def test_a_record_that_counts_nothing_gives_a_report(sets, tmp_path):
    shutil.copytree(sets / "files", tmp_path / "set")
    record = json.loads((tmp_path / "set" / "dataset.json").read_text())
    record["counts"]["by_label"] = {"live": 0}
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(record))
    write_report(tmp_path / "set", tmp_path / "report.html")
    assert "live" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("column", "word"), [("split", "../x"), ("label", "maybe")])
@pytest.mark.parametrize("kind", ["huggingface", "folder", "webdataset", "list"])
def test_rows_that_the_record_does_not_count_are_not_exported(sets, tmp_path, column, word, kind):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "samples.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array([word] * 4)), path)
    with contextlib.suppress(DatasetError):
        export(tmp_path / "set", tmp_path / "out" / "deep" / "er", kind)
        assert column == "label", "as a text, and no path"
    places = (tmp_path, tmp_path / "out", tmp_path / "out" / "deep")
    assert {one.name for place in places for one in place.glob("*")} <= {"set", "out", "deep", "er"}


@pytest.mark.parametrize("column", ["sample_id", "content_hash", "label"])
@pytest.mark.parametrize("word", ["../../../../x", "/x", "a/b", "", "..", "x\n", "x" * 200])
def test_what_files_are_named_by_leads_nowhere(sets, tmp_path, column, word):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "samples.parquet"
    table = pq.read_table(path)
    values = [word, *table[column].to_pylist()[1:]]
    pq.write_table(table.set_column(table.column_names.index(column), column, pa.array(values)), path)
    with pytest.raises(DatasetError, match=f"the column '{column}' holds"):
        list(Dataset.open(tmp_path / "set"))
    assert validate(tmp_path / "set").findings


@pytest.mark.parametrize("place", ["dataset.json", "samples.parquet", "picture"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_pipes_and_devices_in_a_dataset_are_not_read(sets, tmp_path, place, kind):
    shutil.copytree(sets / "files", tmp_path / "set")
    picture = next(iter(Dataset.open(tmp_path / "set"))).image
    path = tmp_path / "set" / (picture if place == "picture" else place)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()

    def read():
        found = Dataset.open(tmp_path / "set")
        for sample in found:
            found.read(sample.image)

    with pytest.raises(DatasetError, match=r"regular file|cannot be read"):
        read()
    survives(lambda: validate(tmp_path / "set"))
    survives(lambda: filter_rows(tmp_path / "set", "true", tmp_path / "out"))


def test_a_link_in_a_dataset_gets_no_other_picture_asked_about(tmp_path):
    """It might be any of the user's, and what is asked goes to a server."""
    dataset = make_dataset(tmp_path, 1)
    picture = next(iter(dataset)).image
    (tmp_path / "mine.jpg").write_bytes(jpeg(7))
    (dataset.root / picture).unlink()
    (dataset.root / picture).symlink_to(tmp_path / "mine.jpg")
    (job,) = Jobs(dataset, [load_task("spoof-coarse")], 0, Sampling(), 1)
    with pytest.raises(DatasetError, match="is not its row's picture"):
        job.request.images[0].read()


def test_columns_of_one_name(sets, tmp_path):
    shutil.copytree(sets / "files", tmp_path / "set")
    path = tmp_path / "set" / "samples.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("label", table["label"]), path)
    with pytest.raises(DatasetError, match="columns of one name"):
        list(Dataset.open(tmp_path / "set"))


def test_a_shard_whose_hashes_are_bytes(sets, tmp_path):
    shutil.copytree(sets / "shards", tmp_path / "set")
    path = next((tmp_path / "set" / "shards").iterdir())
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "content_hash", pa.array([b"\xff"] * 4)), path)
    assert "shard" in {one.check for one in validate(tmp_path / "set").findings}


@pytest.mark.parametrize("kind", ["text", "twice", "absent", "no UTF-8"])
def test_a_shard_of_other_columns(sets, tmp_path, kind):
    shutil.copytree(sets / "shards", tmp_path / "set")
    path = next((tmp_path / "set" / "shards").iterdir())
    table = pq.read_table(path)
    if kind == "text":
        table = table.set_column(1, "bytes", pa.array(["x"] * 4))
    elif kind == "twice":
        table = table.append_column("bytes", table["bytes"])
    else:
        table = table.select(["content_hash"])
    pq.write_table(table, path, store_schema=False)
    if kind == "no UTF-8":
        path.write_bytes(path.read_bytes().replace(b"content_hash", b"content_\xff\xffsh"))
    reference = next(iter(Dataset.open(tmp_path / "set"))).image
    with pytest.raises(DatasetError, match=r"cannot be read|is no shard"):
        Dataset.open(tmp_path / "set").read(reference)
    with pytest.raises(FacedataError):
        filter_rows(tmp_path / "set", "width > 0", tmp_path / "out")
    assert validate(tmp_path / "set").findings


def test_journals_whose_damage_is_in_their_names(tmp_path, journal):
    """What SQLite says of them is no UTF-8 either."""
    path = tmp_path / "answers.sqlite"
    path.write_bytes(journal.replace(b"CREATE TABLE batches", b"CREATE \xcc\xfeBLE batches"))

    def use():
        with Store(path) as store:
            store.put("k", "q", Outcome(status="ok", text="x"))

    survives(use)
    survives(lambda: Replay(path))


@pytest.mark.parametrize("text", ["7", "[]", '"recipe"', "null", "[" * 100_000])
def test_a_model_s_card_that_is_no_mapping(tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    for read in (read_card, read_synth_card):
        with pytest.raises(DatasetError, match="cannot be read"):
            read(tmp_path)


def test_archives_that_are_none_of_vectors(tmp_path):
    np.savez(tmp_path / "e.npz", sample_id=np.array(["a"]), embeddings=np.ones((1, 2)))
    data = bytearray((tmp_path / "e.npz").read_bytes())
    (tmp_path / "e.npy").write_bytes(data)
    for number in (data.index(b"PK\x01\x02") + 10, data.rindex(b"PK\x01\x02") + 10):
        data[number] = 99  # a way of packing that there is not
    (tmp_path / "e.npz").write_bytes(data)
    for name in ("e.npy", "e.npz"):
        with pytest.raises(SourceError, match="cannot be read"):
            embeddings.read_embeddings(tmp_path / name, ["a"])


EVIL = '\x1b[31m\u202e<script>alert(1)</script>"><img src=x onerror=alert(2)>`x`|y\x9b2J'


def test_texts_of_strangers_are_shown_and_not_obeyed(tmp_path, monkeypatch):
    """Terminals obey escapes, browsers tags, Markdown its signs: in any field of a list or a record."""
    monkeypatch.chdir(tmp_path)
    lines = []
    for number in range(4):
        name = f"{number}{EVIL.replace('/', '')}.jpg"
        (tmp_path / name).write_bytes(jpeg(number))
        spoof = {"attack": f"print/{EVIL}", "label": "spoof"} if number % 2 else {"label": "live"}
        spoof |= dict.fromkeys(("domain", "split", "licence"), EVIL) | {"subject": f"{EVIL}{number}"}
        lines.append({"path": name, **spoof, "attributes": {EVIL: EVIL}})
    lines.append({"path": f"missing{EVIL}.jpg", "label": "live"})
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))

    def said(*arguments: str, code: int = 0) -> None:
        done = CliRunner().invoke(app, list(arguments), color=True)
        assert done.exit_code == code, (arguments, done.output)
        assert not {"\x1b", "\u202e", "\x9b"} & set(done.output), (arguments, done.output)

    said("ingest", "list", "list.jsonl", "-o", "set", "--name", EVIL, code=3)
    record = json.loads((tmp_path / "set" / "dataset.json").read_text())
    record["version"] = record["verb"] = EVIL
    record |= {"notes": [EVIL], "libraries": {EVIL: EVIL}, "parents": [{"name": EVIL, "version": EVIL}]}
    record["counts"] |= {"by_operator": {EVIL: 1}, "instructions": {EVIL: {EVIL: 1}}}
    (tmp_path / "set" / "dataset.json").write_text(json.dumps(record))
    said("info", "set")
    said("info", "set", "--json")
    said("log", "set")
    said("report", "set")
    said("filter", "set", "width > 0", "-o", "made")
    said("log", "made")
    said("diff", "set", "made")
    said("export", "set", "-o", "export", "--to", "list")
    said("info", f"no{EVIL}", code=1)
    pages = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.md")]
    assert len(pages) >= 4  # the report, and three cards
    for page in pages:
        text = page.read_text("utf-8")
        text = re.sub(
            r"\A---\n.*?\n---\n|```json\n.*?\n```", "", text, flags=re.DOTALL
        )  # the hub's YAML, code
        assert not re.search(r"<(script>alert|img src=x)", text), page


def test_no_unsafe_way_of_reading_is_used():
    """What could run code or climb out of a folder stands nowhere in the code."""
    unsafe = ("yaml.load(", "pickle.load", "allow_pickle=True", "weights_only=False", "extractall(", "eval(")
    unsafe += ("unpack_archive", "read_pickle", "trust_remote_code=True", "exec(", "joblib")
    rooms = ("datasets", "augment", "synth", "annotate", "curate", "recipes", "cli")
    for path in (path for room in rooms for path in (ROOT / room).rglob("*.py")):
        code = path.read_text("utf-8").replace(".eval()", "").replace("sql_eval(", "")
        for word in unsafe:
            assert f" {word}" not in code, f"{path}: {word}"
            assert f"({word}" not in code, f"{path}: {word}"
