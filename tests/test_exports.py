"""Exports hold what the dataset holds: bytes, columns, splits; and readers without facedata read them."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from known_faces import make_known
from PIL import Image

from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import DatasetError, TargetError, UsageError
from facedata.datasets.exports.base import Picks
from facedata.datasets.exports.catalogue import SAMPLE_KINDS, find_kind
from facedata.datasets.exports.run import EXPORT_NAME, export

UNITS = (4, 6, 12, 25)
NAMES = {"train": "train", "val": "val", "test: day 2": "test__day_2"}

# Reads exports in a process where facedata cannot be imported, and prints every row.
READER = """
import base64, json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "facedata":
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
try:
    import facedata
except ImportError:
    pass
else:
    raise SystemExit("facedata can be imported")
import datasets
def plain(value):
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
found = {}
for folder in sys.argv[2:]:
    splits = datasets.load_dataset(folder, cache_dir=sys.argv[1])
    features = {name: repr(kind) for name, kind in next(iter(splits.values())).features.items()}
    for name, kind in next(iter(splits.values())).features.items():
        if type(kind).__name__ != "Image":
            continue
        for rows in splits.values():
            for row in rows.select(range(1)):
                picture = row[name]
                assert picture is None or picture.size[0] >= 48
        splits = splits.cast_column(name, datasets.Image(decode=False))
    every = {split: [plain(row) for row in rows] for split, rows in splits.items()}
    found[folder] = {"features": features, "rows": every}
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return make_known(tmp_path_factory.mktemp("known") / "known")


@pytest.fixture(scope="module")
def exported(known, tmp_path_factory):
    """All kinds with the masks where they can have them, and what Hugging Face's library reads of three."""
    root = tmp_path_factory.mktemp("exports")
    for kind in SAMPLE_KINDS:
        choices = {"layers": "mask"} if "layers" in find_kind(kind).choices.model_fields else {}
        export(known, root / kind, kind, choices=choices)
    folders = [root / kind for kind in ("huggingface", "folder", "webdataset")]
    done = subprocess.run(
        [sys.executable, "-c", READER, root / "cache", *folders],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return root, {folder.name: json.loads(done.stdout)[str(folder)] for folder in folders}


def rows_of(known):
    """The dataset's rows by the split's name in the export, each in the order of their ids."""
    rows = {name: [] for name in NAMES.values()}
    for row in Dataset.open(known).rows():
        rows[NAMES[row["split"]]].append(row)
    return rows


def mask_of(known, row):
    found = [layer["ref"] for layer in row["layers"] if layer["name"] == "mask"]
    return (known / found[0]).read_bytes() if found else None


def struct_of(row):
    """The action units as an export has them, by hand."""
    if row["au"] is None:
        return None
    seen = {f"AU{pair['au']}": pair["intensity"] for pair in row["au"]}
    zeros = {f"AU{unit}": 0.0 for unit in row["au_domain"] or ()}
    return {**dict.fromkeys(f"AU{unit}" for unit in UNITS), **zeros, **seen}


def content_of(row):
    kept = {name: value for name, value in row.items() if name not in ("image", "layers")}
    return {**kept, "au": struct_of(row)}


def decoded(value):
    return None if value is None else base64.b64decode(value["bytes"])


def test_load_dataset_reads_every_column_and_byte_of_the_parquet_export(known, exported):
    found = exported[1]["huggingface"]
    expected = rows_of(known)
    assert {split: len(rows) for split, rows in found["rows"].items()} == {
        s: len(r) for s, r in expected.items()
    }
    assert found["features"]["label"] == "ClassLabel(names=['live', 'spoof'])"
    assert found["features"]["image"].startswith("Image(")
    assert "'AU12': Value('float64')" in found["features"]["au"]
    for split, rows in expected.items():
        for row, got in zip(rows, found["rows"][split], strict=True):
            assert decoded(got.pop("image")) == (known / row["image"]).read_bytes()
            assert decoded(got.pop("layer_mask")) == mask_of(known, row)
            label = {"live": 0, "spoof": 1, None: None}[row["label"]]
            assert got == {**content_of(row), "label": label}


def test_action_units_are_null_where_not_coded_and_zero_where_coded_and_absent(exported):
    rows = [row for split in exported[1]["huggingface"]["rows"].values() for row in split]
    by_frame = {row["source"]["frame"]: row["au"] for row in rows}
    assert by_frame[1] == {"AU4": 0.0, "AU6": 0.1, "AU12": 3.5, "AU25": None}
    assert by_frame[3] == {"AU4": None, "AU6": None, "AU12": None, "AU25": 5.0}
    assert by_frame[2] is None


def test_load_dataset_reads_the_webdataset_export(known, exported):
    found = exported[1]["webdataset"]["rows"]
    for split, rows in rows_of(known).items():
        for row, got in zip(rows, found[split], strict=True):
            suffix = row["image"].rpartition(".")[2]
            pictures = {name: decoded(got[name]) for name in ("jpg", "png", "webp")}
            blank = dict.fromkeys(pictures)
            assert pictures == {**blank, suffix: (known / row["image"]).read_bytes()}
            assert decoded(got["layer_mask.png"]) == mask_of(known, row)
            assert got["json"] == content_of(row)
            assert got["__key__"] == row["sample_id"]


def test_tar_members_carry_no_time_and_no_owner(known, exported):
    seen = {}
    for path in sorted((exported[0] / "webdataset" / "data").iterdir()):
        with tarfile.open(path) as file:
            for member in file:
                assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (
                    0,
                    0,
                    0,
                    "",
                    0o644,
                )
                seen[member.name] = file.extractfile(member).read()
    for row in Dataset.open(known).rows():
        suffix = row["image"].rpartition(".")[2]
        assert hashlib.sha256(seen.pop(f"{row['sample_id']}.{suffix}")).hexdigest() == row["content_hash"]
        assert json.loads(seen.pop(f"{row['sample_id']}.json")) == content_of(row)
    assert {name.partition(".")[2] for name in seen} == {"layer_mask.png"}


def test_load_dataset_reads_the_folder_export(known, exported):
    found = exported[1]["folder"]
    assert found["features"]["label"] == "ClassLabel(names=['live', 'spoof'])"
    for split, rows in rows_of(known).items():
        for row, got in zip(rows, found["rows"][split], strict=True):
            label = row["label"] or "unlabelled"
            path = Path(got.pop("image")["path"])
            assert path.parent == exported[0] / "folder" / split / label
            assert path.read_bytes() == (known / row["image"]).read_bytes()
            mask = got.pop("layer_mask")
            assert (mask and Path(mask["path"]).read_bytes()) == mask_of(known, row)
            assert got == {**content_of(row), "label": {"live": 0, "spoof": 1, None: None}[row["label"]]}


def test_plain_imagefolder_keeps_the_splits_apart(known, exported):
    """A loader that does not read the card finds each row in its own split, and nowhere else."""
    code = (
        "import sys, datasets\n"
        "folder = sys.argv[2] + '/train'\n"
        "rows = datasets.load_dataset('imagefolder', data_dir=folder, cache_dir=sys.argv[1])\n"
        "print(sorted(rows['train']['sample_id']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, exported[0] / "cache", exported[0] / "folder"],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(exported[0])},
    )
    assert done.stdout == f"{[row['sample_id'] for row in rows_of(known)['train']]}\n", done.stderr


def test_the_csv_of_the_folder_export_holds_every_column(known, exported):
    root = exported[0] / "folder"
    with (root / "samples.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    for row, line in zip(Dataset.open(known).rows(), lines, strict=True):
        name, mask = line.pop("file_name"), line.pop("layer_mask_file_name")
        label = row["label"] or "unlabelled"
        assert name.startswith(f"{NAMES[row['split']]}/{label}/g-nther-")
        assert (root / name).read_bytes() == (known / row["image"]).read_bytes()
        assert ((root / mask).read_bytes() if mask else None) == mask_of(known, row)
        for column, text in line.items():
            value = row[column]
            if value is None:
                assert text == ""
            elif isinstance(value, list | dict):
                assert json.loads(text) == value
            else:
                assert text == str(value)
    assert set(lines[0]) == set(content_of(row))


@pytest.mark.parametrize(("live", "spoof"), [("1", "0"), ("0", "1")])
def test_lists_state_their_convention_and_hold_each_labelled_picture(known, tmp_path, live, spoof):
    done = export(known, tmp_path / "out", "list", choices={"live": live})
    numbers = {"live": live, "spoof": spoof}
    listed = 0
    for split, rows in rows_of(known).items():
        lines = (tmp_path / "out" / f"{split}.txt").read_text().splitlines()
        labelled = [row for row in rows if row["label"]]
        assert [line.split(" ")[1] for line in lines] == [numbers[row["label"]] for row in labelled]
        for row, line in zip(labelled, lines, strict=True):
            assert (tmp_path / "out" / line.split(" ")[0]).read_bytes() == (known / row["image"]).read_bytes()
        listed += len(lines)
    assert listed == 10
    assert done.notes == [f"labels: live is {live}, spoof is {spoof}", "left out, without a label: 2"]
    assert f"labels: live is {live}, spoof is {spoof}" in (tmp_path / "out" / "README.md").read_text()


def test_csv_lists_refer_to_the_datasets_own_files(known, tmp_path):
    export(known, tmp_path / "out", "list", choices={"form": "csv", "pictures": "refer"})
    assert not (tmp_path / "out" / "images").exists()
    rows = {row["sample_id"]: row for row in Dataset.open(known).rows()}
    for path in (tmp_path / "out").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                row = rows[line["sample_id"]]
                assert (known / line["path"]).is_file()
                assert (line["subject"], line["attack"]) == (row["subject"], row["attack"] or "")
                assert (line["source_file"], line["frame"]) == (
                    row["source"]["file"],
                    str(row["source"]["frame"]),
                )


@pytest.mark.parametrize("kind", ["huggingface", "webdataset", "folder", "list"])
def test_equal_rows_give_equal_bytes_whatever_the_layout_and_the_place(known, exported, tmp_path, kind):
    other = make_known(tmp_path / "another name", layout="shards")
    choices = {"layers": "mask"} if kind != "list" else {}
    export(other, tmp_path / "out", kind, choices=choices)
    named = {"README.md", EXPORT_NAME}  # these tell names
    first, second = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in named}
        for root in (exported[0] / kind, tmp_path / "out")
    )
    assert first == second
    assert len(first) > 2


@pytest.mark.parametrize(("kind", "suffix"), [("huggingface", "parquet"), ("webdataset", "tar")])
def test_files_close_at_the_size_that_was_asked_for(tmp_path, kind, suffix):
    known = make_known(tmp_path / "known", count=5, split=False, noise=420)  # 0.53 MB each
    export(known, tmp_path / "out", kind, choices={"shard_mb": "1"})
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [path.name for path in files] == [f"train-{number:05d}.{suffix}" for number in range(3)]
    assert max(path.stat().st_size for path in files) < 1.3e6
    if kind == "huggingface":
        assert [pq.read_metadata(path).num_rows for path in files] == [2, 2, 1]


def test_row_groups_stay_small_where_pictures_are_large(tmp_path):
    known = make_known(tmp_path / "known", count=7, split=False, noise=1000)  # 3 MB each
    export(known, tmp_path / "out", "huggingface")
    metadata = pq.read_metadata(tmp_path / "out" / "data" / "train-00000.parquet")
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [3, 3, 1]


def test_one_split_is_exported_with_its_own_counts(known, tmp_path):
    done = export(known, tmp_path / "out", "huggingface", splits=["val"])
    assert done.rows == {"val": 4}
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert card.count("| val | 4 |") == 1
    assert "| train |" not in card
    record = json.loads((tmp_path / "out" / EXPORT_NAME).read_text())
    assert (record["splits"], record["rows"], record["dataset"]["version"]) == (["val"], 4, done.version)
    with pytest.raises(UsageError, match="no split 'dev'; it has test: day 2, train, val"):
        export(known, tmp_path / "other", "huggingface", splits=["dev"])


def test_rows_without_a_split_are_train_where_none_has_one(tmp_path):
    known = make_known(tmp_path / "known", split=False)
    assert export(known, tmp_path / "out", "huggingface").rows == {"train": 12}
    assert Picks(Dataset.open(known), ("none",)).counts.rows == 12
    assert len(list(Picks(Dataset.open(known), ("none",)).rows())) == 12


def test_the_card_is_the_hubs(exported):
    text = (exported[0] / "huggingface" / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    (config,) = front["configs"]
    assert config["data_files"] == [
        {"split": split, "path": f"data/{split}-*.parquet"} for split in sorted(NAMES.values())
    ]
    assert front["size_categories"] == ["n<1K"]


@pytest.mark.parametrize("kind", ["huggingface", "folder", "webdataset"])
def test_the_cards_example_runs(exported, kind, tmp_path):
    text = (exported[0] / kind / "README.md").read_text("utf-8")
    code = (
        text.split("```python\n")[1].split("```")[0].replace("path/to/this/folder", str(exported[0] / kind))
    )
    code += "\nprint(picture.size, label)\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
    )
    assert done.stdout.splitlines()[-1].startswith("(48, 40)"), done.stderr


@pytest.mark.parametrize(
    ("kind", "choices", "message"),
    [
        ("zip", {}, "no export 'zip'; there are huggingface, folder, webdataset, list"),
        ("folder", {"shard_mb": "3"}, "folder has no choice 'shard_mb'; there are: layers"),
        ("huggingface", {"shard_mb": "0"}, "--choose shard_mb=0: input should be greater than or equal to 1"),
        ("huggingface", {"layers": "depth"}, "has no layer 'depth'; it has mask"),
        ("list", {"live": "2"}, "--choose live=2: input should be '1' or '0'"),
    ],
)
def test_choices_that_cannot_be_are_told(known, tmp_path, kind, choices, message):
    with pytest.raises(UsageError) as error:
        export(known, tmp_path / "out", kind, choices=choices)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_lists_cannot_refer_into_shards(tmp_path):
    known = make_known(tmp_path / "known", layout="shards")
    with pytest.raises(UsageError, match="keeps its pictures in shards"):
        export(known, tmp_path / "out", "list", choices={"pictures": "refer"})


def test_a_changed_or_missing_picture_ends_the_export_and_leaves_nothing(tmp_path):
    known = make_known(tmp_path / "known")
    (victim, *_) = sorted((known / "images" / "live").iterdir())
    Image.fromarray(np.zeros((40, 48, 3), np.uint8)).save(victim)
    with pytest.raises(DatasetError, match="was changed since its row was written"):
        export(known, tmp_path / "out", "huggingface")
    victim.unlink()
    with pytest.raises(DatasetError, match="is missing"):
        export(known, tmp_path / "out", "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known"]


def test_an_export_replaces_an_export_and_nothing_else(known, tmp_path):
    target = tmp_path / "out"
    export(known, target, "folder")
    with pytest.raises(TargetError, match="already holds an export"):
        export(known, target, "list")
    export(known, target, "list", overwrite=True)
    assert not (target / "samples.csv").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(TargetError, match="other things in it"):
        export(known, tmp_path / "mine", "list", overwrite=True)
    with pytest.raises(UsageError, match="is the input"):
        export(known, known, "list", overwrite=True)
    other = make_known(tmp_path / "other")
    with pytest.raises(TargetError, match="is a dataset"):
        export(known, other, "list", overwrite=True)


def test_what_a_killed_export_left_is_cleared_away(known, tmp_path):
    (tmp_path / ".out.partial" / "dataset" / "data").mkdir(parents=True)
    (tmp_path / ".out.partial" / "dataset" / "data" / "train-00009.parquet").touch()
    export(known, tmp_path / "out", "huggingface")
    assert not list((tmp_path / "out").rglob("train-00009.parquet"))
    assert not (tmp_path / ".out.partial").exists()
    (tmp_path / ".begun.partial").mkdir()
    (tmp_path / ".begun.partial" / "plan").touch()
    with pytest.raises(TargetError, match="was begun as a dataset"):
        export(known, tmp_path / "begun", "list")


@pytest.mark.parametrize("kind", ["huggingface", "webdataset", "folder", "list"])
def test_a_target_that_takes_no_more_is_one_line_and_leaves_nothing(tmp_path, kind):
    """A limit on the size of files stands for a full disk: writing fails midway, as it does there."""
    known = make_known(tmp_path / "known", count=3, split=False, noise=100)  # 30 kB each
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from facedata.datasets.errors import TargetError\n"
        "from facedata.datasets.exports.run import export\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: export(sys.argv[1], Path(sys.argv[2]), sys.argv[3])\n"
        "except TargetError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, known, tmp_path / "out", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"cannot write {tmp_path / 'out'}: "), done.stderr
    assert "File too large" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["known"]
