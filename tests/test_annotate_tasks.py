"""The stock tasks: what they write of live faces and attacks, from what they may look at and nothing else."""

from __future__ import annotations

import json
import re
import resource
import time
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.exceptions import SecurityError, TemplateError, UndefinedError

from facedata.annotate.checks.form import parse
from facedata.annotate.evidence import demographics_of, evidence_of
from facedata.annotate.facs import ACTION_UNITS, EXPRESSIONS
from facedata.annotate.knowledge import knowledge, signs
from facedata.annotate.sandbox import fixed, template
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.augment.registry import OPERATORS
from facedata.datasets.demo_source import DemoItem
from facedata.datasets.errors import UsageError
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

TASKS = {name: load_task(name) for name in stock_tasks()}
SIZE = 96
RESIDUE = re.compile(
    r"\{\{|\}\}|\{%|%\}|\{\w+\}|\bNone\b(?! of)|\bUndefined\b|\s[,.;:]|\.\.|,,|  |\bAU\b(?!\d)"
)
OF_ATTACKS = ("spoof-coarse", "spoof-fine", "spoof-locate", "forgery-hierarchy")


@pytest.fixture(scope="module")
def rows():
    """Rendered faces, each with what every operator would record of it: (row, mask)."""
    found = []
    for number in range(3):
        (loaded,) = DemoItem(number, number, SIZE, 1).load(SIZE * SIZE)
        face = loaded.sample
        found.append((face, None))
        for name, operator in OPERATORS.items():
            made = knowledge("attacks")["operators"].get(name)
            changes = {"label": "spoof", "attack": made} if made else {}
            parameters = operator.sample(Words.of("test", name, number))
            step = {"operator": name, "parameters": parameters.model_dump(mode="json"), "version": 1}
            row = face.replace(
                sample_id=f"{number}-{name}",
                parent_id=face.sample_id,
                operator=name,
                parameters={"steps": [step]},
                **changes,
            )
            mask = np.zeros((SIZE, SIZE), np.uint8)
            mask[4 * number :, : SIZE - 6 * number] = 255
            found.append((row, mask if made else None))
    return found


def row(**values):
    return Sample(sample_id="a" * 32, image="", content_hash="0" * 64, width=100, height=80, **values)


def written(task, evidence, seed=0, name="row"):
    """The response and the conversation, as the run makes them."""
    words = Words.of(seed, name, task.name)
    response = task.written(task.looked_at(evidence), words)
    return response, task.conversation(task.looked_at(evidence), response, words)


def said(task, evidence, seed=0):
    response, pairs = written(task, evidence, seed)
    return " ".join([json.dumps(response), *(answer for _, answer in pairs)])


@pytest.mark.parametrize(
    ("text", "always"),
    [
        ("true", "true"),
        ("{{ ['a', 'b'] | join(' ') }} {# said #}", "a b "),
        ("{% set x = 1 %}{{ x + 1 }}", "2"),
        ("{{ evidence.label }}", None),
        ("{{ pick('a', 'b') }}", None),
        ("{{ nobody }}", None),
    ],
)
def test_a_template_is_fixed_where_it_looks_at_nothing(text, always):
    assert fixed(text) == always
    if always is not None:
        assert template(text).render(evidence={"label": "x"}, pick=max, nobody=1) == always


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ m.a }}{{ m['a'] }}", "11"),
        ("{{ m.b is defined }}{{ m.b | default('-') }}", "False-"),
        ("{% for k, v in m.items() %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}", "a1True"),
        ("{{ m.get('b') }}", "None"),
    ],
)
def test_values_of_maps_and_loops_are_within_reach(text, said):
    assert template(text).render(m={"a": 1}) == said


@pytest.mark.parametrize(
    "text", ["{{ m.b }}", "{{ m.pop('a') }}", "{{ m.__class__ }}", "{{ m.a.bit_length() }}"]
)
def test_nothing_else_of_them_is(text):
    with pytest.raises((UndefinedError, SecurityError)):
        template(text).render(m={"a": 1})


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_sees_the_same_where_only_what_it_looks_at_is_worked_out(task, rows):
    wanted = {*task.needs, *task.uses}
    for sample, mask in rows:
        everything = evidence_of(sample, mask)
        assert task.looked_at(evidence_of(sample, mask, wanted)) == task.looked_at(everything)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_alone_is_told_at_the_length_that_the_schema_asks_for(expression, rows):
    live = next(sample for sample, _ in rows if sample.label == "live")
    evidence = evidence_of(live.replace(expression=expression, au=None, au_domain=None))
    for seed in range(20):
        response, _ = written(TASKS["describe-expression"], evidence, seed, live.sample_id)
        assert not parse(json.dumps(response), TASKS["describe-expression"].validator)[1]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_writes_what_its_schema_asks_for_without_residue(task, rows):
    species = defaultdict(int)
    for sample, mask in rows:
        evidence = evidence_of(sample, mask)
        if task.missing(evidence):
            continue
        species[sample.attack or "live"] += 1
        for seed in range(3):
            response, pairs = written(task, evidence, seed, sample.sample_id)
            _, problem = parse(json.dumps(response), task.validator)
            assert not problem
            assert pairs
            for question, answer in pairs:
                assert question
                assert answer
                assert not RESIDUE.search(f"{question} {answer}"), f"{question} {answer}"
                assert question[0].isupper() or question[0] in "\"'"
        system, prompt = task.asked(task.looked_at(evidence), Words.of(0))
        assert not RESIDUE.search(system)
        assert "{{" not in prompt
    assert species["live"]
    if task.name in OF_ATTACKS:
        made = {operator.attack for operator in OPERATORS.values() if operator.attack}
        assert set(species) >= made


def test_every_medium_of_augment_is_known_by_its_species():
    known = knowledge("attacks")["operators"]
    assert known == {name: operator.attack for name, operator in OPERATORS.items() if operator.attack}


def test_each_sign_says_what_why_and_when():
    for name, sign in signs().items():
        assert len(sign["seen"]) >= 2, name
        assert sign["why"], name
        gaps = set(re.findall(r"\{(\w+)\}", " ".join([*sign["seen"], *sign["why"], sign.get("where", "")])))
        assert gaps <= {"edges", *sign.get("values", {})}, name


def test_a_species_that_nobody_knows_has_no_class_and_is_passed_over():
    evidence = evidence_of(row(label="spoof", attack="hologram"))
    assert evidence["attack"]["species"] == "hologram"
    assert TASKS["spoof-fine"].missing(evidence) == ["attack_class"]
    assert TASKS["forgery-hierarchy"].missing(evidence) == ["lineage"]
    assert not TASKS["spoof-coarse"].missing(evidence)


def test_the_twelve_classes_are_those_of_the_schema():
    listed = TASKS["spoof-fine"].response["properties"]["class"]["enum"]
    assert listed == list(knowledge("attacks")["classes"])
    assert len(listed) == 12
    for one in knowledge("attacks")["species"].values():
        assert one.get("class", "live") in listed


def test_live_faces_have_no_box_and_attacks_those_of_their_mask(rows):
    for sample, mask in rows:
        evidence = evidence_of(sample, mask)
        if TASKS["spoof-locate"].missing(evidence):
            continue
        response, _ = written(TASKS["spoof-locate"], evidence)
        assert bool(response["boxes"]) == (sample.label == "spoof")
        for x, y, width, height in response["boxes"]:
            assert 0 <= x < x + width <= SIZE
            assert 0 <= y < y + height <= SIZE


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_only_what_a_task_names_can_shape_its_text(task, rows):
    sample, mask = rows[1]
    evidence = evidence_of(sample, mask)
    assert set(task.looked_at(evidence)) <= {"picture", *task.needs, *task.uses}
    for changed, other in rows[:20]:
        evidence = evidence_of(changed, other)
        if not task.missing(evidence):
            noise = {"steps": ["SECRET"], "secret": "SECRET", "demographics": {"age": "SECRET"}}
            assert written(task, evidence) == written(task, {**evidence, **noise})


PHRASES = {au: [*look["seen"]] for au, look in knowledge("action_units").items()}


def test_no_phrase_of_a_unit_says_another_one():
    for au, phrases in PHRASES.items():
        for other, others in PHRASES.items():
            if au != other:
                assert not any(one in another for one in phrases for another in others), (au, other)
    assert set(PHRASES) == set(ACTION_UNITS)


UNITS = st.dictionaries(
    st.sampled_from(sorted(ACTION_UNITS)), st.one_of(st.none(), st.floats(0, 5)), min_size=1, max_size=14
)


@settings(max_examples=40)
@given(UNITS, st.sampled_from(EXPRESSIONS), st.integers(0, 5))
def test_no_absent_or_uncoded_unit_is_ever_asserted(levels, expression, seed):
    sample = row(
        label="live",
        expression=expression,
        au={au: level for au, level in levels.items() if level is None or level > 0.01},
        au_domain=tuple(sorted(levels)),
        landmarks=tuple((float(n), float(n % 17)) for n in range(68)),
    )
    evidence = evidence_of(sample)
    present = set(sample.au)
    for name in (
        "explain-expression",
        "describe-aus",
        "describe-expression",
        "expression-dialogue",
        "describe-regions",
        "multiple-choice",
        "qa",
    ):
        task = TASKS[name]
        response, pairs = written(task, evidence, seed)
        for unit in response.get("aus", ()):
            assert unit["au"] in present
        text = " ".join([json.dumps(response), *(answer for _, answer in pairs)]).lower()
        for au in set(PHRASES) - present:
            assert not any(phrase in text for phrase in PHRASES[au]), (name, au)
        named = {int(au) for au in re.findall(r"\bau(\d+)", text)}
        assert named <= set(sample.au_domain)
        for au in named - present:
            assert f"au{au} is absent" in text
    coded = written(TASKS["describe-aus"], evidence, seed)[0]
    assert {unit["au"] for unit in coded["aus"]} == present
    assert set(coded["absent"]) == set(levels) - present


@settings(max_examples=20)
@given(UNITS, st.sampled_from(EXPRESSIONS), st.integers(0, 30))
def test_yes_is_no_better_guess_than_no(levels, expression, seed):
    present = {au: level for au, level in levels.items() if level is None or level > 0.01}
    sample = row(label="live", expression=expression, au=present, au_domain=tuple(levels))
    answers = written(TASKS["qa"], evidence_of(sample), seed)[0]["answers"]
    yes = sum(one["answer"].startswith("Yes") for one in answers)
    assert yes == sum(one["answer"].startswith("No") for one in answers)
    assert yes


def test_the_right_option_is_there_and_its_place_tells_nothing():
    places = []
    for number in range(400):
        sample = row(expression=EXPRESSIONS[number % 8]).replace(sample_id=f"{number:x}")
        evidence = evidence_of(sample)
        assert len(set(evidence["choices"])) == 4
        places.append(evidence["choices"].index(sample.expression))
        response, pairs = written(TASKS["multiple-choice"], evidence)
        letter = "ABCD"[places[-1]]
        assert response["choice"] == letter
        assert f"{letter}) {sample.expression}" in pairs[0][0]
    for place in range(4):  # 400 draws at 1/4: within four standard deviations
        assert abs(places.count(place) - 100) < 4 * (400 * 3 / 16) ** 0.5


def test_a_unit_that_is_present_without_a_grade_has_none_and_sides_are_kept():
    sample = row(au={12: None, 4: 2.6}, au_domain=(1, 4, 12), attributes={"au_side": {"12": "L"}})
    lowerer, puller = evidence_of(sample)["aus"]
    assert (lowerer["grade"], lowerer["strength"]) == ("C", "marked")
    assert "grade" not in puller
    assert puller["side"] == "left"
    response, _ = written(TASKS["describe-aus"], evidence_of(sample))
    assert "intensity" not in response["aus"][1]
    assert response["aus"][1]["side"] == "left"
    assert "on the person's left side" in response["aus"][1]["seen"]
    assert response["aus"][0]["intensity"] == "C"


def test_felt_emotions_and_other_words_are_no_expression():
    sample = row(expression="other", attributes={"task": "fear", "felt": "joy"})
    assert "expression" not in evidence_of(sample)


PERSON = {"age": "OLDTOKEN", "gender": "GENDERTOKEN", "race": "RACETOKEN"}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_demographics_never_leak(task, rows):
    for sample, mask in rows[:20]:
        known = sample.replace(attributes={**sample.attributes, **PERSON})
        evidence = evidence_of(known, mask)
        if not task.missing(evidence):
            prompt = " ".join(task.asked(task.looked_at(evidence), Words.of(0)))
            assert not any(token in said(task, evidence) + prompt for token in PERSON.values())


def test_demographics_that_were_asked_for_stand_apart():
    task = TASKS["expression-dialogue"].asking("age")
    sample = row(expression="fear", au={}, au_domain=(1, 4), attributes=PERSON)
    evidence = {**evidence_of(sample), "demographics": demographics_of(sample, task.sensitive)}
    response, pairs = written(task, evidence)
    assert response["priors"] == {"age": "OLDTOKEN"}
    assert "TOKEN" not in str(pairs)
    assert parse(json.dumps(response), task.validator)[1] == ""
    assert task.template_hash != TASKS["expression-dialogue"].template_hash
    with pytest.raises(UsageError, match="caption does not ask for 'race'; it offers no demographics"):
        TASKS["caption"].asking("race")


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_texts_are_the_same_for_the_same_words_and_vary_with_the_seed(task, rows):
    sample, mask = next(one for one in rows if not task.missing(evidence_of(*one)))
    evidence = evidence_of(sample, mask)
    assert said(task, evidence) == said(task, evidence)
    seen = {json.dumps(written(task, evidence, seed)[1]) for seed in range(12)}
    assert len(seen) >= 6


def test_identical_faces_do_not_share_one_text():
    task = TASKS["explain-expression"]
    evidence = evidence_of(row(expression="happiness", au={6: 3.0, 12: 4.0}, au_domain=(6, 12, 25)))
    texts = {written(task, evidence, 0, str(number))[1][0][1] for number in range(200)}
    assert len(texts) > 150


_LETTERS = "a" * 3000
_ITEMS = "'" + "ab," * 3000 + "'.split(',')"
_TWICE = "".join("{% set a = a ~ a %}" for _ in range(40))
BOMBS = {
    "loops within loops": f"{{% set x='{_LETTERS}' %}}" + "{% for a in x %}" * 3 + "{% endfor %}" * 3,
    "a text to itself": "{% set a='x' %}" + _TWICE,
    "a block twice": "{% set a %}x{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 40,
    "replace": f"{{% set a='{_LETTERS}' %}}{{{{ a|replace('a', a)|replace('a', a) }}}}",
    "the method": f"{{% set a='{_LETTERS}' %}}{{{{ a.replace('a', a).replace('a', a) }}}}",
    "join": f"{{% set a='{_LETTERS}' %}}{{{{ a|join(a)|join(a) }}}}",
    "numbers": "{% set a=9999999999 %}" + "{% set a=a*a %}" * 40,
    "round": "{{ 10|round(-99999999) }}",
    "escapes of escapes": "{{ '\"'" + "|json" * 60 + " }}",
    "lists of lists": "{% set a=[1] %}" + "{% set b=[a, a] %}{% set a=[b, b] %}" * 30 + "{{ a == b }}",
    "filters within filters": f"{{% set x={_ITEMS} %}}{{{{ x|map('select', 'in', x)|map('list')|list }}}}",
    "looking through lists": f"{{% set x={_ITEMS} %}}" + "{% for a in x %}{{ 'z' in x }}{% endfor %}",
    "what loops print": f"{{% set x={_ITEMS} %}}{{% for a in x %}}" + "y" * 9000 + "{% endfor %}",
    "what is printed in loops": f"{{% set x={_ITEMS} %}}"
    + "{% set y=x|join %}{% for a in x %}{{ y }}{% endfor %}",
    "blocks that call blocks": "{% block a %}{{ self.a() }}{% endblock %}",
    "nesting": "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "more nesting": "{% if 1 %}" * 300 + "{% endif %}" * 300,
    "minus": "{{ " + "-" * 5000 + "1 }}",
    "a number of thousands of digits": "{{ " + "9" * 5000 + " }}",
    "no number": "{{ 1e999 }}",
    "length": "x" * 30_000,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_template_of_a_few_lines_takes_neither_hours_nor_the_memory(text):
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TemplateError):
        template(text).render()
    assert time.process_time() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 300_000, "kilobytes"


def test_what_a_rendering_may_spend_is_not_what_all_may():
    """The tank is full for each of them."""
    text = template("{% for a in x %}{{ a }}{% endfor %}")
    for _ in range(300):
        assert len(text.render(x=["y"] * 10_000)) == 10_000
