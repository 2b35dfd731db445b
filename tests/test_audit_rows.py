"""From a dataset to rows, and from rows to answers that are written."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from audit_rows import NAMES, pairs, rows_of
from version_trees import make, samples

from facedata.curate.audit.base import Audit, Finding, Outcome, Thresholds
from facedata.curate.audit.catalogue import AUDITS, find_audits
from facedata.curate.audit.engine import run_audits, thresholds_of
from facedata.curate.audit.gates import failing, read_gates
from facedata.curate.audit.rows import read_rows
from facedata.curate.audit.settings import read_settings
from facedata.curate.audit.store import as_json, write_audit
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import TargetError, UsageError
from facedata.datasets.sample import Source


def test_rows_of_a_dataset_are_its_samples(faces, tmp_path):
    root = make(faces, tmp_path / "ds", domain="phone", name="own")
    frame = read_rows(Dataset.open(root)).frame
    kept = samples(root)
    assert frame["sample_id"].tolist() == [one.sample_id for one in kept]
    for name in ("label", "attack", "split", "domain", "parent_id", "operator", "content_hash"):
        assert frame[name].tolist() == [getattr(one, name) for one in kept]
    tops = {one.sample_id: one.parent_id or one.sample_id for one in kept}
    assert frame["family"].tolist() == [tops[one.sample_id] for one in kept]
    assert set(frame["source_dataset"]) == {"own"}
    assert frame["variant"].isna().sum() == sum(one.variant is None for one in kept) > 0


def test_a_family_goes_up_to_the_first_ancestor_that_is_known():
    lines = [
        {},
        {"parent_id": NAMES[0]},
        {"parent_id": NAMES[1]},
        {"parent_id": "gone"},
        {"parent_id": "gone"},
    ]
    assert rows_of(lines).frame["family"].tolist() == [NAMES[0]] * 3 + ["gone"] * 2


def test_a_circle_of_parents_ends():
    found = rows_of([{"parent_id": NAMES[1]}, {"parent_id": NAMES[0]}]).frame["family"]
    assert set(found) <= set(NAMES[:2])


def test_columns_keep_none_and_their_types():
    lines = [
        {"subject": "ada", "au": {12: 2.0, 4: None}, "au_domain": (4, 12), "attributes": {"age": 30}},
        {"valence": 0.5, "source": Source(dataset="own", file="a.mp4", frame=3, sha256="ff")},
    ]
    frame = rows_of(lines).frame
    assert frame["subject"].tolist() == ["ada", None]
    assert frame["person"].tolist() == ["\0ada", None]
    assert frame["au"].tolist() == [{4: None, 12: 2.0}, None]
    assert frame["au_domain"].tolist() == [(4, 12), None]
    assert frame["attributes"].tolist() == [{"age": 30}, None]
    assert frame["source_key"].tolist()[1] == "ff"
    assert np.isnan(frame["valence"][0])
    assert frame["source_frame"][1] == 3


def test_one_subject_of_two_datasets_is_two_persons():
    lines = [{"subject": "1", "source": Source(dataset=name)} for name in ("a", "b")]
    assert rows_of(lines).frame["person"].nunique() == 2


class _Limit(Thresholds):
    most: int = 3


def _counts(rows, thresholds):
    values = np.arange(len(rows), dtype=float)
    values[0] = np.nan
    words = np.array([None, *"abc"], object)[: len(rows)]
    return Outcome(
        "fail" if len(rows) > thresholds.most else "pass",
        f"{len(rows)} rows",
        numbers={"share": np.float64(0.5), "none": float("nan"), "deep": {"n": np.int64(3)}},
        findings=[Finding((NAMES[0],), "first", 1.0)],
        fields={
            "place": values,
            "odd": values % 2 == 1,
            "word": words,
        },
        tables={"t": pd.DataFrame({"a": [1], "b": [np.nan]})},
    )


COUNTS = Audit("counts", "Counts", "Counts rows.", _counts, _Limit)
NEEDY = Audit("needy", "Needy", "Needs trials.", _counts, _Limit, needs=("trials",))


def test_an_audit_is_given_its_thresholds():
    rows = rows_of([{}] * 4)
    assert run_audits(rows, [COUNTS])[0].outcome.verdict == "fail"
    assert run_audits(rows, [COUNTS], {"counts": {"most": 4}})[0].outcome.verdict == "pass"


@pytest.mark.parametrize(("given", "words"), [({"least": 1}, "counts.least"), ({"most": "x"}, "counts.most")])
def test_a_wrong_threshold_is_named(given, words):
    with pytest.raises(UsageError, match=words):
        thresholds_of(COUNTS, {"counts": given})


def test_what_is_absent_is_skipped_with_its_reason():
    (answer,) = run_audits(rows_of([{}]), [NEEDY], absent={"trials": "nobody answered"})
    assert (answer.outcome.verdict, answer.outcome.said) == ("skipped", "Nobody answered.")


def test_an_audit_whose_library_is_not_installed_is_skipped_and_the_others_run():
    def needs(name):
        def run(rows, thresholds):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return Audit("lacking", "Lacking", "Lacks a library.", run, _Limit)

    lacking, counts = run_audits(rows_of([{}]), [needs("sklearn.linear_model"), COUNTS])
    assert lacking.outcome.verdict == "skipped"
    assert lacking.outcome.said == "It needs sklearn: pip install 'facedata[curate]'."
    assert counts.outcome.verdict == "pass"
    with pytest.raises(ModuleNotFoundError):  # a fault of one's own is no missing extra
        run_audits(rows_of([{}]), [needs("facedata.nonesuch")])


def test_no_rows_are_skipped_by_every_audit():
    for answer in run_audits(rows_of([]), AUDITS):
        assert answer.outcome.verdict == "skipped"


def test_one_row_without_anything_ends_in_no_error():
    rows = rows_of(
        [{}],
        embeddings=np.ones((1, 4), np.float32),
        neighbours=pairs(),
        quality=pd.DataFrame({"blur": [np.nan]}),
    )
    for answer in run_audits(rows, AUDITS):
        assert answer.outcome.verdict in ("skipped", "pass"), answer.audit.name


def test_what_is_written_is_read_back(tmp_path):
    rows = rows_of([{}] * 4)
    answers = run_audits(rows, [COUNTS, NEEDY])
    write_audit(tmp_path / "out", rows, answers, {"version": "v"})
    told = json.loads((tmp_path / "out" / "audit.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(as_json(answers, {"version": "v"})))
    counts = told["audits"]["counts"]
    assert counts["numbers"] == {"share": 0.5, "none": None, "deep": {"n": 3}}
    assert counts["thresholds"] == {"most": 3}
    assert counts["tables"] == {"t": [{"a": 1, "b": None}]}
    assert told["audits"]["needy"]["verdict"] == "skipped"
    table = pq.read_table(tmp_path / "out" / "audit.parquet").to_pydict()
    assert table == {
        "sample_id": NAMES[:4],
        "counts.place": [None, 1.0, 2.0, 3.0],
        "counts.odd": [False, True, False, True],
        "counts.word": [None, "a", "b", "c"],
    }


def test_two_runs_write_the_same_bytes(tmp_path):
    rows = rows_of([{}] * 4)
    for name in ("a", "b"):
        write_audit(tmp_path / name, rows, run_audits(rows, [COUNTS]), {})
    for name in ("audit.json", "audit.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TargetError, match="file"):
        write_audit(tmp_path / "file" / "out", rows_of([]), [], {})


def test_gates():
    rows = rows_of([{}] * 4)
    answers = run_audits(rows, [COUNTS, NEEDY])
    known = find_audits(["exact-duplicates"])[0]
    assert failing(read_gates(["any"]), answers) != []
    assert failing(read_gates(["any"]), answers[1:]) == []  # what was not run says nothing of `any`
    passing = run_audits(rows, [known])
    assert failing(read_gates(["exact-duplicates"]), passing) == []
    (reason,) = failing(read_gates(["near-duplicates"]), passing)
    assert "not run" in reason


def test_a_named_audit_that_was_skipped_lets_nothing_pass():
    (answer,) = run_audits(rows_of([{}]), find_audits(["near-duplicates"]))
    (reason,) = failing(read_gates(["near-duplicates"]), [answer])
    assert "skipped" in reason


def test_a_gate_on_warnings_holds_what_one_on_failures_lets_pass():
    lines = [{"domain": "a", "label": "live"}] * 20 + [{"domain": "b", "label": "live"}] * 5
    answers = run_audits(rows_of(lines), find_audits(["coverage"]))
    assert answers[0].outcome.verdict == "warn"
    assert failing(read_gates(["coverage"]), answers) == []
    assert len(failing(read_gates(["coverage=warn"]), answers)) == 1


@pytest.mark.parametrize("text", ["nothing", "any=maybe", "coverage=pass"])
def test_a_wrong_gate_is_refused(text):
    with pytest.raises(UsageError):
        read_gates([text])


def test_settings_are_read():
    found = read_settings(["a.b=0.5", "a.c=[x, y]", "d.e=none=1"])
    assert found == {"a": {"b": 0.5, "c": ["x", "y"]}, "d": {"e": "none=1"}}
    for wrong in ("a.b", "a=1", ".b=1", "a.=1", "a.b=[1"):
        with pytest.raises(UsageError, match="--set"):
            read_settings([wrong])


def test_the_catalogue():
    names = [audit.name for audit in AUDITS]
    assert len(set(names)) == len(names)
    with pytest.raises(UsageError, match=r"nonesuch; there are exact-duplicates"):
        find_audits(["nonesuch"])
    for audit in AUDITS:
        assert audit.thresholds(), audit.name
        assert audit.about.endswith(".")
        for name, field in audit.thresholds.model_fields.items():
            assert field.description or name == "seed", f"{audit.name}.{name}"
