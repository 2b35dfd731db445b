"""`facedata audit` from end to end, on trees made on the spot."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import jpeg
from typer.testing import CliRunner
from version_trees import listed, make, samples

from facedata.cli.main import app
from facedata.curate.audit.catalogue import AUDITS


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["audit", *map(str, arguments)])
    assert done.exit_code == code, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


def told(*arguments, **options):
    return json.loads(run(*arguments, "--json", **options).stdout)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEDATA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def leaking(tmp_path):
    """Twelve pictures of four persons: ada stands in both splits, and one picture of bob under two labels."""
    folder = tmp_path / "in"
    lines = ["live,,ada,train,a", "live,,ada,test,a", "live,,bob,train,b", "spoof,print/inkjet,bob,train,b"]
    lines += [
        f"{'spoof' if n % 2 else 'live'},{'replay/lcd' if n % 2 else ''},p{n // 2},test,a" for n in range(8)
    ]
    made = listed(folder, "label,attack,subject,split,domain", lines, tmp_path / "first", variants=0)
    del made
    (folder / "3.jpg").write_bytes((folder / "2.jpg").read_bytes())
    return make(folder / "list.csv", tmp_path / "ds", variants=0)


def test_what_is_planted_is_found(leaking, tmp_path):
    out = tmp_path / "out"
    found = told(leaking, "-o", out)
    assert found == json.loads((out / "audit.json").read_text("utf-8"))
    audits = found["audits"]
    assert [audits[name]["verdict"] for name in ("exact-duplicates", "subject-leakage")] == ["fail", "fail"]
    by_file = {one.source.file: one.sample_id for one in samples(leaking)}
    (copies,) = audits["exact-duplicates"]["findings"]
    assert set(copies["samples"]) == {by_file["2.jpg"], by_file["3.jpg"]}
    (ada,) = audits["subject-leakage"]["findings"]
    assert set(ada["samples"]) == {by_file["0.jpg"], by_file["1.jpg"]}
    table = pq.read_table(out / "audit.parquet").to_pandas().set_index("sample_id")
    assert sorted(table.index) == sorted(by_file.values())
    assert set(table.index[table["subject-leakage.leaks"]]) == set(ada["samples"])
    assert table["picture-quality.side"].tolist() == [40.0] * 12
    assert found["embeddings"] == {"from": "plain", "width": 256, "missing": 0}


def test_a_second_run_reads_no_picture_and_says_the_same(leaking, tmp_path):
    first = told(leaking)
    for path in (leaking / "images").rglob("*.jpg"):
        path.write_bytes(b"gone")
    assert told(leaking) == first
    broken = told(leaking, "--no-cache")
    assert broken["audits"]["picture-quality"]["numbers"]["unreadable"] == 12
    assert broken["audits"]["near-duplicates"]["verdict"] == "skipped"
    assert "No picture could be read" in broken["audits"]["near-duplicates"]["said"]


def test_every_audit_is_told_in_a_line(leaking):
    lines = run(leaking).stdout.splitlines()
    assert [line.split()[1] for line in lines] == [audit.name for audit in AUDITS]
    assert {line.split()[0] for line in lines} <= {"pass", "warn", "fail", "skipped"}


def test_the_list_names_every_audit():
    done = run("--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [audit.name for audit in AUDITS]


def test_gates_end_with_four(leaking, tmp_path):
    done = run(leaking, "-o", tmp_path / "out", "--fail-on", "subject-leakage", code=4)
    assert "--fail-on subject-leakage: subject-leakage is fail" in done.stderr
    assert (tmp_path / "out" / "audit.json").is_file()  # what it found is written all the same
    run(leaking, "--fail-on", "any", code=4)
    run(leaking, "--only", "source-leakage", "--fail-on", "source-leakage")
    run(leaking, "--only", "unit-balance", "--fail-on", "any")
    run(leaking, "--only", "unit-balance", "--fail-on", "unit-balance", code=4)
    run(leaking, "--only", "near-duplicates", "--embedder", "none", "--fail-on", "near-duplicates", code=4)


def test_thresholds_are_set_and_said(leaking):
    found = told(leaking, "--only", "exact-duplicates", "--set", "exact-duplicates.fail=0.9")
    assert found["audits"]["exact-duplicates"]["thresholds"] == {"warn": 0.0, "fail": 0.9}
    near = told(leaking, "--only", "near-duplicates")["audits"]["near-duplicates"]
    assert near["thresholds"]["cosine"] == 0.95  # the embedder's own
    near = told(leaking, "--only", "near-duplicates", "--set", "near-duplicates.cosine=0.99")
    assert near["audits"]["near-duplicates"]["thresholds"]["cosine"] == 0.99


def test_given_embeddings_are_used(leaking, tmp_path):
    ids = [one.sample_id for one in samples(leaking)]
    vectors = np.eye(12, dtype=np.float32)
    vectors[7] = vectors[4] + 0.01
    np.savez(tmp_path / "e.npz", sample_id=ids[::-1], embeddings=vectors[::-1])
    found = told(leaking, "--embeddings", tmp_path / "e.npz", "--only", "near-duplicates")
    (pair,) = found["audits"]["near-duplicates"]["findings"]
    assert set(pair["samples"]) == {ids[4], ids[7]}
    assert found["embeddings"] == {"from": "e.npz", "width": 12, "missing": 0}
    assert "pictures" not in found  # nothing else was needed of them


def test_without_pictures_what_needs_them_is_skipped(leaking):
    for path in (leaking / "images").rglob("*.jpg"):
        path.unlink()
    audits = told(leaking, "--no-pictures")["audits"]
    assert audits["picture-quality"]["said"] == "Pictures were not opened (--no-pictures)."
    assert audits["near-duplicates"]["said"] == "There are no embeddings (--no-pictures); give --embeddings."
    assert audits["exact-duplicates"]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nonesuch"], "no audit is called nonesuch; there are exact-duplicates"),
        (["--fail-on", "nonesuch"], "no audit is called nonesuch"),
        (["--fail-on", "any=loud"], "'loud' is not fail or warn"),
        (["--set", "coverage"], "is not NAME.THRESHOLD=VALUE"),
        (["--set", "nonesuch.a=1"], "no audit is called nonesuch"),
        (["--set", "coverage.most=1"], "threshold coverage.most: .*; coverage has least"),
        (["--set", "coverage.least=0"], "threshold coverage.least: "),
        (["--embedder", "magic"], "no embedder is called 'magic'; there are plain"),
    ],
)
def test_wrong_words_are_named(leaking, arguments, words):
    done = run(leaking, *arguments, code=2)
    assert re.search(words, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1


def test_embeddings_of_another_dataset_are_refused(leaking, tmp_path):
    np.savez(tmp_path / "e.npz", sample_id=["x"], embeddings=np.ones((1, 3)))
    done = run(leaking, "--embeddings", tmp_path / "e.npz", code=2)
    assert "lacks 12 of 12 samples: " in done.stderr


def test_what_is_no_dataset_is_named(tmp_path):
    assert "is no folder" in run(tmp_path / "nothing", code=1).stderr


def test_a_dataset_that_says_nothing_is_skipped_or_passes(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "0.jpg").write_bytes(jpeg(3))
    made = make(tmp_path / "in", tmp_path / "ds", variants=0)
    audits = told(made)["audits"]
    found = {name: audit["verdict"] for name, audit in audits.items()}
    assert found.pop("picture-quality") == "fail"  # it is all of 48 x 40 pixels
    assert set(found.values()) <= {"pass", "skipped"}
    assert all(audit["said"] for audit in audits.values())


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.links, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        assert tag not in ("script", "link", "iframe")
        self.sources += [values["src"]] if "src" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.ids += [values["id"]] if "id" in values else []


def test_the_page_needs_nothing_beside_it(leaking, tmp_path):
    run(leaking, "--html", tmp_path / "deep" / "audit.html")
    text = (tmp_path / "deep" / "audit.html").read_text("utf-8")
    page = _Page()
    page.feed(text)
    assert page.sources
    assert all(one.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for one in page.sources)
    assert page.links == [f"#{audit.name}" for audit in AUDITS]
    assert set(page.links) == {f"#{one}" for one in page.ids}
    for sample in samples(leaking)[:1]:
        assert sample.sample_id in text or sample.sample_id[:12] in text


def test_the_page_says_names_as_they_are(tmp_path):
    lines = [f"{label},<b>&{{{{x}}}},{split}" for label in ("live", "spoof") for split in ("<i>", "test")]
    made = listed(tmp_path / "in", "label,subject,split", lines, tmp_path / "ds", variants=0)
    run(made, "--html", tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text("utf-8")
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;&amp;{{x}}" in text


def test_a_page_that_cannot_be_written_is_named(leaking, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(leaking, "--only", "coverage", "--html", tmp_path / "file" / "a.html", code=1)
    assert "choose another --html" in done.stderr
