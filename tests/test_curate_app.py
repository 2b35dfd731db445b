"""A curator's clicks in the real App become edits, and no others do."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from app_parts import annotate, app_server, browser_page, choose, drag, surroundings
from mongo_parts import mongod
from test_cli import COMMAND

from facedata.datasets.dataset import Dataset
from facedata.datasets.sample import Sample

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Curation:
    """A dataset that was pushed, and the App that shows it."""

    root: Path
    environment: dict[str, str]
    url: str
    name: str = "facedata-attacks"

    def facedata(self, *arguments, code=0) -> str:
        return facedata(*arguments, cwd=self.root, environment=self.environment, code=code)

    def python(self, code: str) -> str:
        """Run Python that has the pushed dataset as `ds`, in a process of its own."""
        head = f"import json, fiftyone as fo\nds = fo.load_dataset({self.name!r})\n"
        return run([sys.executable, "-c", head + code], self.root, self.environment)

    def document(self, sample_id: str) -> str:
        """The id that the database knows a sample by."""
        code = f"print(ds.match(fo.ViewField('facedata_id') == {sample_id!r}).first().id)"
        return self.python(code).split()[-1]

    def sample(self, condition) -> Sample:
        return next(filter(condition, Dataset.open(self.root / "attacks")))


def run(command, folder, environment, code=0) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def facedata(*arguments, cwd, environment, code=0) -> str:
    return run([*COMMAND, *arguments], cwd, environment, code)


@pytest.fixture(scope="module")
def curation(tmp_path_factory):
    """Four rendered faces, one of them a print, pushed to a MongoDB of their own and shown by the App."""
    root = tmp_path_factory.mktemp("curation")
    with mongod(root / "mongo") as uri:
        environment = surroundings(uri, root)
        for line in (
            "ingest demo -o faces --identities 2 --pictures 2 --size 96",
            "edit faces edits.csv -o attacks",
            "curate push attacks",
            "curate install-plugin",
        ):
            if line.startswith("edit"):
                sid = next(iter(Dataset.open(root / "faces"))).sample_id
                lines = ["sid,field,old,new", f"{sid},label,live,spoof", f"{sid},attack,,print/paper"]
                (root / "edits.csv").write_text("\n".join(lines) + "\n")
            facedata(*line.split(), cwd=root, environment=environment)
        with app_server(environment, root) as url:
            yield Curation(root, environment, url)


@pytest.fixture(scope="module")
def page():
    with browser_page() as page:
        yield page


def edits(path) -> list[dict[str, str]]:
    with (path / "curation" / "edits.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_clicks_are_two_edits(curation, page):
    spoof = curation.sample(lambda sample: sample.label == "spoof")
    smile = curation.sample(lambda sample: (sample.au or {}).get(12, 0) > 4)
    before = smile.au[12]

    modal = annotate(page, curation.url, curation.name, curation.document(spoof.sample_id))
    choose(modal, "spoof", "live")
    modal = annotate(page, curation.url, curation.name, curation.document(smile.sample_id))
    drag(modal, "au.AU12", 0.3)

    curation.facedata("curate", "pull", "attacks", "-o", "curated", "--author", "ada")
    made = {(one["sid"], one["field"]): one for one in edits(curation.root / "curated")[2:]}  # two were there
    assert set(made) == {
        (spoof.sample_id, "label"),
        (spoof.sample_id, "attack"),  # follows from the label: no attack on a live face
        (smile.sample_id, "au.12"),
    }
    label, attack = (made[spoof.sample_id, field] for field in ("label", "attack"))
    assert (label["old"], label["new"], label["author"]) == ("spoof", "live", "ada")
    assert (attack["old"], attack["new"]) == ("print/paper", "")
    dragged = made[smile.sample_id, "au.12"]
    assert float(dragged["old"]) == before
    assert float(dragged["new"]) == pytest.approx(1.5, abs=0.1)  # 0.3 of the range 0-5, to a pixel or two

    diff = json.loads(curation.facedata("diff", "attacks", "curated", "--json", code=4))
    assert diff["unchanged"] == 2
