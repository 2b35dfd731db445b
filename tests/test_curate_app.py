"""A curator's clicks in the real App become edits, and no others do; panel and operators work there."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from app_parts import annotate, browser_page, choose, drag, open_panel, opened_app, surroundings
from conftest import ROOT
from mongo_parts import mongod
from test_cli import COMMAND
from test_docs import commands

from facedata.datasets.dataset import Dataset
from facedata.datasets.sample import Sample

pytestmark = pytest.mark.slow

WALKED = "facedata-attacks"
NAMES = ("operators", "panel")
"""One more dataset in FiftyOne for each test that edits."""
PUSH = f"""
from pathlib import Path
from facedata.curate.fiftyone.push import push
for name in {NAMES}: push(Path("attacks"), name=name)
"""


def walk() -> list[list[str]]:
    """The commands of docs/curate.md, without `facedata`: the README may hold the same ones."""
    text = (ROOT / "docs" / "curate.md").read_text("utf-8")
    return [shlex.split(line)[1:] for line in commands(text)]


HELPERS = """
import json, os
import fiftyone as fo, fiftyone.operators as foo
def run(name, ids=(), **params):
    chosen = [one.id for one in ds if one.facedata_id in ids]
    ctx = {"dataset": ds, "selected": chosen}
    return foo.execute_operator("@facedata/curation/" + name, ctx=ctx, params=params).result
"""


@dataclass(frozen=True)
class Curation:
    """The dataset `attacks`, which was pushed under several names, and the App that shows it."""

    root: Path
    environment: dict[str, str]

    def facedata(self, *arguments, code=0) -> str:
        return self.run([*COMMAND, *arguments], code)

    def python(self, code: str, dataset: str = "") -> str:
        """Run Python beside FiftyOne, with one of its datasets as `ds`."""
        load = f"ds = fo.load_dataset({dataset!r})\n" if dataset else ""
        return self.run([sys.executable, "-c", HELPERS + load + code])

    def run(self, command, code=0) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def samples(self) -> list[Sample]:
        return list(Dataset.open(self.root / "attacks"))


@pytest.fixture(scope="module")
def curation(tmp_path_factory):
    """Four rendered faces, one of them a print, in a MongoDB of their own."""
    root = tmp_path_factory.mktemp("curation")
    with mongod(root / "mongo") as uri:
        made = Curation(root, surroundings(uri, root))
        made.facedata("ingest", "demo", "-o", "faces", "--identities", 2, "--pictures", 2, "--size", 96)
        sid = next(iter(Dataset.open(root / "faces"))).sample_id
        lines = ["sid,field,old,new", f"{sid},label,live,spoof", f"{sid},attack,,print/paper"]
        (root / "edits.csv").write_text("\n".join(lines) + "\n")
        made.facedata("edit", "faces", "edits.csv", "-o", "attacks")
        install, push, opened, *_ = walk()
        assert opened == ["curate", "open", "attacks"]  # which the fixture `app` does
        made.facedata(*install)
        made.facedata(*push)
        made.python(PUSH)
        yield made


@pytest.fixture(scope="module")
def app(curation):
    with opened_app(curation.environment, curation.root / "attacks") as url:
        yield url


@pytest.fixture(scope="module")
def page():
    with browser_page() as page:
        yield page


def edits(path) -> list[dict[str, str]]:
    """What a version's edits say, without the two that made `attacks`."""
    with (path / "curation" / "edits.csv").open(newline="") as file:
        return list(csv.DictReader(file))[2:]


def test_two_clicks_are_two_edits(curation, app, page):
    (spoof,) = [sample for sample in curation.samples if sample.label == "spoof"]
    smile = next(sample for sample in curation.samples if (sample.au or {}).get(12, 0) > 4)
    listed = curation.python("print(json.dumps(dict(zip(*ds.values(['facedata_id', 'id'])))))", WALKED)
    documents = json.loads(listed)

    modal = annotate(page, app, WALKED, documents[spoof.sample_id])
    choose(modal, "spoof", "live")
    modal = annotate(page, app, WALKED, documents[smile.sample_id])
    drag(modal, "au.AU12", 0.3)

    *_, pull, diff = walk()
    curation.facedata(*pull)
    made = {(one["sid"], one["field"]): one for one in edits(curation.root / "curated")}
    assert set(made) == {
        (spoof.sample_id, "label"),
        (spoof.sample_id, "attack"),  # follows from the label: no attack on a live face
        (smile.sample_id, "au.12"),
    }
    label, attack = (made[spoof.sample_id, field] for field in ("label", "attack"))
    assert (label["old"], label["new"]) == ("spoof", "live")
    assert (attack["old"], attack["new"]) == ("print/paper", "")
    dragged = made[smile.sample_id, "au.12"]
    assert float(dragged["old"]) == smile.au[12]
    assert float(dragged["new"]) == pytest.approx(1.5, abs=0.1)  # 0.3 of the range 0-5, to a pixel or two

    told = json.loads(curation.facedata(*diff, "--json", code=4))
    assert (told["unchanged"], told["relabelled"]["samples"]) == (2, 2)


def test_the_operators_run_in_a_process_without_a_browser(curation):
    first, second, third, fourth = (sample.sample_id for sample in curation.samples)
    code = f"""
os.mkdir("elsewhere")
os.chdir("elsewhere")  # as the App's server stands somewhere in FiftyOne
before = run("save_curation", output="not-made")
one = ds.match(fo.ViewField("facedata_id") == {third!r}).first()
one["expression"].label = "contempt"
one.save()
ds.delete_samples(ds.match(fo.ViewField("facedata_id") == {fourth!r}))
print(json.dumps({{
    "before": before,
    "saved": run("save_curation", author="ada", show=True),
    "augmented": run("augment_selected", [{first!r}, {second!r}], policy="print-photo", variants=3, seed=5),
    "annotated": run("reannotate_selected", [{second!r}], output="notes"),
    "occupied": run("reannotate_selected", [{second!r}], output="notes"),
    "unselected": run("augment_selected"),
    "shown": sorted(fo.list_datasets()),
}}))
fo.Dataset("stranger")
ds = fo.load_dataset("stranger")
print(json.dumps(run("save_curation")))
"""
    *_, told, stranger = curation.python(code, "operators").splitlines()
    told = json.loads(told)

    assert told["before"] == {"said": "Nothing was edited since the push.", "edits": 0}
    assert not (curation.root / "not-made").exists()

    assert list((curation.root / "elsewhere").iterdir()) == []
    saved = Dataset.open(told["saved"]["path"])
    assert saved.root == curation.root / "attacks-curated-1"
    assert saved.version == told["saved"]["version"]
    assert {(one["sid"], one["field"], one["new"], one["author"]) for one in edits(saved.root)} == {
        (third, "expression", "contempt", "ada"),
        (fourth, "deleted", "true", "ada"),
    }
    assert [sample.sample_id for sample in saved] == [first, second, third]
    assert "facedata-attacks-curated-1" in told["shown"]

    augmented = Dataset.open(told["augmented"]["path"])
    chosen = Dataset.open(told["augmented"]["selected"])
    assert [parent.version for parent in augmented.record.parents] == [chosen.version]
    assert augmented.record.seed == 5
    made = [sample for sample in augmented if sample.operator]
    assert len(made) == 6
    assert {sample.parent_id for sample in made} == {first, second}
    assert {sample.attack.partition("/")[0] for sample in made if sample.attack} == {"print"}

    annotated = Dataset.open(told["annotated"]["path"])
    assert [sample.sample_id for sample in annotated] == [second]
    assert annotated.record.counts.instructions == {"spoof-reason": {"accept": 1}}
    assert "notes" in told["occupied"]["error"]
    assert "no sample is selected" in told["unselected"]["error"]
    assert "facedata did not push" in json.loads(stranger)["error"]


def test_the_panel_counts_lists_and_saves(curation, app, page):
    happy = next(sample for sample in curation.samples if sample.expression == "happiness")
    code = f"""
one = ds.match(fo.ViewField("facedata_id") == {happy.sample_id!r}).first()
one["confidence"] = 0.25
one.save()
from facedata.curate.fiftyone.overview import overview
from facedata.curate.fiftyone.state import open_state
found = overview(fo, open_state(fo, "panel"), ds.match(fo.ViewField("label.label") == "live"))
print(json.dumps([[one.unit, one.coded, one.shows] for one in found.units]))
"""
    told = curation.python(code, "panel").splitlines()[-1]
    lives = [sample for sample in curation.samples if sample.label == "live"]
    assert json.loads(told) == [
        [unit, 3, sum((sample.au or {}).get(unit, 0) > 0 for sample in lives)] for unit in lives[0].au_domain
    ]

    panel = open_panel(page, app, "panel", "facedata")
    panel.get_by_text("4 samples, 1 touched since the push").wait_for()
    panel.get_by_text("low confidence").wait_for()
    panel.get_by_text("Action units coded").wait_for()
    rows = [row.inner_text().split() for row in panel.get_by_role("row").all()]
    assert rows == [
        ["asks", "for", "a", "look", "samples"],
        ["low", "confidence", "1"],
        ["samples", "share"],
        ["label", "live", "3", "75%"],
        ["spoof", "1", "25%"],
        ["attack", "(none)", "3", "75%"],
        ["print/paper", "1", "25%"],
        ["split", "(none)", "4", "100%"],
    ]

    panel.get_by_role("button", name="List edits").click()
    row = panel.get_by_role("row").filter(has_text=happy.sample_id[:12])
    row.wait_for()
    assert row.inner_text().split()[1:] == ["confidence", "0.25", "in", "FiftyOne"]

    panel.get_by_role("button", name="Save curation").click()
    form = page.get_by_role("dialog")
    form.get_by_role("textbox").first.fill("grace")
    form.get_by_role("textbox").last.fill(str(curation.root / "from-the-panel"))
    page.get_by_role("button", name="Execute").click()
    form.get_by_text("Saved 1 edits.").wait_for()
    (edit,) = edits(curation.root / "from-the-panel")
    assert (edit["sid"], edit["field"], edit["new"], edit["author"]) == (
        *(happy.sample_id, "confidence"),
        *("0.25", "grace"),
    )
