"""Re-annotation: Bayes' rule by hand, and the rules on what is asserted, kept and sent to review."""

from __future__ import annotations

import csv
import json

import pytest
from version_trees import make, sound

from facedata.annotate.adjudicate import PULL, Reliability, posterior
from facedata.annotate.evidence import evidence_of
from facedata.annotate.reannotate import (
    ProposedEdit,
    Review,
    reannotate_expressions,
    reannotate_units,
    write_csv,
)
from facedata.annotate.reannotate_run import parse_reliability, reannotate
from facedata.annotate.tasks import load_task
from facedata.annotate.votes import BLIND, gather
from facedata.datasets.dataset import Dataset
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Provenance, Record
from facedata.datasets.sample import Sample
from facedata.datasets.versions.edit import edit
from facedata.datasets.words import Words

CLASSES = ("absent", "present")


def row(name="a", **values):
    return Sample(sample_id=name, image=f"{name}.jpg", content_hash="0", width=9, height=9, **values)


def detected(present, domain, **intensities):
    told = {"au_domain": domain, "au_present": present, "origin": "detector"}
    return {"detected": {"openface": told | ({"au": intensities} if intensities else {})}}


def answer(sample_id, structured, task="code-aus", model="vlm", provider="openai", number=0):
    provenance = Provenance(
        task_version=1,
        template="t",
        response_schema="s",
        provider=provider,
        model=model,
        request=f"{sample_id}{number}",
    )
    return Record(
        record_id=f"{sample_id}-{task}-{model}-{number}",
        sample_id=sample_id,
        task=task,
        messages=(),
        structured=structured,
        evidence={},
        provenance=provenance,
        status="accept",
    )


def units(*present, absent=()):
    return {"aus": [{"au": au, "name": "x"} for au in present], "absent": list(absent)}


def test_posterior_of_two_sources_by_hand():
    two = Reliability(CLASSES, {"ada": "human", "tool": "detector"}, {"human": 0.9, "detector": 0.8})
    prior = {"absent": 0.8, "present": 0.2}
    found = posterior({"ada": ["present"], "tool": ["absent"]}, two, prior)
    # .2 x .9 x .2 = .036 against .8 x .1 x .8 = .064
    assert found["present"] == pytest.approx(0.036 / 0.1)
    agreeing = posterior({"ada": ["present"], "tool": ["present"]}, two, prior)
    assert agreeing["present"] == pytest.approx(0.144 / (0.144 + 0.8 * 0.1 * 0.2))


def test_draws_of_one_model_count_as_one_vote():
    one = Reliability(CLASSES, {"vlm": "model"}, {"model": 0.6})
    prior = {"absent": 0.5, "present": 0.5}
    assert posterior({"vlm": ["present"] * 9}, one, prior)["present"] == pytest.approx(0.6)
    # two of three: (.6^2 .4)^(1/3) against (.4^2 .6)^(1/3)
    high, low = (0.36 * 0.4) ** (1 / 3), (0.16 * 0.6) ** (1 / 3)
    found = posterior({"vlm": ["present", "present", "absent"]}, one, prior)
    assert found["present"] == pytest.approx(high / (high + low))


def test_reliability_goes_from_stated_to_counted():
    one = Reliability(CLASSES, {"tool": "detector"}, {"detector": 0.75})
    assert one.theta("tool", "present", "present") == 0.75
    for _ in range(30):
        one.count("tool", "present", ["present"])
    for _ in range(10):
        one.count("tool", "present", ["absent"])
    assert one.theta("tool", "present", "present") == pytest.approx((30 + PULL * 0.75) / (40 + PULL))
    assert one.theta("tool", "absent", "absent") == 0.75
    assert one.references("tool") == 40
    seven = Reliability([str(n) for n in range(8)], {"m": "model"}, {"model": 0.65})
    assert sum(seven.theta("m", "0", str(n)) for n in range(8)) == pytest.approx(1)
    assert seven.theta("m", "0", "1") == pytest.approx(0.05)


def test_a_label_that_nobody_doubts_is_kept_with_its_probability():
    # four rows, one of them with AU12: prior (1 + 1) / (4 + 2) = 1/3; human .95
    rows = [row(str(n), au={12: 2.0} if n == 0 else {}, au_domain=(12,)) for n in range(4)]
    found = reannotate_units(rows, {})
    assert found.counts == {"accepted": 4}
    edits = {one.sid: one for one in found.edits}
    assert {one.field for one in found.edits} == {"attributes.adjudicated"}
    present = (1 / 3 * 0.95) / (1 / 3 * 0.95 + 2 / 3 * 0.05)
    absent = (2 / 3 * 0.95) / (2 / 3 * 0.95 + 1 / 3 * 0.05)
    assert json.loads(edits["0"].new) == {"au": {"12": round(present, 4)}}
    assert json.loads(edits["1"].new) == {"au": {"12": round(absent, 4)}}


def test_models_alone_assert_nothing():
    rows = [row(au={}, au_domain=(1,))]
    answers = gather([answer("a", units(6, 12), number=n) for n in range(5)])
    found = reannotate_units(rows, answers)
    assert found.counts["left open: only models answered"] == 2
    assert all(one.field == "attributes.adjudicated" for one in found.edits)
    assert "12" not in found.edits[0].new
    nobody = reannotate_expressions([row()], gather([answer("a", {"expression": "fear"}, "code-expression")]))
    assert nobody.edits == []
    assert nobody.reviews == []
    assert nobody.counts == {"left open: only models answered": 1}


def test_a_detector_alone_is_not_sure_enough_and_a_model_beside_it_may_be():
    rows = [row(attributes=detected([12], [12]))]
    alone = reannotate_units(rows, {})
    assert alone.edits == []
    assert (alone.reviews[0].suggested, alone.reviews[0].confidence) == ("present", 0.75)
    with_model = reannotate_units(rows, gather([answer("a", units(12))]), threshold=0.8)
    # .75 x .6 against .25 x .4
    edits = {one.field: one.new for one in with_model.edits}
    assert edits["au"] == "12="
    assert edits["au_domain"] == "12"
    assert json.loads(edits["attributes.origin"]) == {"au": "adjudicated"}
    assert json.loads(edits["attributes.adjudicated"]) == {"au": {"12": round(0.45 / 0.55, 4)}}


def test_new_units_take_the_detectors_grade_and_leave_coded_ones_alone():
    attributes = detected([1, 12], [1, 12], **{"12": 2.4, "1": 3.0})
    rows = [row(au={1: 1.0}, au_domain=(1,), attributes=attributes)]
    found = reannotate_units(rows, gather([answer("a", units(1, 12))]), threshold=0.6)
    edits = {one.field: one for one in found.edits}
    assert (edits["au"].old, edits["au"].new) == ("1=1.0", "1=1.0 12=2.4")
    assert (edits["au_domain"].old, edits["au_domain"].new) == ("1", "1 12")
    assert "attributes.origin" not in edits  # part of it is people's


def test_people_are_overturned_by_people_only():
    stated = {"human": 0.6, "detector": 0.9, "model": 0.9}
    rows = [row(expression="fear", attributes={"detected": {"x": {"expression": "surprise"}}})]
    answers = gather([answer("a", {"expression": "surprise"}, "code-expression")])
    found = reannotate_expressions(rows, answers, stated=stated)
    assert found.edits == []
    (review,) = found.reviews
    assert (review.field, review.label, review.suggested) == ("expression", "fear", "surprise")
    assert "outweigh" in review.reason
    assert json.loads(review.votes)["detector x"] == ["surprise"]


def test_what_was_told_the_label_cannot_confirm_it_but_its_contradiction_is_heard():
    rows = [row(expression="fear", attributes={"felt": "joy", "task": "joy"})]
    told = [answer("a", {"expression": "fear"}, "describe-expression", number=n) for n in range(3)]
    plain = reannotate_expressions(rows, {}, threshold=0.5)
    confirmed = reannotate_expressions(rows, gather(told), threshold=0.5)
    assert confirmed.edits == plain.edits
    told = [answer("a", {"expression": "anger"}, "describe-expression", number=n) for n in range(3)]
    contradicted = reannotate_expressions(rows, gather(told), threshold=0.5)
    assert contradicted.edits == []
    assert "was told the label" in contradicted.reviews[0].reason


def test_texts_of_rules_count_for_nothing():
    assert gather([answer("a", units(12), provider="rules")]) == {}


def test_truth_is_the_reference_and_is_never_adjudicated():
    rendered = {"origin": "truth"}
    rows = [
        row(f"t{n}", au={12: 3.0}, au_domain=(12,), attributes=rendered | detected([12] * (n < 15), [12]))
        for n in range(20)
    ]
    rows.append(row("h", au={}, au_domain=(12,), attributes=detected([12], [12])))
    found = reannotate_units(rows, {})
    assert found.counts["truth"] == 20
    assert {one.sid for one in found.edits} <= {"h"}
    measured = found.reliability["detector openface"]
    assert measured["references"] == 20  # the row that a person coded is none where truth is known
    assert measured["present"] == round((15 + PULL * 0.75) / (20 + PULL), 4)


def test_a_row_is_no_reference_for_itself():
    """With one row the detector counts as stated, whatever it said there."""
    sample = row(au={12: 2.0}, au_domain=(12,), attributes=detected([], [12]))
    (review,) = reannotate_units([sample], {}, threshold=0.95).reviews
    # prior 2/3; human .95, detector .75 against
    present, absent = 2 / 3 * 0.95 * 0.25, 1 / 3 * 0.05 * 0.75
    assert review.confidence == round(present / (present + absent), 4)


def test_not_coded_stays_apart_from_absent():
    rows = [row(au={1: 2.0}, au_domain=(1, 4))]
    found = reannotate_units(rows, {}, threshold=0.5)
    assert set(json.loads(found.edits[0].new)["au"]) == {"1", "4"}
    assert not any(one.field == "au_domain" for one in found.edits)


@pytest.mark.parametrize("name", BLIND)
def test_blind_tasks_are_told_nothing_of_the_labels(name):
    task = load_task(name)
    prompts = set()
    for expression, au in (("fear", {1: 2.0}), ("anger", {4: 5.0, 1: 1.0})):
        evidence = evidence_of(row(expression=expression, au=au, au_domain=(1, 4)))
        assert not task.missing(evidence)
        prompts.add(task.asked(task.looked_at(evidence), Words.of(0)))
    assert len(prompts) == 1


def test_files_are_as_edits_are_read(tmp_path):
    found = reannotate_units([row(attributes=detected([12], [12]))], {}, threshold=0.6)
    write_csv(found.edits, ProposedEdit, tmp_path / "edits.csv")
    write_csv(found.reviews, Review, tmp_path / "review.csv")
    lines = list(csv.DictReader((tmp_path / "edits.csv").read_text("utf-8").splitlines()))
    assert list(lines[0]) == ["sid", "field", "old", "new", "author", "time", "message"]
    assert {line["sid"] for line in lines} == {"a"}
    assert (
        tmp_path / "review.csv"
    ).read_text() == "sid,field,label,suggested,confidence,reason,votes,image\n"


def test_settings_are_checked():
    with pytest.raises(UsageError, match=r"threshold 1\.5"):
        reannotate_units([], {}, threshold=1.5)
    with pytest.raises(UsageError, match="between 0 and 1"):
        reannotate_units([], {}, stated={"human": 1.0})


def test_the_labels_go_into_a_new_version_with_their_history(tmp_path, faces):
    rows = Dataset.open(make(faces, tmp_path / "plain", variants=1))
    ids = [sample.sample_id for sample in rows]
    told = {"openface": {"au_domain": [1, 12], "au_present": [12], "origin": "detector"}}
    lines = [f"{ids[0]},au_domain,,1 4,,,", f"{ids[0]},au,,4=2.25,,,"]
    lines += [
        f'{sid},attributes.detected,,"{json.dumps(told).replace(chr(34), chr(34) * 2)}",,,' for sid in ids
    ]
    header = "sid,field,old,new,author,time,message\n"
    (tmp_path / "start.csv").write_text(header + "\n".join(lines) + "\n")
    edit(tmp_path / "plain", tmp_path / "start.csv", tmp_path / "labelled")

    stated = {"detector": 0.95}
    arguments = ("au", tmp_path / "labelled", (), tmp_path / "sure", tmp_path / "review.csv")
    derived, result = reannotate(*arguments, stated=stated)
    assert sound(tmp_path / "sure")
    after = {sample.sample_id: sample for sample in Dataset.open(tmp_path / "sure")}
    coded = after[ids[0]]
    # nobody coded AU12: prior 1/2. The detector was right once, about an absent AU1, so it says "present" of
    # what is absent in 10 x .05 / (10 + 1); of what is present it is right in .95, as stated
    assert coded.au == {4: 2.25, 12: None}
    assert coded.au_domain == (1, 4, 12)
    assert coded.attributes["adjudicated"]["au"]["12"] == round(0.95 / (0.95 + 0.5 / 11), 4)
    assert after[ids[1]].au[12] is None
    assert after[ids[1]].attributes["origin"] == {"au": "adjudicated"}
    assert evidence_of(after[ids[1]])["aus"][0]["origin"] == "adjudicated"
    kept = (tmp_path / "sure" / "curation" / "edits.csv").read_text()
    assert "facedata annotate" in kept
    assert derived.record.verb == "annotate"
    reviewed = list(csv.DictReader((tmp_path / "review.csv").read_text().splitlines()))
    assert len(reviewed) == result.counts["review"]

    bare = ("au", tmp_path / "plain", (), tmp_path / "none", tmp_path / "r.csv")
    with pytest.raises(UsageError, match="models alone assert nothing"):
        reannotate(*bare)


def test_shares_are_read():
    assert parse_reliability(None) == {}
    assert parse_reliability("human=0.9, detector=.8") == {"human": 0.9, "detector": 0.8}
    with pytest.raises(UsageError, match="KIND=SHARE"):
        parse_reliability("ada=0.9")
    with pytest.raises(UsageError, match="KIND=SHARE"):
        parse_reliability("human=high")
