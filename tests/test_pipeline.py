"""The DVC pipeline, run by DVC itself: what it makes, what it makes again, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from test_cli import facedata
from test_docs import commands

from facedata.augment.policy import load_policy
from facedata.cli.merge import merge
from facedata.curate.metrics import PLOTS
from facedata.curate.pipeline import lay_out, pipeline_files
from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import Dataset
from facedata.datasets.demo import demo_face
from facedata.datasets.errors import TargetError, UsageError
from facedata.datasets.pictures import Encoding
from facedata.datasets.validate import validate

DEMO_FILES = {"dvc.yaml", "params.yaml", "edits.csv"}
BRANCHES = ("augment@print", "augment@replay", "augment@soft")
BELOW = ["merge", "edit", "split", "report", "export", "annotate", "export-instructions"]


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "project", tmp_path)


class Bench:
    """A project in which `facedata` runs this code, and DVC and git know nothing of the user."""

    def __init__(self, root: Path, home: Path) -> None:
        command = home / "bin" / "facedata"
        command.parent.mkdir()
        run = "from facedata.cli.main import run; run()"
        command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{run}' \"$@\"\n")
        command.chmod(0o755)
        self.root = root
        kept = {name: value for name, value in os.environ.items() if name != "FACEDATA_CACHE"}
        self.environment = {
            **kept,
            "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(home / "site"),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        root.mkdir()

    def run(self, *command, code=0):
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def dvc(self, *arguments, code=0):
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def repro(self, *arguments):
        """Run `dvc repro` and return which stages ran, in their order, and what they said."""
        said = self.dvc("repro", *arguments)
        return re.findall(r"Running stage '(.+)'", said), said

    def params(self, change):
        path = self.root / "params.yaml"
        values = yaml.safe_load(path.read_text())
        change(values)
        path.write_text(yaml.safe_dump(values))


def test_the_pipeline_at_the_root_is_the_one_that_init_writes(tmp_path):
    for name in DEMO_FILES:
        assert (ROOT / name).read_text("utf-8") == pipeline_files("demo")[name]
    (tmp_path / ".git").mkdir()
    lay_out(tmp_path, "demo")
    for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore"):
        assert (ROOT / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8")


@pytest.mark.slow
def test_the_demo_pipeline_makes_everything_once_and_then_what_changed(bench):
    bench.run("git", "init", "-q")
    bench.run("facedata", "init", ".", "--from", "demo")
    small = {"identities": 5, "pictures": 1, "size": 96}
    bench.params(lambda values: values["ingest"].update(small))

    ran, said = bench.repro()
    assert ran[0] == "ingest"
    assert sorted(ran[1:4]) == list(BRANCHES)
    assert sorted(ran[4:]) == sorted(BELOW)
    assert said.count("(0 from the cache)") == 3
    dataset = Dataset.open(bench.root / "data/dataset")
    assert len(dataset) == 5 + 5 * (2 + 2 + 1)
    assert set(dataset.record.counts.by_split) == {"train", "val", "test"}
    assert validate(bench.root / "data/dataset").findings == []
    exported = pq.ParquetDataset(bench.root / "data/export/data").read(["sample_id"])
    assert set(exported["sample_id"].to_pylist()) == {sample.sample_id for sample in dataset}

    assert validate(bench.root / "data/instructions").findings == []
    assert (bench.root / "data/instructions-export/train.json").is_file()

    lock = (bench.root / "dvc.lock").read_bytes()
    ran, said = bench.repro()
    assert (ran, "Data and pipelines are up to date" in said) == ([], True)
    assert (bench.root / "dvc.lock").read_bytes() == lock

    bench.run("git", "add", ".")
    bench.run("git", "commit", "-qm", "first")
    bench.params(lambda values: values["policies"]["soft"].update(variants=2))
    ran, said = bench.repro()
    assert ran[:2] == ["augment@soft", "merge"]
    assert sorted(ran[1:]) == sorted(BELOW)
    assert "made 10 variants (5 from the cache)" in said

    changed = json.loads(bench.dvc("metrics", "diff", "--json"))["reports/metrics.json"]
    assert changed["rows"] == {"old": 30, "new": 35, "diff": 5}
    assert "by_attack.print/inkjet" not in changed
    bench.dvc("plots", "diff", "-o", "shown")
    for name in PLOTS:
        sizes = []
        for revision in ("HEAD", "workspace"):
            with Image.open(bench.root / "shown/static" / f"{revision}_reports_plots_{name}") as picture:
                picture.load()
                sizes.append(picture.size)
        assert min(sizes[0]) > 100
    page = (bench.root / "shown/index.html").read_text("utf-8")
    assert "<script" not in page, "a page that loads scripts needs the internet"


@pytest.mark.slow
def test_two_projects_make_the_same_instructions_bit_for_bit(tmp_path):
    """From nothing, in two places: no output, no cache and no journal of the one is there for the other."""
    made = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        project = Bench(tmp_path / name / "project", tmp_path / name)
        project.run("facedata", "init", ".", "--from", "demo")

        def small(values):
            values["ingest"].update(identities=5, pictures=1, size=64)
            values["policies"] = {"soft": values["policies"]["soft"]}

        project.params(small)
        ran, _ = project.repro("export-instructions")
        assert ran[-2:] == ["annotate", "export-instructions"]
        data = project.root / "data"
        files = sorted(path for path in data.rglob("*") if path.is_file() and path.name != ".gitignore")
        hashes = {str(path.relative_to(data)): content_hash(path.read_bytes()) for path in files}
        made.append(
            (Dataset.open(data / "instructions").version, hashes, (project.root / "dvc.lock").read_bytes())
        )
    (version, hashes, lock), again = made[0], made[1]
    assert version == again[0]
    assert {"instructions/instructions.parquet", "instructions-export/train.json"} <= hashes.keys()
    assert hashes == again[1]
    assert lock == again[2]  # DVC's own hashes of every stage


@pytest.mark.slow
def test_one_more_picture_makes_its_own_variants_and_a_policy_that_goes_leaves_nothing(bench):
    """Without git, on a folder of the user's own, with one picture that cannot be read."""
    faces = bench.root / "faces"
    faces.mkdir()
    for person in range(3):
        (faces / f"ada-{person}.jpg").write_bytes(rendered(person))
    (faces / "broken.jpg").write_bytes(b"no picture")
    (bench.root / "README.md").write_text("mine")
    assert "no git here" in bench.run("facedata", "init", ".")
    assert (bench.root / "README.md").read_text() == "mine"

    def two_light_policies(values):
        soft = values["policies"]["soft"]
        values["policies"] = {"soft": soft, "softer": {**soft, "seed": 4, "variants": 2}}

    bench.params(two_light_policies)
    ran, said = bench.repro("merge")
    # DVC may take the branches in either order
    assert [ran[0], *sorted(ran[1:3]), *ran[3:]] == ["ingest", "augment@soft", "augment@softer", "merge"]
    assert "made 3 variants (0 from the cache)" in said
    assert "made 6 variants (0 from the cache)" in said
    assert len(Dataset.open(bench.root / "data/merged")) == 3 + 3 + 6
    assert len(Dataset.open(bench.root / "data/faces").record.failures) == 1

    (faces / "new.jpg").write_bytes(rendered(3))
    bench.params(lambda values: values["policies"].pop("softer"))
    ran, said = bench.repro("merge")
    assert ran == ["ingest", "augment@soft", "merge"]
    assert "made 4 variants (3 from the cache)" in said
    assert (bench.root / "data/variants/softer").is_dir()  # DVC leaves what no stage makes any more
    assert len(Dataset.open(bench.root / "data/merged")) == 4 + 4


def rendered(person):
    return Encoding("jpeg", 95).encode(demo_face(person, 0, 96, 0).image)


def test_the_commands_of_the_page_run(tmp_path):
    lines = commands((ROOT / "docs" / "pipeline.md").read_text("utf-8"))
    for line in lines:
        facedata(*line.split()[1:], cwd=tmp_path)
    assert (tmp_path / "demo" / "dvc.yaml").read_bytes() == (ROOT / "dvc.yaml").read_bytes()
    assert "path: faces" in (tmp_path / "mine" / "params.yaml").read_text()


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "params.yaml").write_text("mine: 1\n")
    (tmp_path / "edits.csv").write_text("sid\n")
    done = facedata("init", ".", cwd=tmp_path, code=1)
    assert "has edits.csv, params.yaml already, which init does not overwrite" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edits.csv", "params.yaml"]
    assert (tmp_path / "params.yaml").read_text() == "mine: 1\n"


def test_init_goes_on_where_it_was_stopped(tmp_path):
    whole = lay_out(tmp_path / "whole", "demo").written
    (tmp_path / "stopped" / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", "README.md", ".dvc/.gitignore"):
        (tmp_path / "stopped" / name).write_bytes((tmp_path / "whole" / name).read_bytes())
    lay_out(tmp_path / "stopped", "demo")
    for name in (*whole, ".gitignore", ".dvcignore"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(TargetError, match="which init does not overwrite"):
        lay_out(tmp_path / "stopped", "demo")


def test_init_adds_lines_to_ignore_files_once(tmp_path):
    (tmp_path / ".gitignore").write_text("*.pyc\n.venv/")
    done = lay_out(tmp_path, "folder", "faces")
    lines = (tmp_path / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["*.pyc", ".venv/"]
    assert len(lines) == len(set(lines)) == 6
    assert done.added_to == (".gitignore", ".dvcignore")


@pytest.mark.parametrize(("kind", "path"), [("folder", "my faces: live"), ("list", "lists/all.csv")])
def test_a_pipeline_for_ones_own_data_reads_where_it_is_told(kind, path):
    files = pipeline_files(kind, path)
    params, stages = yaml.safe_load(files["params.yaml"]), yaml.safe_load(files["dvc.yaml"])["stages"]
    assert params["source"] == {"kind": kind, "path": path}
    assert stages["ingest"]["deps"] == ["${source.path}"]
    assert ("label" in params["ingest"]) == (kind == "folder")
    demo = yaml.safe_load(pipeline_files("demo")["dvc.yaml"])["stages"]
    assert {name: stage for name, stage in stages.items() if name != "ingest"} == {
        name: stage for name, stage in demo.items() if name != "ingest"
    }


def test_paths_that_cannot_be_are_told(tmp_path):
    with pytest.raises(UsageError, match="takes no path"):
        pipeline_files("demo", "faces")
    with pytest.raises(UsageError, match="holds a character"):
        pipeline_files("folder", "it's mine")
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match="is a file"):
        lay_out(tmp_path / "file", "demo")


@pytest.mark.parametrize(
    ("each", "pattern", "message"),
    [
        ("p.yaml:policy", "x/{}", "p.yaml has no 'policy' there; it has policies, empty"),
        ("p.yaml:policies.a.b", "x/{}", "p.yaml: policies: a has no 'b' there; it has nothing"),
        ("p.yaml:empty", "x/{}", "names nothing; it takes a mapping or a list"),
        ("p.yaml:policies", "x", "write one such as variants/{}"),
        ("nowhere.yaml:a", "x/{}", "file nowhere.yaml cannot be read"),
        ("p.yaml", "x/{}", "'p.yaml' is not of the form FILE.yaml:KEY"),
    ],
)
def test_branches_that_cannot_be_named_are_told(tmp_path, monkeypatch, each, pattern, message):
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text("policies: {a: 1}\nempty: {}\n")
    with pytest.raises(UsageError) as error:
        merge([Path("y"), Path(pattern)], Path("out"), each=each)
    assert message in str(error.value)


def test_a_policy_may_stand_under_a_key_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = {"name": "own", "chains": [{"steps": [{"operator": "low-resolution"}]}]}
    Path("p.yaml").write_text(
        yaml.safe_dump({"policies": {"mine": own, "stock": "capture", "file": "x.yaml"}})
    )
    assert load_policy("p.yaml:policies.mine").name == "own"
    assert load_policy("p.yaml:policies.stock") == load_policy("capture")
    with pytest.raises(UsageError, match=r"is 'x\.yaml', which is no policy; write one there"):
        load_policy("p.yaml:policies.file")
    with pytest.raises(UsageError, match=r"p\.yaml:policies: name: field required"):
        load_policy("p.yaml:policies")
