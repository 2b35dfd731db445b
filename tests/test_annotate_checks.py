"""The checks: hand-worked answers, geometry, copies, the control, one repair, and the figures' floors."""

from __future__ import annotations

import asyncio
import json

import pytest
from annotate_breaches import BREACHES, FACE, HOLDS
from hypothesis import given
from hypothesis import strategies as st

from facedata.annotate.answering import answer_job
from facedata.annotate.ask import Asker, Limits
from facedata.annotate.checks.base import status_of
from facedata.annotate.checks.boxes import area_of, iou
from facedata.annotate.checks.catalogue import CHECKS, RUN_CHECKS, run_checks
from facedata.annotate.checks.duplicates import Seen, shingles, similarity
from facedata.annotate.compare import compare
from facedata.annotate.compose import understand
from facedata.annotate.jobs import Job
from facedata.annotate.providers.base import Image, Outcome, Request, Sampling
from facedata.annotate.spool import Spool
from facedata.annotate.store import Store
from facedata.annotate.swap import Swap, with_swaps
from facedata.annotate.tasks import CheckSpec, Task, load_task, stock_tasks
from facedata.datasets.errors import UsageError
from facedata.datasets.instructions import Check, Usage
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

WORDS = Words.of(0, "test")


def task(*rules: str, severity: str = "fail", **more) -> Task:
    return Task.model_validate(
        {
            "name": "test",
            "version": 1,
            "about": "-",
            "source": "-",
            "prompt": "-",
            "rules": "-",
            "response": {"type": "object", "required": ["text"]},
            "turns": [{"ask": ["Is AU4 present?"], "answer": "{{ response.text }}"}],
            "checks": [{"rule": rule, "severity": severity} for rule in rules],
            **more,
        }
    )


def found(rule: str, evidence: dict, text: str = "-", settings: dict | None = None, **response) -> str | None:
    answer = understand(task(), evidence, WORDS, json.dumps({"text": text, **response}))
    return CHECKS[rule](answer, settings or {})


@pytest.mark.parametrize(("rule", "evidence", "text", "response", "detail"), BREACHES)
def test_breach(rule, evidence, text, response, detail):
    assert detail in found(rule, evidence, text, **response)


@pytest.mark.parametrize(("rule", "evidence", "text", "response"), HOLDS)
def test_no_breach(rule, evidence, text, response):
    assert found(rule, evidence, text, **response) == ""


NOT_KNOWN = [
    "expression-equals-truth",
    "label-equals-truth",
    "attack-equals-truth",
    "aus-complete",
    "aus-grounded",
]
NOT_KNOWN += ["polarity", "side", "cue-for-species", "boxes-inside", "boxes-match", "prototype"]


@pytest.mark.parametrize("rule", NOT_KNOWN)
def test_what_is_not_known_is_not_checked(rule):
    assert found(rule, {}, "AU12 shows anger on the left; a spoof made of pixels.") is None


def test_what_is_read_badly_in_prose_flags_there_and_fails_in_a_field():
    def status(rule: str, **response) -> str:
        answer = understand(task(), FACE, WORDS, json.dumps({"text": "-", **response}))
        (check,) = run_checks(answer, (CheckSpec(rule=rule),))
        return check.status

    assert status("aus-grounded", text="AU4 shows.") == "flag"
    assert status("aus-grounded", aus=[{"au": 4}]) == "fail"
    assert status("polarity", text="AU12 is absent.") == "flag"
    assert status("polarity", absent=[12]) == "fail"
    assert status("aus-complete", text="AU6 shows.") == "flag"
    assert status("aus-complete", aus=[{"au": 6}]) == "fail"
    assert status("side", text="The right lip corner is pulled up.") == "fail"


def test_equals_truth_of_any_field_and_by_the_tasks_own_names():
    evidence = {"attack": {"species": "mask/resin"}, "grade": 3}
    settings = {"field": "class", "truth": "attack.species", "values": {"mask": "worn", "print": ["flat"]}}
    assert found("equals-truth", evidence, settings=settings, **{"class": "worn"}) == ""
    assert "'flat'" in found("equals-truth", evidence, settings=settings, **{"class": "flat"})
    assert (
        found("equals-truth", evidence, settings={"field": "steps.n", "truth": "grade"}, steps=[{"n": 3}])
        == ""
    )


def test_what_a_task_asks_for_is_no_unasked_demographics():
    answer = understand(task(sensitive=["gender"]), FACE, WORDS, json.dumps({"text": "She smiles."}))
    assert CHECKS["no-demographics"](answer, {}) == ""


def test_a_prototype_never_rejects():
    evidence = {**FACE, "expression": {"value": "anger"}, "coded": [4, 5, 6, 7, 12, 23, 24]}
    job, provider = job_of(task("prototype", severity="fail"), evidence), Says(['{"text": "-"}'])
    (check,) = answered(job, provider).checks
    assert check.status == "flag"
    assert "Du, Tao and Martinez 2014" in check.detail


def test_the_stock_tasks_name_checks_that_exist():
    for name in stock_tasks():
        for spec in load_task(name).checks:
            assert spec.rule in CHECKS or spec.rule in RUN_CHECKS, (name, spec.rule)


# Boxes

BOX = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))


@given(st.lists(BOX, max_size=5))
def test_area_of_a_union_is_the_count_of_its_cells(boxes):
    cells = {(x, y) for a, b, c, d in boxes for x in range(a, c) for y in range(b, d)}
    assert area_of(boxes) == len(cells)


def test_iou_by_hand():
    assert iou([(0, 0, 2, 2)], [(1, 0, 3, 2)]) == pytest.approx(2 / 6)
    assert iou([], []) == 0


# Copies

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def test_similarity_by_hand():
    # abc bcd cde against bcd cde def: two of four shingles are common
    assert similarity(shingles("a b c d e"), shingles("b c d e f")) == 0.5


def test_copies_are_found_and_others_are_not():
    seen = Seen()
    first = " ".join(LETTERS)
    assert seen.nearest("first", first) is None
    assert seen.nearest("other", " ".join(reversed(LETTERS))) is None
    name, value = seen.nearest("copy", first.replace("m", "M!"))
    assert (name, value) == ("first", 1.0)
    name, value = seen.nearest("changed", first.replace("m ", "another "))
    assert name == "first"
    assert value == pytest.approx(21 / 27)  # three of twenty-four shingles changed
    seen.close()


def test_similar_pairs_are_met_as_often_as_the_bands_promise():
    words = Words.of(1)
    missed = 0
    for number in range(300):
        seen, text = Seen(), [words.choice(LETTERS) + words.choice(LETTERS) for _ in range(80)]
        seen.nearest("a", " ".join(text))
        text[40:45] = ["x1", "x2", "x3", "x4", "x5"]  # 7 of 78 shingles: similarity 71/85 = 0.84
        missed += seen.nearest(str(number), " ".join(text)) is None
        seen.close()
    assert missed <= 1


# A provider that says what it is told to


class Says:
    name, model, price = "said", "said-1", None

    def __init__(self, texts, blank=None):
        self.texts, self.blank, self.requests = list(texts), blank, []

    def settings(self):
        return {"provider": self.name}

    def extra_key(self, request):
        return None

    def estimate(self, request):
        return Usage()

    async def answer(self, request):
        self.requests.append(request)
        if self.blank is not None and request.images and request.images[0].sha256 != "s" * 64:
            return Outcome(status="ok", text=self.blank)
        return Outcome(status="ok", text=self.texts.pop(0))

    async def close(self):
        pass


def job_of(asked: Task, evidence: dict, name: str = "a") -> Job:
    sample = Sample(sample_id=name * 32, image="-", content_hash="s" * 64, width=100, height=80)
    image = Image("s" * 64, lambda: b"")
    request = Request("", f"about {name}", (image,), asked.response, Sampling(), asked, evidence, WORDS)
    return Job(sample, asked, request, evidence, WORDS)


def answered(job: Job, provider: Says, swapped: Request | None = None, *, repair: bool = True):
    async def run():
        with Store(None) as store:
            asker = Asker(provider, store, Limits(attempts=1))
            return await answer_job(job, asker, repair=repair, swapped=swapped)

    return asyncio.run(run())


GOOD = json.dumps({"text": "AU6 and AU12 show."})
BAD = json.dumps({"text": "AU6 and AU12 show.", "aus": [{"au": 4}]})


def test_one_repair_and_then_review():
    asked = task("schema", "aus-grounded")
    mended = Says([BAD, GOOD])
    assert answered(job_of(asked, FACE), mended).status == "accept"
    assert "AU4, coded as absent" in mended.requests[1].prompt
    stubborn = Says([BAD, BAD, GOOD])
    assert answered(job_of(asked, FACE), stubborn).status == "review"
    assert len(stubborn.requests) == 2
    assert answered(job_of(asked, FACE), Says([BAD]), repair=False).status == "review"


def test_a_flag_is_not_sent_back():
    provider = Says([BAD])
    assert answered(job_of(task("aus-grounded", severity="flag"), FACE), provider).status == "review"
    assert len(provider.requests) == 1


def test_what_leaves_nothing_to_review_is_rejected():
    assert answered(job_of(task("schema"), FACE), Says(["no JSON", "no JSON"])).status == "reject"
    refused = json.dumps({"text": "I'm sorry, I cannot help with that."})
    assert answered(job_of(task("schema", "refusal"), FACE), Says([refused] * 2)).status == "reject"
    assert status_of([Check(rule="side", status="skip")]) == "accept"


def test_an_unknown_check_is_named():
    with pytest.raises(UsageError, match=r"no check 'nonsense'.*near-duplicate"):
        answered(job_of(task("nonsense"), FACE), Says([GOOD]))


def test_the_control_finds_answers_that_do_not_look():
    asked = task("schema")
    text = "The cheeks are raised and both corners of the mouth are drawn up and back towards the ears."
    other = "A grey surface without any face fills the whole frame, so that nothing can be described here."
    ((job, swapped),) = with_swaps([job_of(asked, FACE)], Swap(share=1.0))
    said = json.dumps({"text": text})
    blind = answered(job, Says([said], blank=said), swapped)
    assert (blind.status, blind.checks[-1].status) == ("review", "flag")
    assert "stays the same" in blind.checks[-1].detail
    seeing = answered(job, Says([said], blank=json.dumps({"text": other})), swapped)
    assert (seeing.status, seeing.checks[-1].status) == ("accept", "pass")
    rules = Says([said])
    rules.name = "rules"
    assert answered(job, rules, swapped).checks[-1] == Check(
        rule="swap-control", status="skip", detail="rules see no picture"
    )
    assert len(rules.requests) == 1


def test_the_control_takes_its_share_and_another_samples_picture():
    asked, jobs = task(), []
    for number in range(400):
        job = job_of(asked, FACE)
        words = Words.of(5, number)
        sample = job.sample.replace(content_hash=f"{number:064d}")
        image = Image(sample.content_hash, lambda: b"")
        request = Request("", "", (image,), {}, Sampling(), asked, FACE, words)
        jobs.append(Job(sample, asked, request, FACE, words))
    pairs = list(with_swaps(jobs, Swap(share=0.25, picture="other")))
    drawn = [number for number, (_, swapped) in enumerate(pairs) if swapped is not None]
    assert 70 <= len(drawn) <= 130  # 100 +- 3.5 standard deviations
    assert all(pairs[n][1].images[0].sha256 == f"{n - 1:064d}" for n in drawn if n)
    assert all(swapped is None for _, swapped in with_swaps(jobs, Swap()))


def test_copies_among_the_records_of_a_run_go_to_review(tmp_path):
    asked = task("schema", "near-duplicate", severity="flag")
    long = {"text": "The cheeks are raised, the corners of the mouth are drawn up and the eyes look narrow."}
    spool = Spool(tmp_path / "spool")
    records = [answered(job_of(asked, FACE, name), Says([json.dumps(long)])) for name in "abc"]
    records.append(
        answered(job_of(asked, FACE, "d"), Says([json.dumps({"text": "Something else is said here."})]))
    )
    spool.add(records)
    assert compare(spool, [asked]) == {("accept", "review"): 2}
    after = list(spool)
    first = min(record.record_id for record in records[:3])
    assert [r.status for r in after if r.task == "test"].count("accept") == 2
    for record in after:
        if record.status == "review":
            assert record.checks[-1] == Check(
                rule="near-duplicate", status="flag", detail=f"says nearly the same as {first} (1.00)"
            )
    compare(spool, [asked])
    assert [len(record.checks) for record in spool] == [2] * 4, "a second pass replaces what the first found"
    spool.close()
