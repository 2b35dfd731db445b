"""`facedata eval` on datasets and tables: parts, protocols, files and bad input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from test_cli import facedata
from typer.testing import CliRunner
from version_trees import listed

from facedata.annotate.score.bootstrap import Draws
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import FacedataError, SourceError, UsageError
from facedata.recipes.metrics.predictions import Predictions, read_predictions
from facedata.recipes.metrics.run import Evaluating, evaluate

FEW = Draws(50)
COLUMNS = "label,attack,subject,domain,split"
# By place in the list: what it is, and its score. val: FAR = FRR = 0 between 0.4 and 0.6.
ROWS = [
    ("live,,ann,a,train", 0.9),
    ("spoof,print,ann,a,train", 0.1),
    ("live,,bob,a,val", 0.8),
    ("live,,bob,a,val", 0.6),
    ("spoof,print,bob,a,val", 0.4),
    ("spoof,replay,bob,a,val", 0.2),
    ("live,,cleo,b,test", 0.7),
    ("live,,dan,b,test", 0.3),
    ("spoof,print,cleo,b,test", 0.1),
    ("spoof,replay,dan,b,test", 0.65),
    ("spoof,replay,dan,c,test", 0.2),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("eval")
    return listed(root / "pictures", COLUMNS, [row for row, _ in ROWS], root / "ds", variants=0)


@pytest.fixture(scope="module")
def ids(made) -> list[str]:
    """The sample ids by place in the list."""
    by_file = {int(Path(one.source.file).stem): one.sample_id for one in Dataset.open(made)}
    return [by_file[number] for number in range(len(ROWS))]


@pytest.fixture
def scores(tmp_path, ids) -> Path:
    return write(tmp_path / "scores.csv", [(one, score) for one, (_, score) in zip(ids, ROWS, strict=True)])


def write(path: Path, rows: list[tuple], columns: str = "sample_id,score") -> Path:
    path.write_text("\n".join([columns, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_dataset_by_hand(made, scores):
    found = evaluate(made, scores, Evaluating(draws=FEW)).to_json()
    assert found["threshold"]["value"] == 0.5
    assert found["threshold"]["origin"] == "source-dev"
    assert found["threshold"]["chosen_on"] == f"val rows of {made} (2 bona fide, 2 attacks)"
    assert (found["bona_fide"], found["attacks"], found["subjects"]) == (2, 3, 2)
    assert found["bpcer"]["value"] == 0.5  # dan
    assert {name: one["value"] for name, one in found["apcer"].items()} == {"print": 0, "replay": 0.5}
    assert found["apcer_worst"] == "replay"
    assert found["hter"]["value"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert found["acer"]["value"] == 0.5
    assert found["domains"]["b"]["apcer"]["replay"] | {"low": 0, "high": 0} == {
        "attacks": 1,
        "value": 1.0,
        "low": 0,
        "high": 0,
    }
    assert found["domains"]["c"]["bpcer"]["value"] is None
    assert any("domain c has one class only" in note for note in found["notes"])
    assert (found["bpnrr"], found["apnrr"]) == (0, 0)
    assert "video" not in found  # every file has one picture
    assert any("2 scores are of rows that are neither tested" in note for note in found["notes"])


def test_the_origin_of_a_threshold_is_told_in_every_form(made, scores, tmp_path):
    for rule, origin in (("best-on-test", "best-on-test"), ("0.5", "given"), ("dev-apcer-5", "source-dev")):
        found = evaluate(made, scores, Evaluating(threshold=rule, draws=FEW))
        assert found.to_json()["threshold"]["origin"] == origin
        assert origin in found.to_markdown()
        shown = CliRunner().invoke(app, ["eval", str(made), "--scores", str(scores), "--threshold", rule])
        assert shown.exit_code == 0
        assert origin in shown.stdout
    assert (
        "errors at it are too low"
        in evaluate(made, scores, Evaluating(threshold="best-on-test", draws=FEW)).to_markdown()
    )


def test_the_command_writes_a_report_and_pictures(made, scores, tmp_path):
    said = facedata(
        "eval", made, "--scores", scores, "-o", "out", "--draws", 20, "--json", cwd=tmp_path
    ).stdout
    found = json.loads(said)
    out = tmp_path / "out"
    assert json.loads((out / "metrics.json").read_text()) == found
    assert found["bootstrap"] == {"draws": 20, "seed": 0, "level": 0.95}
    report = (out / "metrics.md").read_text()
    for name in ("det-frame.png", "attacks-frame.png"):
        assert f"]({name})" in report
        with Image.open(out / name) as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 20
    assert "41.67" in report  # HTER
    assert all(f"- {note}" in report for note in found["notes"])
    assert {"metrics.md", "metrics.json", "det-frame.png", "attacks-frame.png"} == set(
        path.name for path in out.iterdir()
    )


def test_a_development_set_of_another_dataset(made, scores, ids, tmp_path):
    # equal pictures at equal places have equal ids, so those of the first dataset come first, unlabelled
    lines = [",,eve,z,"] * len(ROWS) + ["live,,eve,z,", "spoof,print,eve,z,"]
    other = listed(tmp_path / "others", COLUMNS, lines, tmp_path / "other", variants=0)
    there = {Path(one.source.file).stem: one.sample_id for one in Dataset.open(other)}
    rows = [(there["11"], 0.35), (there["12"], 0.15)]
    apart = write(tmp_path / "dev.csv", rows)
    found = evaluate(made, scores, Evaluating(dev=other, dev_scores=apart, draws=FEW)).to_json()
    assert found["threshold"]["value"] == 0.25
    assert str(other) in found["threshold"]["chosen_on"]
    together = write(tmp_path / "all.csv", [*rows, *zip(ids, (s for _, s in ROWS), strict=True)])
    assert evaluate(made, together, Evaluating(dev=other, draws=FEW)).to_json() == {
        **found,
        "evaluated": found["evaluated"].replace("scores.csv", "all.csv"),
    }
    with pytest.raises(UsageError, match=r"so does --threshold 0\.5"):
        evaluate(made, scores, Evaluating(dev=other, threshold="0.5"))


def test_people_in_both_sets_are_told_of(made, scores):
    found = evaluate(made, scores, Evaluating(split="val", dev_split="test", draws=FEW))
    assert not [note for note in found.folds[""].notes if "was chosen on too" in note]
    same = evaluate(made, scores, Evaluating(split="val", dev_split="val", draws=FEW))
    assert [note for note in same.folds[""].notes if "1 subjects or files are tested" in note]


def test_a_table_that_stands_alone(tmp_path):
    rows = [
        ("v1", 0.9, "live", "", "x", "a"),
        ("v2", 0.5, "live", "", "x", "a"),
        ("v3", 0.1, "live", "", "y", "b"),
    ]
    rows += [("v4", 0.2, "spoof", "mask", "x", "c"), ("v5", 0.6, "spoof", "", "y", "d")]
    path = write(tmp_path / "t.csv", rows, "sample_id,score,label,attack,subject,clip")
    found = evaluate(path, None, Evaluating(threshold="0.55", draws=FEW)).to_json()
    assert {name: one["value"] for name, one in found["apcer"].items()} == {"mask": 0, "unnamed": 1}
    assert found["bpcer"]["value"] == pytest.approx(2 / 3)
    assert found["video"]["bona_fide"] == 2  # v1 and v2 are one clip, of score 0.7
    assert found["video"]["bpcer"]["value"] == 0.5
    with pytest.raises(UsageError, match="leave out --scores"):
        evaluate(path, path)


def test_what_is_made_of_a_picture_is_no_frame_of_its_clip(tmp_path):
    lines = [f"{label},,s{number},a," for number, label in enumerate(["live", "spoof"] * 2)]
    made = listed(tmp_path / "p", COLUMNS, lines, tmp_path / "ds", variants=2)
    rows = list(Dataset.open(made))
    path = write(tmp_path / "s.csv", [(one.sample_id, 0.5) for one in rows])
    found = evaluate(made, path, Evaluating(threshold="0.5", draws=FEW)).to_json()
    assert len(rows) == 12
    assert "video" not in found
    assert found["subjects"] == 4


def ocim_rows() -> list[tuple[str, float]]:
    """Of each domain two people, live and printed, in val; MSU-MFSD's first person is read wrongly."""
    rows = []
    for domain in ("oulu-npu", "casia-fasd", "replay-attack", "msu-mfsd"):
        for person in (1, 2):
            wrong = domain == "msu-mfsd" and person == 1
            rows.append((f"live,,{domain}{person},{domain},val", 0.1 if wrong else 0.8))
            rows.append((f"spoof,print,{domain}{person},{domain},val", 0.3))
    return rows


def test_leave_one_domain_out(tmp_path):
    lines = ocim_rows()
    made = listed(tmp_path / "p", COLUMNS, [row for row, _ in lines], tmp_path / "ds", variants=0)
    of = {int(Path(one.source.file).stem): one for one in Dataset.open(made)}
    rows = [(of[number].sample_id, score) for number, (_, score) in enumerate(lines)]
    plain = evaluate(made, write(tmp_path / "s.csv", rows), Evaluating(protocol="ocim", draws=FEW))
    assert list(plain.folds) == ["ocim-c", "ocim-i", "ocim-m", "ocim-o"]
    hter = {name: one.levels[0].rates.at["hter"].value for name, one in plain.folds.items()}
    assert hter == {"ocim-c": 0, "ocim-i": 0, "ocim-m": 0.25, "ocim-o": 0}
    assert plain.mean()["hter"] == 0.0625
    assert any("the scores name no folds" in note for note in plain.notes)
    counts = plain.folds["ocim-m"].levels[0].threshold.of
    assert counts == "val rows of the source domains of ocim-m (6 bona fide, 6 attacks)"
    # each fold's model gives its own scores; here that of ocim-c takes everything for live
    folds = [(one, 0.9 if fold == "ocim-c" else score, fold) for one, score in rows for fold in plain.folds]
    path = write(tmp_path / "f.csv", folds, "sample_id,score,fold")
    found = evaluate(made, path, Evaluating(protocol="ocim", draws=FEW))
    assert found.folds["ocim-c"].levels[0].rates.at["hter"].value == 0.5
    assert found.folds["ocim-m"].levels[0].rates.at["hter"].value == 0.25
    assert not found.notes
    assert found.to_json()["mean"]["frame"]["hter"] == (0.5 + 0.25) / 4
    assert {path.name for path in found.write(tmp_path / "out")} >= {"det-ocim-c-frame.png", "metrics.md"}
    for bad, rows_of in (
        ("has no scores of the fold ocim-i", [row for row in folds if row[2] != "ocim-i"]),
        ("has the fold other", [*folds, (rows[0][0], 0.5, "other")]),
    ):
        with pytest.raises(FacedataError, match=bad):
            evaluate(
                made, write(tmp_path / "b.csv", rows_of, "sample_id,score,fold"), Evaluating(protocol="ocim")
            )
    with pytest.raises(UsageError, match="say which protocol"):
        evaluate(made, path)


def test_scores_may_say_their_own_split(tmp_path):
    lines = ocim_rows()
    made = listed(tmp_path / "p", COLUMNS, [row for row, _ in lines], tmp_path / "ds", variants=0)
    of = {int(Path(one.source.file).stem): one for one in Dataset.open(made)}
    held = lambda n: "val" if of[n].subject.endswith("1") else "train"  # noqa: E731
    rows = [(of[number].sample_id, score, held(number)) for number, (_, score) in enumerate(lines)]
    path = write(tmp_path / "s.csv", rows, "sample_id,score,split")
    found = evaluate(made, path, Evaluating(protocol="ocim-o", draws=FEW))
    of_dev = found.folds["ocim-o"].levels[0].threshold.of
    assert of_dev == "val rows of the source domains of ocim-o (3 bona fide, 3 attacks)"


def test_the_commands_of_the_metrics_page_run(made, scores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("splits").symlink_to(made)
    lines = ocim_rows()
    whole = listed(tmp_path / "p", COLUMNS, [row for row, _ in lines], tmp_path / "all", variants=0)
    Predictions.of_scores(
        [one.sample_id for one in Dataset.open(whole)], np.linspace(0, 1, len(lines))
    ).write(Path("scores.parquet"))
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    ran = re.findall(r"^\$ facedata ([^#\n]+)", text, re.MULTILINE)
    assert len(ran) == 4
    for line in ran:
        done = CliRunner().invoke(app, [*line.split(), "--draws", "20"])
        assert done.exit_code == 0, f"{line}\n{done.output}"
    assert Path("metrics/metrics.md").is_file()
    assert Path("ocim/metrics.json").is_file()


def test_a_protocol_without_its_domains(made, scores):
    with pytest.raises(UsageError, match=r"needs rows of the domain 'oulu-npu'; .* has a, b, c"):
        evaluate(made, scores, Evaluating(protocol="ocim"))


def without_val(rows):
    return [row for row, (told, _) in zip(rows, ROWS, strict=True) if "val" not in told]


def only(word):
    return lambda rows: [
        row for row, (told, _) in zip(rows, ROWS, strict=True) if word in told or "val" in told
    ]


BAD = {
    "unknown": (
        lambda rows: [*rows, ("nobody", 0.5)],
        [],
        1,
        r"1 of 12 samples are not in .* \(first 'nobody'\)",
    ),
    "NaN": (
        lambda rows: [*rows[:-1], (rows[-1][0], "nan")],
        [],
        1,
        "scores.csv:12: score of .* no finite number",
    ),
    "empty": (lambda rows: [*rows[:-1], (rows[-1][0], "")], [], 1, "scores.csv:12: score of .* is empty"),
    "a word": (lambda rows: [*rows[:-1], (rows[-1][0], "high")], [], 1, "is 'high', which is no number"),
    "twice": (lambda rows: [*rows, rows[3]], [], 1, r"scores.csv:13: .* stands at scores.csv:5 already"),
    "no dev": (without_val, [], 2, "no development set .* --threshold best-on-test, which flatters"),
    "unscored": (lambda rows: rows[:-1], [], 1, "1 of 5 test rows of .* have no score .*--leave-missing"),
    "attacks alone": (only("spoof"), ["--leave-missing"], 1, r"no bona fide \(live\) sample has a score"),
    "live alone": (only("live"), ["--leave-missing"], 1, r"no attack \(spoof\) sample has a score"),
    "no such split": (list, ["--split", "final"], 2, "no rows of the split 'final'; it has"),
    "no such rule": (list, ["--threshold", "eer"], 2, "--threshold 'eer' is not dev-eer"),
    "no such protocol": (list, ["--protocol", "ocean"], 2, "no protocol 'ocean'"),
    "no rows": (lambda rows: [], [], 1, "has no rows"),
    "no such dev": (list, ["--dev", "nowhere"], 1, "nowhere is no folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named_with_its_mend(name, made, ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change, options, code, words = BAD[name]
    rows = [(one, score) for one, (_, score) in zip(ids, ROWS, strict=True)]
    write(tmp_path / "scores.csv", change(rows))
    done = CliRunner().invoke(app, ["eval", str(made), "--scores", "scores.csv", *options])
    assert done.exit_code == code, done.output
    assert re.search(words, done.output)


def test_missing_scores_are_counted_where_they_are_left_out(made, ids, tmp_path):
    rows = [(one, score) for one, (_, score) in zip(ids, ROWS, strict=True)]
    path = write(tmp_path / "s.csv", rows[:-1])
    found = evaluate(made, path, Evaluating(leave_missing=True, draws=FEW)).to_json()
    assert (found["attacks"], found["bpnrr"], found["apnrr"]) == (2, 0, pytest.approx(1 / 3))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predictions_of_a_recipe_are_written_and_read(suffix, made, ids, tmp_path):
    said = Predictions.of_scores(ids, np.linspace(0, 1, len(ids)), "model")
    said.write(tmp_path / f"s{suffix}")
    read = read_predictions(tmp_path / f"s{suffix}")
    pd.testing.assert_frame_equal(read.table, said.table)
    with pytest.raises(SourceError, match=r"model\[1\]: score of b is nan, which is no finite number"):
        Predictions.of_scores(["a", "b"], [0.5, float("nan")], "model")


def test_a_score_file_without_its_columns(made, tmp_path):
    path = write(tmp_path / "s.csv", [("x", 1)], "id,score")
    with pytest.raises(SourceError, match="has the columns id, score; it needs sample_id"):
        evaluate(made, path)
    with pytest.raises(SourceError, match=r"nowhere.csv is no file"):
        evaluate(made, tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="its predictions come with --scores"):
        evaluate(made, None)
