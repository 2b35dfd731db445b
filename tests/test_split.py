"""Splits: nothing that belongs together is parted, and protocols are what they say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from version_trees import listed, make, samples, sound

from facedata.datasets.errors import UsageError
from facedata.datasets.sample import Sample, Source, to_table
from facedata.datasets.versions.derive import Writing
from facedata.datasets.versions.disjoint import Disjoint
from facedata.datasets.versions.groups import Keys
from facedata.datasets.versions.protocol import Protocol, load_protocol, stock_protocols
from facedata.datasets.versions.split import assign, parse_ratios, split_by_protocol, split_by_ratios

THIRDS = {"train": 0.5, "val": 0.25, "test": 0.25}


def row(sid, **values) -> Sample:
    return Sample(**{"sample_id": sid, "image": "x", "content_hash": sid, "width": 1, "height": 1, **values})


def parts(rows, by) -> set[frozenset[str]]:
    """The groups as sets of ids."""
    keys = Keys(by)
    for start in range(0, len(rows), 2):  # in tables, as they come
        keys.add_table(to_table(rows[start : start + 2]))
    found = {}
    for sample, number in zip(rows, keys.groups().tolist(), strict=True):
        found.setdefault(number, set()).add(sample.sample_id)
    return {frozenset(ids) for ids in found.values()}


def sets(*texts) -> set[frozenset[str]]:
    return {frozenset(text) for text in texts}


def test_families_go_down_many_levels_and_orphans_keep_to_their_siblings():
    chain = [row(b, parent_id=a) for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    assert parts([row("a"), *chain, row("z")], "source") == sets("abcdefgh", "z")
    assert parts(chain[::-1], "source") == sets("bcdefgh")
    assert parts([row("x", parent_id="gone"), row("y", parent_id="gone"), row("z")], "source") == sets(
        "xy", "z"
    )


def test_frames_of_a_video_and_equal_pictures_keep_together():
    video = [
        row(sid, source=Source(dataset="d", file="v.avi", frame=n, sha256="s")) for n, sid in enumerate("abc")
    ]
    other = row("d", source=Source(dataset="e", file="v.avi", frame=0, sha256="t"))
    assert parts([*video, other], "source") == sets("abc", "d")
    assert parts([row("a", content_hash="same"), row("b", content_hash="same"), row("c")], "source") == sets(
        "ab", "c"
    )


def test_a_subject_is_one_of_its_dataset():
    one = [
        row(sid, subject="1", source=Source(dataset=d, file=sid)) for sid, d in zip("abc", "xxy", strict=True)
    ]
    assert parts([*one, row("d"), row("e")], "subject") == sets("ab", "c", "d", "e")


def test_an_identity_is_a_subject_and_a_shown_face():
    rows = [
        row("a", subject="ada"),
        row("b", subject="ben", attributes={"identity": "ada"}),  # ben behind a mask of ada
        row("c", subject="eve"),
    ]
    assert parts(rows, "identity") == sets("ab", "c")
    assert parts(rows, "subject") == sets("a", "b", "c")


def test_domains_are_groups():
    assert parts([row("a", domain="x"), row("b", domain="x"), row("c", domain="y")], "domain") == sets(
        "ab", "c"
    )
    with pytest.raises(UsageError, match="no row has a domain"):
        parts([row("a")], "domain")


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=30))
def test_groups_are_connected_components(links):
    """Against a search from node to node: row i has the subject s and the parent p."""
    rows = [
        row(f"{n:03}", subject=f"s{s}", parent_id=f"{p:03}" if p < n else None)
        for n, (p, s) in enumerate(links)
    ]
    left, expected = set(range(len(rows))), set()
    while left:
        reached, waiting = set(), [left.pop()]
        while waiting:
            here = waiting.pop()
            reached.add(here)
            near = {
                n
                for n in left
                if rows[n].subject == rows[here].subject
                or rows[n].parent_id == rows[here].sample_id
                or rows[here].parent_id == rows[n].sample_id
                or (rows[n].parent_id and rows[n].parent_id == rows[here].parent_id)
            }
            left -= near
            waiting += near
        expected.add(frozenset(rows[n].sample_id for n in reached))
    assert parts(rows, "subject") == expected


def test_shares_of_equal_groups_are_exact():
    found = assign(np.repeat(np.arange(100), 3), np.zeros(300, np.int64), [0.7, 0.1, 0.2], 0)
    assert np.bincount(found).tolist() == [210, 30, 60]


@given(
    st.lists(st.integers(1, 9), min_size=4, max_size=60),
    st.lists(st.floats(0.05, 1), min_size=2, max_size=4),
    st.integers(0, 99),
)
def test_shares_miss_by_less_than_the_largest_group(sizes, weights, seed):
    shares = [weight / sum(weights) for weight in weights]
    groups = np.repeat(np.arange(len(sizes)), sizes)
    found = assign(groups, np.zeros(len(groups), np.int64), shares, seed)
    for number in range(len(sizes)):
        assert len(set(found[groups == number].tolist())) == 1
    got = np.bincount(found, minlength=len(shares))
    assert np.abs(got - np.array(shares) * len(groups)).max() <= max(sizes) * len(shares)


def test_strata_have_the_shares_too():
    """200 people of one kind each: every kind is dealt out 70, 10, 20."""
    groups = np.repeat(np.arange(200), 5)
    strata = np.repeat(np.arange(200) % 4, 5)
    found = assign(groups, strata, [0.7, 0.1, 0.2], 1)
    for stratum in range(4):
        assert np.bincount(found[strata == stratum]).tolist() == [175, 25, 50]


@pytest.fixture
def people(tmp_path):
    """Twelve people of three domains, two pictures each, live and spoof."""
    lines = [f"{label},p{n:02},cam{n % 3}" for n in range(12) for label in ("live", "spoof")]
    return listed(tmp_path / "l", "label,subject,domain", lines, tmp_path / "a", variants=2)


def split_of(root, field) -> dict[str, set]:
    found = {}
    for sample in samples(root):
        found.setdefault(getattr(sample, field), set()).add(sample.split)
    return found


def test_split_by_subject(people, tmp_path):
    found = split_by_ratios(people, tmp_path / "s", ratios=THIRDS, stratify=["label"], seed=1)
    assert found.details["splits"] == {"train": 36, "val": 18, "test": 18}
    assert found.details["groups"] == {"train": 6, "val": 3, "test": 3}
    assert all(len(splits) == 1 for splits in split_of(tmp_path / "s", "subject").values())
    assert found.record.counts.by_split == found.details["splits"]
    counts = Counter((s.split, s.label) for s in samples(tmp_path / "s"))
    assert counts["train", "live"] == counts["train", "spoof"] == 18
    assert sound(tmp_path / "s")
    again = split_by_ratios(people, tmp_path / "t", ratios=THIRDS, stratify=["label"], seed=1)
    other = split_by_ratios(people, tmp_path / "u", ratios=THIRDS, stratify=["label"], seed=2)
    assert found.record.version == again.record.version != other.record.version


def test_split_by_domain(people, tmp_path):
    found = split_by_ratios(people, tmp_path / "s", by="domain", ratios={"train": 2 / 3, "test": 1 / 3})
    assert all(len(splits) == 1 for splits in split_of(tmp_path / "s", "domain").values())
    assert found.details["groups"] == {"train": 2, "test": 1}


def test_a_split_that_would_part_a_person_is_not_written(people, tmp_path):
    with pytest.raises(UsageError, match=r"what must not part: subject 'p\d\d': \w+ is in 't\w+', \w+ is in"):
        split_by_ratios(people, tmp_path / "s", by="source", ratios={"train": 0.5, "test": 0.5})
    assert not (tmp_path / "s").exists()


def test_a_split_that_would_be_empty_is_refused(people, tmp_path):
    with pytest.raises(UsageError, match="would be empty: there are 3 groups by domain"):
        split_by_ratios(people, tmp_path / "s", by="domain", ratios={str(n): 0.25 for n in range(4)})


@pytest.mark.parametrize(
    "text",
    ["train", "train=1,test=1", "train=0.5", "train=x,test=1", "=1", "a=0.5,a=0.5", "../x=1", "a=0,b=1"],
)
def test_ratios_that_cannot_be_are_refused(text):
    with pytest.raises(UsageError, match="--ratios"):
        parse_ratios(text)


def test_disjoint_sees_each_kind_of_leak():
    def kinds(*rows):
        check = Disjoint()
        for sample in rows:
            check.add_table(to_table([sample]))
        return [leak.kind for leak in check.leaks()]

    person = {"subject": "1", "source": Source(dataset="d", file="f")}
    assert kinds(row("a", split="x", **person), row("b", split="y", **person)) == ["subject"]
    other = {"subject": "1", "source": Source(dataset="e", file="f")}
    assert kinds(row("a", split="x", **person), row("b", split="y", **other)) == []
    assert kinds(row("a", split="x", content_hash="c"), row("b", split="y", content_hash="c")) == ["picture"]
    assert kinds(row("a", split="x"), row("b", split="y", parent_id="a")) == ["family"]
    assert kinds(row("a"), row("b", split="y", parent_id="a")) == ["family"]
    assert kinds(row("b", split="y", parent_id="gone"), row("c", split="x")) == []
    video = [Source(file="v", sha256="s", frame=n) for n in (0, 1)]
    assert kinds(row("a", split="x", source=video[0]), row("b", split=None, source=video[1])) == ["video"]
    assert kinds(row("a", split="x", **person), row("b", split=None, **person)) == []


# protocols

LETTERS = {"o": "oulu-npu", "c": "casia-fasd", "i": "replay-attack", "m": "msu-mfsd"}


@pytest.fixture
def ocim(tmp_path):
    lines = [
        f"{label},{d}-{n},{d}" for d in LETTERS.values() for n in range(3) for label in ("live", "spoof")
    ]
    lines += ["live,x,celeba-spoof"]
    return listed(tmp_path / "l", "label,subject,domain", lines, tmp_path / "a", variants=1)


@pytest.mark.parametrize("left_out", LETTERS)
def test_leave_one_domain_out(ocim, tmp_path, left_out):
    found = split_by_protocol(ocim, tmp_path / "s", load_protocol(f"ocim-{left_out}"))
    domains = split_of(tmp_path / "s", "domain")
    assert domains == {d: {"test" if letter == left_out else "train"} for letter, d in LETTERS.items()}
    assert found.details == {"splits": {"train": 36, "test": 12}, "others": 2}
    assert found.record.notes == ["2 rows are of no split (drop)"]
    assert found.record.parameters["protocol"]["splits"]["test"] == f'domain in ["{LETTERS[left_out]}"]'
    assert sound(tmp_path / "s")


@pytest.mark.parametrize("test", ["c", "o"])
def test_limited_source(ocim, tmp_path, test):
    split_by_protocol(ocim, tmp_path / "s", load_protocol(f"limited-mi-{test}"))
    expected = {"msu-mfsd": {"train"}, "replay-attack": {"train"}, LETTERS[test]: {"test"}}
    assert split_of(tmp_path / "s", "domain") == expected


def test_a_share_of_train_is_held_out_by_person(ocim, tmp_path):
    protocol = load_protocol("ocim-o").model_copy(update={"hold_out": hold_out(share=1 / 3)})
    found = split_by_protocol(ocim, tmp_path / "s", protocol, seed=5)
    assert found.details["splits"] == {"train": 24, "test": 12, "val": 12}
    assert found.record.seed == 5
    assert all(len(splits) == 1 for splits in split_of(tmp_path / "s", "subject").values())
    assert sound(tmp_path / "s")


def hold_out(**values):
    from facedata.datasets.versions.protocol import HoldOut

    return HoldOut(**values)


def test_a_protocol_file_of_ones_own(people, tmp_path):
    (tmp_path / "p.yaml").write_text(
        'name: mine\nsplits:\n  train: subject < "p06"\n  test: subject >= "p08"\nothers: keep\n'
    )
    found = split_by_protocol(people, tmp_path / "s", load_protocol(str(tmp_path / "p.yaml")))
    assert found.record.counts.by_split == {"none": 12, "test": 24, "train": 36}


PROTOCOLS = {
    "two splits for a row": ("splits: {a: width > 0, b: variant == 1}", "is of 'a' and of 'b'"),
    "a split of nothing": ("splits: {a: width > 0, b: width < 0}", "no row is of the split 'b'"),
    "a missing domain": (
        "splits: {a: width > 0}\nneeds: [oulu-npu]",
        "needs rows of the domain 'oulu-npu'.*cam0",
    ),
    "parted variants": ("splits: {a: variant is None, b: variant >= 0}", "must not part"),
    "a condition": ("splits: {a: widht > 0}", "splits.a: at 1: 'widht'.*did you mean 'width'"),
    "no splits": ("title: x", "splits: field required"),
    "an odd name": ("splits: {a: width > 0}\nratio: 1", "ratio: extra inputs"),
    "broken YAML": ("splits: [", "not valid YAML"),
    "a share of what": ("splits: {a: width > 0}\nhold_out: {of: train, share: 0.5}", "hold_out.of 'train'"),
}


@pytest.mark.parametrize(("text", "words"), PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_protocols_that_cannot_work_are_refused(people, tmp_path, text, words):
    (tmp_path / "p.yaml").write_text(f"name: p\n{text}\n")
    with pytest.raises(UsageError, match=words):
        split_by_protocol(people, tmp_path / "s", load_protocol(str(tmp_path / "p.yaml")), writing=Writing())
    assert not (tmp_path / "s").exists()


def test_an_unknown_protocol_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match=r"no protocol 'ocim'; there are limited-mi-c, .*ocim-o"):
        load_protocol("ocim")


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (ROOT / "datasets" / "protocols").glob("*.yaml"))
)
def test_stock_protocols_load_and_say_where_they_are_from(name):
    assert name in stock_protocols()
    protocol = load_protocol(name)
    assert isinstance(protocol, Protocol)
    assert protocol.source
    assert protocol.title
    values = yaml.safe_load((ROOT / "datasets" / "protocols" / f"{name}.yaml").read_text())
    assert values["name"] == name


def test_without_subjects_files_are_split(faces, tmp_path):
    """A folder without subjects is split by source, families whole."""
    with pytest.raises(
        UsageError, match="no row has a person, so --by subject cannot work; take --by source"
    ):
        split_by_ratios(make(faces, tmp_path / "a"), tmp_path / "s", ratios=THIRDS)
    split_by_ratios(tmp_path / "a", tmp_path / "s", by="source", ratios=THIRDS, stratify=["label", "attack"])
    assert sound(tmp_path / "s")
