"""Trust in annotators against hand-worked votes and simulated truth; where votes come from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from audit_rows import NAMES, outcome, rows_of

from facedata.curate.audit.annotators import skills
from facedata.curate.audit.base import Rows
from facedata.curate.audit.trials import read_trials, trials_of
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.sample import Sample


def votes(truth: np.ndarray, rates: list[float], seed: int = 0) -> tuple[np.ndarray, ...]:
    """Votes of annotators who are right so often, over classes 0 to 2: samples, voters, said."""
    generator = np.random.default_rng(seed)
    said = [
        np.where(
            generator.random(len(truth)) < rate, truth, (truth + generator.integers(1, 3, len(truth))) % 3
        )
        for rate in rates
    ]
    count = len(truth)
    return (
        np.tile(np.arange(count), len(rates)),
        np.repeat(np.arange(len(rates)), count),
        np.concatenate(said),
    )


def asked(samples: np.ndarray, voters: np.ndarray, said: np.ndarray) -> Rows:
    names = ["ada", "ben", "cleo", "dan"]
    trials = pd.DataFrame(
        {
            "sample_id": np.array(NAMES)[samples],
            "annotator": np.array(names)[voters],
            "question": "expression",
            "answer": np.array(["anger", "fear", "happiness"])[said],
        }
    )
    return rows_of([{}] * (int(samples.max()) + 1), trials=trials)


def test_skills_are_found_again_without_the_truth():
    truth = np.random.default_rng(0).choice(3, 4000, p=[0.5, 0.3, 0.2])
    rates = [0.9, 0.8, 0.7, 0.6]
    found = skills(*votes(truth, rates))
    trust = [found.shares @ np.diagonal(one) for one in found.confusion]
    assert trust == pytest.approx(rates, abs=0.02)
    assert found.shares == pytest.approx([0.5, 0.3, 0.2], abs=0.02)
    assert (found.chances.argmax(1) == truth).mean() > 0.93  # the best annotator alone: .9
    assert found.chances.sum(1) == pytest.approx(1)


def test_chances_are_those_of_bayes_by_hand():
    # Three annotators, one vote each; after one round theta is counted from the votes' own shares.
    samples, voters = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2])
    said = np.array([0, 0, 1, 1, 1, 1])
    found = skills(samples, voters, said, rounds=1, pull=1.0)
    share = np.array([[2 / 3, 1 / 3], [0.0, 1.0]])
    theta = np.empty((3, 2, 2))
    for voter in range(3):
        for true in range(2):
            seen = [share[0, true], share[1, true]]
            counts = [sum(s for s, v in zip(seen, said[voter::3], strict=True) if v == one) for one in (0, 1)]
            theta[voter, true] = (np.array(counts) + 0.5) / (sum(counts) + 1)
    prior = (share.sum(0) + 1) / 4
    raw = prior * np.prod([theta[voter, :, said[voter]] for voter in range(3)], axis=0)
    assert found.confusion == pytest.approx(theta)
    assert found.chances[0] == pytest.approx(raw / raw.sum())


def test_two_annotators_get_their_kappa_and_no_trust():
    # Of 40 each says anger 20 times, alike 30 times: kappa = (.75 - .5) / .5.
    said = np.array([0] * 15 + [1] * 15 + [0] * 5 + [1] * 5 + [0] * 15 + [1] * 15 + [1] * 5 + [0] * 5)
    samples, voters = np.tile(np.arange(40), 2), np.repeat([0, 1], 40)
    table = outcome("annotators", asked(samples, voters, said)).tables["annotators"]
    assert table["kappa"].tolist() == pytest.approx([0.5, 0.5])
    assert table["ac1"].tolist() == pytest.approx([0.5, 0.5])
    assert table["trust"].isna().all()


def test_a_swapped_annotator_is_named_and_the_others_are_not_blamed():
    truth = np.random.default_rng(1).integers(0, 3, 400)
    samples, voters, said = votes(truth, [0.9, 0.85, 0.8, 0.9])
    said = np.where(voters == 3, np.array([1, 0, 2])[said], said)
    found = outcome("annotators", asked(samples, voters, said))
    blamed = [finding.detail.split()[0] for finding in found.findings if not finding.samples]
    assert blamed == ["dan"]
    assert found.verdict == "warn"  # right about happiness: better than chance, and no more
    assert found.numbers["annotators"]["expression"]["ada"]["kappa"]["low"] > 0.6


def test_votes_in_dispute_point_to_their_sample():
    truth = np.array([0, 1, 2] * 30)
    samples, voters, said = votes(truth, [1.0, 1.0, 1.0])
    said[samples == 4] = [0, 1, 2]
    found = outcome("annotators", asked(samples, voters, said), doubt=0.2)
    assert found.fields["dispute"].argmax() == 4
    assert found.fields["annotators"].tolist() == [3.0] * 90
    assert (NAMES[4],) in [finding.samples for finding in found.findings]


def test_answers_of_strangers_are_counted_not_used():
    truth = np.array([0, 1, 2] * 20)
    rows = asked(*votes(truth, [0.9, 0.9]))
    more = pd.DataFrame([{"sample_id": "x", "annotator": "eve", "question": "expression", "answer": "fear"}])
    rows = replace(rows, trials=pd.concat([rows.trials, more]))
    assert outcome("annotators", rows).numbers["answers about unknown samples"] == 1
    with pytest.raises(UsageError, match="annotator"):
        outcome("annotators", replace(rows, trials=more.drop(columns="annotator")))
    assert outcome("annotators", replace(rows, trials=more)).verdict == "skipped"


def test_a_rows_own_label_and_detectors_are_annotators():
    sample = Sample(
        sample_id=NAMES[0],
        image="x.jpg",
        content_hash=f"{0:064x}",
        width=8,
        height=8,
        expression="happiness",
        attributes={"detected": {"openface": {"expression": "fear"}}},
    )
    found = trials_of([sample], {}).set_index("annotator")
    assert found.loc["detector openface", "answer"] == "fear"
    assert found.loc["label", "answer"] == "happiness"
    assert set(found["question"]) >= {"expression"}


def test_files_of_answers_and_lists_for_review_are_read(tmp_path):
    answers = tmp_path / "answers.csv"
    answers.write_text(
        "sample_id,annotator,question,answer,confidence\na,ada,expression,fear,0.7\na,ben,au.12,present,\n"
    )
    found = read_trials(answers)
    assert found["answer"].tolist() == ["fear", "present"]
    assert found["confidence"][0] == 0.7
    assert np.isnan(found["confidence"][1])
    review = tmp_path / "review.csv"
    said = '"{""label"": ""fear"", ""model m"": [""anger"", ""fear""], ""model m (told)"": [""fear""]}"'
    review.write_text(
        f"sid,field,label,suggested,confidence,reason,votes,image\na,expression,fear,anger,0.5,x,{said},i\n"
    )
    assert read_trials(review)["annotator"].tolist() == ["label", "model m", "model m"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "columns annotator, answer, question, sample_id are missing"),
        ("sample_id,annotator,question,answer\na,,q,x\n", r"bad.csv:2: annotator is empty"),
        ("sample_id,annotator,question,answer,confidence\na,b,q,x,1.5\n", r"bad.csv:2: confidence 1.5"),
        ("sample_id,annotator,question,answer,confidence\na,b,q,x,high\n", r"bad.csv:2: confidence 'high'"),
        ("sid,field,votes\na,expression,[1\n", r"bad.csv:2: votes are not"),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(SourceError, match=words):
        read_trials(path)
