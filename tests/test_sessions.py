"""Sessions: samples that share medium, device, camera and light, as those of one afternoon do."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from conftest import jpeg
from synth_parts import make_attacks
from typer.testing import CliRunner

from facedata.augment.operator import OF_A_SHOT
from facedata.augment.policy import load_policy
from facedata.augment.registry import OPERATORS
from facedata.augment.run import augment
from facedata.cli.main import app
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.errors import UsageError
from facedata.datasets.inputs import Reading
from facedata.datasets.versions.edit import edit
from facedata.datasets.words import Words
from facedata.synth.config import Pairing
from facedata.synth.pairs import find_pairs

READ = Reading(label="live")


@pytest.fixture(scope="module")
def attacks(tmp_path_factory):
    root = tmp_path_factory.mktemp("sessions")
    (root / "faces").mkdir()
    for number in range(8):
        (root / "faces" / f"{number}.jpg").write_bytes(jpeg(number, width=48, height=48))
    augment(root / "faces", root / "out", variants=4, sessions=5, seed=3, reading=READ)
    return root


def made(root):
    return [one for one in Dataset.open(root) if one.operator]


def test_samples_of_a_session_share_all_but_what_differs_from_shot_to_shot(attacks):
    sessions = defaultdict(list)
    for one in made(attacks / "out"):
        sessions[one.attributes["session"]].append(one)
    assert 3 <= len(sessions) <= 5
    moved = 0
    for name, members in sessions.items():
        assert name.startswith("mixed-3-")
        steps = [one.parameters["steps"] for one in members]
        assert len({tuple(step["operator"] for step in chain) for chain in steps}) == 1
        for chains in zip(*steps, strict=True):
            for parameter in chains[0]["parameters"]:
                values = {json.dumps(step["parameters"][parameter]) for step in chains}
                if parameter in OF_A_SHOT:
                    moved += len(values) > 1
                else:
                    assert len(values) == 1, (name, parameter)
    assert moved > 5


def test_what_differs_from_shot_to_shot_are_parameters_of_operators():
    known = {name for operator in OPERATORS.values() for name in operator.draws()}
    assert known >= OF_A_SHOT


def test_without_sessions_nothing_is_drawn_otherwise(attacks, tmp_path):
    result = augment(attacks / "faces", tmp_path / "out", variants=2, seed=3, reading=READ)
    assert all("session" not in (one.attributes or {}) for one in made(result.root))
    assert "sessions" not in result.root.joinpath("dataset.json").read_text()
    words = Words.of(1, "a")
    operator = OPERATORS["capture"]
    assert operator.sample(words) == operator.sample(words, None, Words.of(1, "a"))


def test_sessions_are_the_same_over_engines_and_are_rebuilt(attacks, tmp_path):
    other = augment(
        attacks / "faces",
        tmp_path / "other",
        variants=4,
        sessions=5,
        seed=3,
        reading=READ,
        options=Options(engine="process", workers=2),
    )
    assert Dataset.open(other.root).version == Dataset.open(attacks / "out").version
    given = ["--input", str(attacks / "faces"), "-o", str(tmp_path / "again")]
    again = CliRunner().invoke(app, ["rebuild", str(other.root), *given])
    assert again.exit_code == 0, again.output


def test_a_policy_of_sub_policies_has_no_sessions():
    with pytest.raises(UsageError, match="has no sessions"):
        load_policy("fas-aug").draw(0, "a", 0, session="s")


def test_a_style_is_of_the_targets_session_where_that_shows_another_person(tmp_path):
    source = make_attacks(tmp_path, people=6, each=2)
    rows = [one for one in Dataset.open(source) if one.label == "spoof"]
    lines = ["sid,field,old,new,author,time,message"]
    for one in rows:
        session = "alone" if one.subject == "p0" else f"s{int(one.subject[1:]) % 2}"
        lines.append(f"{one.sample_id},attributes.session,,{session},,,")
    (tmp_path / "edits.csv").write_text("\n".join(lines) + "\n")
    edited = edit(source, tmp_path / "edits.csv", tmp_path / "edited").root
    pairs = find_pairs(Dataset.open(edited), Pairing())
    for pair in pairs.pairs:
        target = pairs.faces[pair.target]
        drawn = {pairs.style_of(pair, Words.of("t", n)) for n in range(30)}
        styles = [pairs.faces[number] for number in drawn]
        assert all(one.attack == target.attack and one.subject != target.subject for one in styles)
        if target.session == "alone":  # nobody else is in it: any of the kind
            assert {one.session for one in styles} == {"s0", "s1"}
        else:
            assert {one.session for one in styles} == {target.session}
