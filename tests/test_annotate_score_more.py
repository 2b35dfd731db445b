"""Scores of sides, questions and parts of the face, worked out by hand; and the parts on disk."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
from annotate_scores import answer, row_of, sample, scored, units, value, write

from facedata.annotate.score.answers import Question, right, same_question, yes_or_no
from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.facts import facts_of_answer, facts_of_evidence, facts_of_sample, stated_in
from facedata.annotate.score.parts import Parts, parts_for
from facedata.annotate.score.run import Scoring, score
from facedata.datasets.instructions import INSTRUCTIONS_NAME, Part, Provenance, Record, Turn
from facedata.datasets.sample import Sample

# --- sides ---


def on(**sides):
    return [{"au": int(name[2:]), **({"side": side} if side else {})} for name, side in sides.items()]


def test_sides_by_hand(tmp_path):
    coded = (6, 12, 14)
    told = {"12": "L", "14": "R"}  # 6 shows on both
    samples = [
        sample("a", au={6: 1.0, 12: 1.0, 14: 1.0}, au_domain=coded, attributes={"au_side": told}),
        sample("b", au={12: 1.0}, au_domain=coded, attributes={"au_side": {}}),
        sample("c", au={12: 1.0}, au_domain=coded),  # nobody looked at sides
    ]
    records = [
        answer("a", {"aus": on(au6=None, au12="left", au14="left")}, "x"),  # both, left, wrong
        answer("b", {"aus": on(au6="left")}, "x"),  # 12 is missed: no side
        answer("c", {"aus": on(au12="left")}, "x"),
    ]
    found = scored(tmp_path, samples, records)
    assert row_of(found, "classes", "side").counts == {"answers": 4, "classes": 3}
    assert value(found, "classes", "side", "accuracy") == 2 / 4
    # recall: left 1/1, right 0/1, both 1/2
    assert value(found, "classes", "side", "uar") == pytest.approx((1 + 0 + 0.5) / 3)


def test_sides_are_not_asked_where_no_answer_names_one(tmp_path):
    samples = [sample("a", au={12: 1.0}, au_domain=(12,), attributes={"au_side": {"12": "L"}})]
    found = scored(tmp_path, samples, [answer("a", {"aus": units(12)}, "x")])
    with pytest.raises(KeyError):
        value(found, "classes", "side", "accuracy")


def test_a_failed_answer_is_wrong_about_every_side(tmp_path):
    told = {"attributes": {"au_side": {"12": "L"}}, "au": {12: 1.0}, "au_domain": (12,)}
    records = [answer("a", {"aus": on(au12="left")}, "x"), answer("b")]
    found = scored(tmp_path, [sample("a", **told), sample("b", **told)], records)
    assert value(found, "classes", "side", "accuracy") == 0.5


def test_a_unit_named_on_both_sides_is_on_both():
    assert facts_of_answer({"aus": on(au12="left") + on(au12="right")}).sides == {12: "both"}
    assert facts_of_answer({"aus": on(au12="left", au6=None)}).sides == {12: "left", 6: "both"}
    assert facts_of_answer({"aus": units(12)}).sides is None
    absent = {"au": 4, "present": False, "side": "left"}
    assert facts_of_answer({"aus": [absent, *on(au12="L")]}).sides == {12: "left"}


def test_sides_of_evidence_are_known_where_one_is_told():
    known = {"coded": [4, 12], "aus": on(au12="left", au4=None)}
    assert facts_of_evidence(known).sides == {12: "left", 4: "both"}
    assert facts_of_evidence({"coded": [4, 12], "aus": on(au4=None)}).sides is None
    detected = [{**one, "origin": "detector"} for one in known["aus"]]
    assert facts_of_evidence({**known, "aus": detected}).sides is None


# --- questions and answers ---

HAPPY = "Is this a happy face?"


def qa(name, *pairs, **options):
    said = [{"question": question, "answer": text} for question, text in pairs]
    return answer(name, {"answers": said} if said else None, "x" if said else "", task="qa", **options)


def test_answers_by_hand(tmp_path):
    samples = [sample(name, expression="happiness", label="live") for name in "abcd"]
    records = [
        qa(
            "a",
            (HAPPY, "Yes, it is."),
            ("Is this a sad face?", "No."),
            ("What is the shown expression?", "Joy."),
        ),
        qa("b", (HAPPY, "No."), ("is this a SAD face", "Yes."), ("Does the camera see a live face?", "Yes.")),
        qa("c", (HAPPY, "It may be.")),  # neither yes nor no
        qa("d", ("What is the weather?", "Yes."), ("What is the shown expression?", "It is happiness.")),
    ]
    found = scored(tmp_path, samples, records)
    row = row_of(found, "answers", "expression", "qa")
    # happy: yes right, no, none; sad: no right, yes; what: wrong, right
    assert row.counts == {"answers": 7, "true_yes": 3, "true_no": 2}
    assert row.measures["accuracy"].value == pytest.approx(3 / 7)
    assert row.measures["balanced"].value == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert row.measures["said_yes"].value == pytest.approx(2 / 5)
    assert value(found, "answers", "live", "accuracy", "qa") == 1.0
    assert value(found, "answers", "all", "accuracy", "qa") == pytest.approx(4 / 8)
    (scores,) = found.tasks
    assert scores.counts["questions that the truth does not hold"] == 1


def test_always_yes_is_no_better_than_a_guess(tmp_path):
    samples = [sample(name, expression="happiness") for name in "ab"]
    records = [qa(name, (HAPPY, "Yes."), ("Is this a sad face?", "Yes.")) for name in "ab"]
    found = scored(tmp_path, samples, records)
    assert value(found, "answers", "expression", "balanced", "qa") == 0.5
    assert value(found, "answers", "expression", "said_yes", "qa") == 1.0


def test_a_failed_answer_is_wrong_in_as_many_questions_as_others_answer(tmp_path):
    samples = [sample(name, expression="happiness") for name in "ab"]  # three questions each
    found = scored(tmp_path, samples, [qa("a", (HAPPY, "Yes."), (HAPPY, "Yes.")), qa("b", status="reject")])
    row = row_of(found, "answers", "all", "qa")
    # one question of a (asked twice); of b all three, each with the weight 2/3
    assert row.counts["answers"] == 3
    assert row.measures["accuracy"].value == pytest.approx(1 / 3)


def test_a_question_about_a_detectors_unit_is_not_judged():
    attributes = {"detected": {"tool": {"au_domain": [12], "au_present": [12]}}}
    row = Sample(
        sample_id="a", image="", content_hash="0", width=9, height=9, expression="fear", attributes=attributes
    )
    kinds = {one.kind for one in facts_of_sample(row, frozenset(["answers"])).questions.values()}
    assert kinds == {"expression"}


def test_what_a_person_corrected_is_the_truth_of_a_question(tmp_path):
    truth = write(
        tmp_path / "truth", None, [qa("a", (HAPPY, "No, it is not."), ("How is the hair?", "Short."))]
    )
    made = write(tmp_path / "made", None, [qa("a", (HAPPY, "No."), ("How is the hair?", "It is short."))])
    found = score(truth, made, Scoring(truth="answers", draws=Draws(0)))
    assert value(found, "answers", "all", "accuracy", "qa") == 1.0


@pytest.mark.parametrize(
    ("true", "said", "holds"),
    [
        ("no glasses", "There are no glasses.", True),
        ("short", "It is not short.", False),
        ("a shirt collar", "A shirt", False),
        ("yes", "Yes!", True),
        ("yes", "Yesterday.", False),
        ("no", "'No', says the face.", True),
    ],
)
def test_right_answers(true, said, holds):
    assert right(Question("x", true), said) is holds


def test_questions_are_the_same_whatever_their_marks():
    assert same_question("Is THIS,  a face ?") == same_question("is this a face")
    assert yes_or_no("Well, yes.") is None


# --- parts of the face ---


def regions(**boxes):
    return {"regions": [{"name": name, "box": box, "seen": "It is there."} for name, box in boxes.items()]}


def test_parts_by_hand(tmp_path):
    evidence = {"parts": {"eyes": [0, 0, 10, 10], "mouth": [0, 20, 10, 10]}}
    truth = write(tmp_path / "truth", None, [answer(name, {}, "x", "R", evidence=evidence) for name in "ab"])
    made = write(
        tmp_path / "made",
        None,
        [
            # eyes exactly; of the mouth half beside: 5 x 10 shared of 150: 1/3
            answer("a", regions(eyes=[0, 0, 10, 10], mouth=[5, 20, 10, 10], chin=[0, 0, 1, 1]), "x", "R"),
            # eyes: 10 x 9 of 110: .82; no mouth
            answer("b", regions(eyes=[0, 1, 10, 10]), "x", "R"),
        ],
    )
    found = score(truth, made, Scoring(draws=Draws(20)))
    eyes, mouth = (row_of(found, "localisation", name, "R") for name in ("eyes", "mouth"))
    assert eyes.counts == mouth.counts == {"pictures": 2, "boxes": 2}
    assert eyes.measures["iou"].value == pytest.approx((1 + 90 / 110) / 2)
    assert eyes.measures["ap@0.5"].value == 1.0
    assert mouth.measures["iou"].value == pytest.approx((1 / 3 + 0) / 2)
    assert mouth.measures["ap@0.4"].value == 0.0
    both = row_of(found, "localisation", "all", "R").measures
    # of three answered boxes two are hits, of four true ones: precision 2/3 times recall 1/2
    assert both["ap@0.4"].value == pytest.approx(2 / 3 * 2 / 4)
    assert found.tasks[0].counts["parts that the truth does not hold"] == 1


def test_a_failed_answer_finds_no_part(tmp_path):
    points = [[10.0 + n % 9, 5.0 + n / 4] for n in range(68)]
    samples = [sample(name, landmarks=points) for name in "ab"]
    parts = facts_of_sample(samples[0], frozenset(["parts"])).parts
    records = [
        answer("a", regions(**{k: list(v) for k, v in parts.items()}), "x", "R"),
        answer("b", task="R"),
    ]
    found = scored(tmp_path, samples, records)
    for name in ("brows", "eyes", "nose", "mouth", "all"):
        assert value(found, "localisation", name, "iou", "R") == pytest.approx(0.5)


def test_what_an_answer_speaks_of():
    said = {
        "class": "live",
        "aus": on(au1="left"),
        "regions": [],
        "answers": [],
        "expression": 3,
        "boxes": None,
    }
    assert stated_in(said) == {"attack_class", "aus", "sides", "parts", "answers"}
    assert stated_in({"aus": units(1), "label": {"value": "live"}}) == {"aus", "label"}


# --- parts on disk ---


def test_every_row_is_in_one_part_with_all_of_its_sample(tmp_path):
    names = [f"s{n % 50}" for n in range(400)]
    table = pa.table({"sample_id": names, "number": list(range(400))})
    parts = Parts(tmp_path, "x", 7)
    parts.write(table.to_batches(max_chunksize=64))
    found = [[row for row in parts.rows(part)] for part in range(7)]
    assert sorted(row["number"] for rows in found for row in rows) == list(range(400))
    assert sum(len({row["sample_id"] for row in rows}) for rows in found) == 50
    for rows in found:
        assert [row["number"] for row in rows] == sorted(row["number"] for row in rows)
    assert list(Parts(tmp_path, "none", 2).rows(1)) == []
    assert [parts_for(rows) for rows in (0, 1, 8192, 8193, 10**9)] == [1, 1, 1, 2, 512]


def test_scores_do_not_depend_on_the_number_of_parts(tmp_path, monkeypatch):
    samples = [sample(f"s{n}", subject=f"p{n % 9}", expression="fear", label="live") for n in range(40)]
    texts = ["the brows rise", "the lips part and the brows rise", "the jaw drops"]
    records = [answer(f"s{n}", {"expression": "fear" if n % 3 else "anger"}, texts[n % 3]) for n in range(40)]
    references = [answer(f"s{n}", {"expression": "fear"}, texts[n % 2]) for n in range(0, 44)]
    once = scored(tmp_path, samples, records, references).to_json()
    monkeypatch.setattr("facedata.annotate.score.parts._ROWS", 5)
    often = scored(tmp_path, samples, records, references).to_json()
    assert once.keys() == often.keys()
    assert flat(once) == pytest.approx(flat(often), abs=1e-12)


def flat(value, name=""):
    if isinstance(value, dict):
        return {
            key: one for part, inner in value.items() for key, one in flat(inner, f"{name}/{part}").items()
        }
    return {name: value} if isinstance(value, int | float) else {}


PEAK = """
import resource, sys
from facedata.annotate.score.bootstrap import Draws
from facedata.annotate.score.run import Scoring, score
score(sys.argv[1], sys.argv[2], Scoring(draws=Draws(100)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_records(tmp_path):
    def peak(count):
        for name in ("truth", "made"):
            many(tmp_path / f"{name}{count}", count)
        told = [str(tmp_path / f"{name}{count}" / INSTRUCTIONS_NAME) for name in ("truth", "made")]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *told], capture_output=True, text=True, check=True, timeout=300
        )
        return int(done.stdout) / 1024

    assert peak(27_000) - peak(9_000) < 12  # MB; a kilobyte a record would be 18, ten of them 180


def many(root, count):
    import pyarrow.parquet as pq

    from facedata.datasets.instructions import SCHEMA, to_table

    provenance = Provenance(
        task_version=1, template="", response_schema="", provider="made", model="up", request=""
    )
    root.mkdir()
    (one,) = to_table(
        [
            Record(
                record_id="",
                sample_id="",
                task="explain-expression",
                messages=(Turn(role="assistant", content=(Part(type="text", text="The lips part. " * 8),)),),
                structured={"expression": "fear"},
                evidence={"expression": {"value": "fear"}},
                provenance=provenance,
                status="accept",
            )
        ]
    ).to_pylist()
    with pq.ParquetWriter(root / INSTRUCTIONS_NAME, SCHEMA) as writer:
        for first in range(0, count, 3000):
            names = [f"{number:032x}" for number in range(first, first + 3000)]
            rows = [{**one, "record_id": name, "sample_id": name} for name in names]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
