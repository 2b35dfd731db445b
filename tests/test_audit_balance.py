"""Balance, coverage and association: against tables worked by hand, and against independence."""

from __future__ import annotations

import numpy as np
import pytest
from audit_rows import NAMES, outcome, rows_of

from facedata.annotate.score.bootstrap import Draws
from facedata.curate.audit.association import cramers_v, cramers_v_of


def line(label="live", domain="a", **more):
    attack = more.pop("attack", "print/inkjet" if label == "spoof" else None)
    return {"label": label, "domain": domain, "attack": attack, **more}


def test_cramers_v_of_a_table_worked_by_hand():
    """[[30, 10], [10, 30]]: chi squared 20 of 80, so phi squared 1/4; one of 79 is the bias of each part."""
    table = np.array([[[30.0, 10.0], [10.0, 30.0]]])
    expected = np.sqrt((1 / 4 - 1 / 79) / (1 - 1 / 79))
    assert cramers_v_of(table, 80) == pytest.approx([expected])
    assert cramers_v_of(table, 1e12) == pytest.approx([0.5])  # without its correction, V is |phi|


def test_cramers_v_of_extremes():
    perfect, nothing, one = np.diag([40.0, 40.0]), np.full((2, 3), 10.0), np.array([[5.0, 5.0], [0.0, 0.0]])
    assert cramers_v_of(perfect[None], 80) == pytest.approx([1.0])
    assert cramers_v_of(nothing[None], 60) == pytest.approx([0.0])
    assert np.isnan(cramers_v_of(one[None], 10)).all()


def test_the_correction_leaves_nothing_of_independent_labels():
    """The plain V of ten categories in 100 rows is about 0.3 by chance alone: sqrt(9 / 100)."""
    generator = np.random.default_rng(0)
    tables = np.stack([generator.multinomial(100, np.full(20, 1 / 20)).reshape(10, 2) for _ in range(300)])
    assert cramers_v_of(tables.astype(float), 1e12).mean() > 0.25
    assert cramers_v_of(tables.astype(float), 100).mean() < 0.1


def test_the_interval_holds_the_truth_of_clustered_rows():
    """Two binary labels that agree with a chance of 0.8 have V 0.6; each person gives five equal rows."""
    held = 0
    for trial in range(40):
        generator = np.random.default_rng(trial)
        left = generator.integers(0, 2, 150)
        right = np.where(generator.random(150) < 0.8, left, 1 - left)
        rows = np.repeat(np.arange(150), 5)
        found = cramers_v(left[rows], right[rows], rows, Draws(200, trial))
        held += found["low"] <= 0.6 <= found["high"]
    assert held >= 34  # 38 are expected; fewer than 34 have a chance under 2 %


def test_one_person_gives_no_interval():
    found = cramers_v(np.array([0, 1]), np.array([0, 1]), np.zeros(2, int), Draws(20))
    assert np.isnan(found["low"])


def test_labels_of_each_split_are_counted():
    lines = [line("live", split="train")] * 30 + [line("spoof", split="train")] * 10
    lines += [line("live", split="test")] * 1 + [line("spoof", split="test")] * 9
    found = outcome("label-balance", rows_of(lines))
    assert found.numbers["rarer_share"] == {"test": 0.1, "train": 0.25}
    assert found.verdict == "warn"
    assert found.said.startswith("10.0 % of test are live")
    assert outcome("label-balance", rows_of(lines), warn=0.05).verdict == "pass"
    assert outcome("label-balance", rows_of(lines), fail=0.15).verdict == "fail"


def test_a_split_without_live_fails():
    lines = [line("live", split="train"), line("spoof", split="train"), line("spoof", split="test")]
    assert outcome("label-balance", rows_of(lines)).verdict == "fail"


def test_expressions_are_balanced_too():
    lines = [{"expression": "neutral"}] * 40 + [{"expression": "fear"}] * 2
    found = outcome("label-balance", rows_of(lines))
    assert found.numbers["expression_ratio"] == 0.05
    assert found.verdict == "warn"
    assert outcome("label-balance", rows_of(lines), expression_warn=0.04).verdict == "pass"


def test_unlabelled_rows_are_told():
    lines = [line("live"), line("spoof")] * 20 + [{}] * 10
    found = outcome("label-balance", rows_of(lines))
    assert found.numbers["unlabelled_share"] == 0.2
    assert found.verdict == "warn"
    assert outcome("label-balance", rows_of([{}] * 5)).verdict == "skipped"


def test_empty_and_thin_cells():
    lines = [line("live", "a")] * 12 + [line("live", "b")] * 12 + [line("spoof", "a")] * 12
    lines += [line("spoof", "b")] * 3 + [line("spoof", "a", attack="replay/lcd")] * 12
    found = outcome("coverage", rows_of(lines))
    assert found.verdict == "warn"
    numbers = found.numbers
    cells = tuple(numbers[f"attack_cells{one}"] for one in ("", "_empty", "_thin"))
    assert cells == (6, 1, 1)
    assert [one.detail.partition(";")[0] for one in found.findings] == [
        "no rows of replay in b",
        "3 rows of print in b",
    ]
    assert found.findings[1].samples == tuple(NAMES[36:39])


def test_a_domain_of_one_label_fails():
    lines = [line("live", "a"), line("spoof", "a")] * 12 + [line("spoof", "b")] * 12
    found = outcome("coverage", rows_of(lines))
    assert found.verdict == "fail"
    assert found.numbers["domains_of_one_label"] == {"b": "spoof"}


def test_one_domain_is_not_crossed():
    assert outcome("coverage", rows_of([line()] * 5)).verdict == "skipped"


def people(count, make):
    return rows_of([{**make(number), "subject": f"p{number // 2}"} for number in range(count)])


def test_a_label_that_is_the_domain_fails_and_one_that_is_not_passes():
    told = people(80, lambda n: line("live", "a") if n % 2 else line("spoof", "b"))
    found = outcome("confounding", told)
    assert found.verdict == "fail"
    assert found.numbers["cramers_v"]["domain"]["value"] == pytest.approx(1.0)
    assert "domain tells the label" in found.findings[0].detail
    free = people(80, lambda n: line(("live", "spoof")[n % 2], "ab"[n // 2 % 2]))
    assert outcome("confounding", free).verdict == "pass"


def test_size_and_camera_are_compared():
    def make(n):
        size, phone = (64, 90)[n % 2], ("x", "y")[n // 2 % 2]
        return {**line(("live", "spoof")[n % 2]), "width": size, "attributes": {"phone": phone, "note": n}}

    found = outcome("confounding", people(80, make))
    assert set(found.numbers["cramers_v"]) == {"size", "phone"}
    assert found.numbers["cramers_v"]["size"]["value"] == pytest.approx(1.0)
    assert found.numbers["cramers_v"]["phone"]["low"] < 0.3


def test_a_label_alone_cannot_be_confounded():
    assert outcome("confounding", rows_of([line()] * 4)).verdict == "skipped"
    assert outcome("confounding", rows_of([{}] * 4)).verdict == "skipped"


def test_units_shown_absent_and_not_coded():
    lines = [
        {"au": {12: 2.0, 6: None, 4: 0.0}, "au_domain": (4, 6, 12), "subject": "a"},
        {"au": {12: 1.0}, "au_domain": (6, 12), "subject": "b"},
        {"au": {}, "au_domain": (12,)},
        {"au": {26: 3.0}},
        {},
    ]
    found = outcome("unit-balance", rows_of(lines), rows=1, persons=2)
    table = found.tables["units"].set_index("AU")
    columns = ["coded", "with", "without", "not coded", "persons"]
    assert table[columns].to_numpy().tolist() == [
        [1, 0, 1, 4, 0],
        [2, 1, 1, 3, 1],
        [3, 2, 1, 2, 2],
        [1, 1, 0, 4, 1],
    ]
    assert sorted(one.detail.partition(":")[0] for one in found.findings) == ["AU26", "AU4", "AU6"]
    assert found.verdict == "warn"
    assert outcome("unit-balance", rows_of([{}])).verdict == "skipped"


def test_small_groups_and_groups_that_tell_the_label():
    def make(n):
        person = n // 2
        age = 25 if person else 70
        return {**line(("live", "spoof")[n % 2]), "attributes": {"age": age, "gender": ("m", "f")[n % 2]}}

    found = outcome("group-balance", people(80, make))
    assert found.verdict == "fail"
    assert found.numbers["cramers_v"]["gender"]["value"] == pytest.approx(1.0)
    small = [one for one in found.findings if one.detail.startswith("age 60 and over")]
    assert [one.samples for one in small] == [tuple(NAMES[:2])]
    assert found.tables["age"].set_index("age").loc["18-29", "persons"] == 39
    assert outcome("group-balance", rows_of([line(attributes={"glasses": True})])).verdict == "skipped"


@pytest.mark.parametrize(
    ("age", "group"),
    [(0, "0-17"), (17.9, "0-17"), (18, "18-29"), (59, "45-59"), (60, "60 and over"), ("teen", "teen")],
)
def test_ages_are_grouped(age, group):
    lines = [line(("live", "spoof")[n % 2], attributes={"age": age}) for n in range(4)]
    assert outcome("group-balance", rows_of(lines)).tables["age"]["age"].tolist() == [group]
