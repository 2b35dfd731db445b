"""What texts may claim: no more than a row records, of what was looked at, in words that fit together."""

from __future__ import annotations

import json
import re

import pytest

from facedata.annotate.checks.base import Answer
from facedata.annotate.checks.catalogue import run_checks
from facedata.annotate.evidence import evidence_of
from facedata.annotate.facs import ACTION_UNITS
from facedata.annotate.knowledge import clauses, knowledge
from facedata.annotate.sandbox import predicates
from facedata.annotate.tasks import load_task
from facedata.augment.registry import OPERATORS
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

SPECIES = {name: one for name, one in knowledge("attacks")["species"].items() if one["family"] != "digital"}


def row(**values):
    return Sample(sample_id="a" * 32, image="", content_hash="0" * 64, width=100, height=80, **values)


def answered(name, evidence, seed=0):
    """What the rules of a task answer, and the checks' verdicts by rule."""
    task = load_task(name)
    seen = task.looked_at(evidence)
    assert not task.missing(evidence)
    words = Words.of(seed, "texts", name)
    response = task.written(seen, words)
    pairs = task.conversation(seen, response, words)
    answer = Answer(task, evidence, response, pairs, None, [text for _, text in pairs])
    return response, " ".join(text for _, text in pairs), run_checks(answer, task.checks)


@pytest.mark.parametrize("species", SPECIES)
def test_of_an_unrecorded_attack_only_what_its_species_implies_is_said(species):
    evidence = evidence_of(row(label="spoof", attack=species))
    (sign,) = evidence["signs"]
    assert sign["kind"] == "species"
    for seed in range(6):
        response, text, checks = answered("spoof-reason", evidence, seed)
        assert [cue["basis"] for cue in response["cues"]] == ["species"]
        assert SPECIES[species]["called"] in text
        # nothing that only the one picture could tell: no size, no place, no trace
        assert not re.search(
            r"\d|\bpx\b|\bedge|\bgrid|\bdots\b|moire|\bfolds\b|crease|\bhighlight|\bnoise", text
        )
        assert "where" not in response["cues"][0]
        assert {check.status for check in checks} <= {"pass", "skip"}, [
            c for c in checks if c.status == "fail"
        ]


def test_no_light_made_a_digital_forgery_and_none_explains_it():
    evidence = evidence_of(row(label="spoof", attack="digital/swap"))
    assert load_task("spoof-reason").missing(evidence) == ["signs"]


def test_a_recorded_attack_of_which_nothing_shows_is_not_explained_by_its_species():
    parameters = OPERATORS["reflection"].sample(Words.of("x")).model_dump(mode="json") | {"strength": 0.001}
    steps = [{"operator": "reflection", "parameters": parameters, "version": 1}]
    evidence = evidence_of(row(label="spoof", attack="replay/glass", parameters={"steps": steps}))
    assert load_task("spoof-reason").missing(evidence) == ["signs"]


def test_conditions_of_cues_speak_of_parameters_that_operators_have():
    made = knowledge("attacks")["operators"]
    for name, cue in knowledge("cues").items():
        roots = {prefix.split("/")[0] for prefix in cue["species"]}
        known = {
            field
            for operator, species in made.items()
            if species.split("/")[0] in roots
            for field in OPERATORS[operator].parameters.model_fields
        }
        told = " ".join([cue["when"], *cue.get("values", {}).values()])
        assert set(re.findall(r"\bp\.(\w+)", told)) <= known, name


@pytest.mark.parametrize(
    ("attack", "operator", "changes", "called", "kind"),
    [
        ("print/inkjet", "print-inkjet", {"part": "left"}, "covered by a print", "partial-paper"),
        ("print/inkjet", "print-inkjet", {"part": "whole"}, "an inkjet print of a face", "print"),
        (
            "paper/cut",
            "paper-cut",
            {"covers": "mouth"},
            "covered by a piece of printed paper",
            "partial-paper",
        ),
        ("paper/cut", "paper-cut", {"covers": "face"}, "a printed face cut out of paper", "paper-mask"),
        ("replay/oled", "replay-oled", {"behind": "live"}, "covered by a screen", "replay"),
        ("replay/oled", "replay-oled", {"behind": "room"}, "a face shown on an OLED screen", "replay"),
    ],
)
def test_what_covers_a_part_of_a_face_is_not_called_a_picture_of_one(attack, operator, changes, called, kind):
    parameters = OPERATORS[operator].sample(Words.of("part")).model_dump(mode="json") | changes
    steps = [{"operator": operator, "parameters": parameters, "version": 1}]
    evidence = evidence_of(row(label="spoof", attack=attack, parameters={"steps": steps}))
    assert called in evidence["attack"]["called"]
    assert ("part" in evidence["attack"]) == ("covered" in called)
    assert evidence["attack_class"] == kind


def test_brows_that_rise_are_not_said_to_be_lowered():
    assert any("lowered" in text for text in clauses(4, [4, 7]))
    assert not any("lowered" in text or "down" in text for text in clauses(4, [1, 4]))
    face = {"au": {1: 3.0, 4: 3.0}, "au_domain": [1, 4], "expression": "sadness"}
    for name in ("describe-expression", "describe-aus", "expression-dialogue"):
        for seed in range(8):
            _, text, checks = answered(name, evidence_of(row(**face)), seed)
            assert "lowered and" not in text
            assert "pulled down" not in text
            assert not [check for check in checks if check.status == "fail"]


def test_every_showing_unit_is_described_above_and_below():
    units = dict.fromkeys((1, 2, 4, 5, 7, 20, 25, 26), 2.0)
    evidence = evidence_of(row(au=units, au_domain=list(units), expression="fear"))
    for seed in range(8):
        _, text, _ = answered("describe-expression", evidence, seed)
        for unit in units:
            assert any(clause in text.lower() for clause in clauses(unit, units)), (unit, text)


def test_of_parts_that_nobody_coded_nothing_is_said_to_rest():
    points = [(20.0 + 10 * (n % 7), 10.0 + n) for n in range(68)]
    evidence = evidence_of(row(au={}, au_domain=[12, 15], landmarks=points))
    response, _, _ = answered("describe-regions", evidence)
    said = {region["name"]: region["seen"] for region in response["regions"]}
    assert list(said) == ["brows", "eyes", "nose", "mouth"]
    for name in ("brows", "eyes", "nose"):
        assert said[name] == "No movement of this part was looked for."
    assert "looked for" not in said["mouth"]


def test_boxes_of_parts_have_a_rim_and_stay_inside():
    points = [(50.0, 40.0)] * 68
    points[17:27] = [(30.0 + 4 * n, 5.0) for n in range(10)]  # a brow line of no height
    points[36], points[45] = (30.0, 20.0), (70.0, 20.0)  # 40 px: a rim of 4 px
    parts = evidence_of(row(landmarks=points))["parts"]
    assert parts["brows"] == [26.0, 1.0, 44.0, 8.0]
    assert parts["nose"] == [46.0, 36.0, 8.0, 8.0]


def test_verbs_are_said_once_and_what_is_absent_comes_last():
    phrases = ["wears no glasses", "has short hair", "wears a turtleneck", "has no facial hair"]
    assert predicates(phrases) == "wears a turtleneck and no glasses, and has short hair and no facial hair"
    assert predicates(["is bald", "has a beard"]) == "is bald and has a beard"
    assert predicates(["is bald"]) == "is bald"
    assert predicates([]) == ""


def test_words_for_facial_hair_guess_no_gender():
    assert "shave" not in json.dumps(knowledge("attributes"))


def test_questions_deny_in_plain_words():
    evidence = evidence_of(row(au={}, au_domain=sorted(ACTION_UNITS)))
    for one in evidence["questions"]:
        if one["answer"] == "no":
            assert one["negative"].startswith("there is no sign of ")
            assert not re.search(r"AU\d", one["negative"])
