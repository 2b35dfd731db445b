"""Edits by hand: read with care, applied where they fit, refused by name where not."""

from __future__ import annotations

import pytest
from version_trees import by_file, make, samples, sound

from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.versions.edit import edit, edits_of
from facedata.datasets.versions.edits_file import read_edits
from facedata.datasets.versions.filter import filter_rows
from facedata.datasets.versions.merge import merge

HEADER = "sid,field,old,new,author,time,message\n"


@pytest.fixture
def dataset(faces, tmp_path):
    return make(faces, tmp_path / "a")


@pytest.fixture
def ada(dataset):
    return by_file(dataset)["live/ada 0.jpg"]


@pytest.fixture
def printed(dataset):
    return by_file(dataset)["spoof/print/p0.jpg"]


def apply(dataset, *lines, name="b", **options):
    path = dataset.parent / "edits.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return edit(dataset, path, dataset.parent / name, **options)


def test_every_kind_of_field(dataset, ada):
    lines = [
        *("label,live,spoof,,,", "attack,,print/photo,,,", "expression,,happiness,,,", "valence,,-0.25,,,"),
        *("confidence,,1,,,", "box,,1 2 30.5 40,,,", "landmarks,,1 2 3 4,,,", "au,,12=2.5 6=0 4=,,,"),
        *("au_domain,,4 6 12 17,,,", "au.17,,1,,,", "attributes.age,,30,,,", "attributes.note,,a b,,,"),
        *("source.licence,,CC0,,,", "source.dataset,,mine,,,"),
    ]
    found = apply(dataset, *[f"{ada.sample_id},{line}" for line in lines])
    (row,) = (sample for sample in samples(dataset.parent / "b") if sample.sample_id == ada.sample_id)
    assert (row.label, row.attack, row.expression, row.valence) == (
        "spoof",
        "print/photo",
        "happiness",
        -0.25,
    )
    assert (row.confidence, row.box, row.landmarks) == (1.0, (1.0, 2.0, 30.5, 40.0), ((1.0, 2.0), (3.0, 4.0)))
    assert (row.au, row.au_domain) == ({4: None, 6: 0.0, 12: 2.5, 17: 1.0}, (4, 6, 12, 17))
    assert row.attributes == {"age": 30, "note": "a b"}
    assert (row.source.licence, row.source.dataset, row.source.sha256) == ("CC0", "mine", ada.source.sha256)
    assert row.image.startswith("images/spoof/")
    assert found.details == {"edited_rows": 1, "deleted_rows": 0, "already_so": 0, "conflicts": []}
    assert sound(dataset.parent / "b")


def test_values_are_taken_away_again(dataset, ada):
    apply(dataset, f"{ada.sample_id},au,,12=2,,,", f"{ada.sample_id},attributes.age,,30,,,")
    lines = [f"{ada.sample_id},au,12=2,,,,", f"{ada.sample_id},attributes.age,30,,,,"]
    back = apply(dataset.parent / "b", *lines, name="c")
    assert back.record.version == back.record.ancestors[back.record.parents[0].lineage].parents[0].version
    kept = (dataset.parent / "c" / "curation" / "edits.csv").read_text().splitlines()
    assert len(kept) == 5  # the header, two edits, and the two that took them back


def test_a_text_attribute_stays_a_text(tmp_path):
    from version_trees import listed

    root = listed(tmp_path / "l", "label,session", ["live,007"], tmp_path / "a", variants=0)
    (sample,) = samples(root)
    apply(root, f"{sample.sample_id},attributes.session,007,008,,,")
    assert samples(tmp_path / "b")[0].attributes == {"session": "008"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode() + b"\r\n\r\n",
        lambda text: text.replace(",", " , ").encode(),
        lambda text: text.replace("sid,", "SID,").encode(),
    ],
    ids=["plain", "byte-order mark", "CRLF", "both, and blank lines", "stray spaces", "capitals"],
)
def test_a_file_is_read_however_it_was_saved(dataset, ada, spoil):
    path = dataset.parent / "edits.csv"
    path.write_bytes(spoil(HEADER + f"{ada.sample_id},label,live,spoof,ada,2026-01-31T12:00:00+00:00,why\n"))
    (found,) = read_edits(path)
    assert (found.sid, found.field, found.old, found.new, found.message) == (
        *(ada.sample_id, "label", "live", "spoof", "why"),
    )


def test_quoted_values_may_hold_commas_quotes_and_line_ends(dataset, ada):
    apply(dataset, f'{ada.sample_id},subject,,"Lovelace, ""Ada""",me,,"one,\ntwo"')
    assert {s.subject for s in samples(dataset.parent / "b")} == {None, 'Lovelace, "Ada"'}
    kept = (dataset.parent / "b" / "curation" / "edits.csv").read_text()
    assert kept == HEADER + f'{ada.sample_id},subject,,"Lovelace, ""Ada""",me,,"one, two"\n'


UNREADABLE = {
    "no such column": ("sid,field,old\n", "edits.csv:1: no column 'new'"),
    "an odd column": ("sid,field,old,new,colour\n", "edits.csv:1: the column 'colour'"),
    "a column twice": ("sid,field,old,new,new\n", "edits.csv:1: the column 'new'"),
    "an empty file": ("", "edits.csv:1: no column 'sid'"),
    "a short line": (HEADER + "a,label,live,spoof,,,\na,label\n", "edits.csv:3: 2 values, the header has 7"),
    "a long line": (HEADER + "a,label,live,spoof,,,,,\n", "edits.csv:2: 9 values"),
    "an open quote": (HEADER + 'a,label,"live,spoof\n', "mend its quotes"),
    "no sid": (HEADER + ",label,live,spoof,,,\n", "edits.csv:2: no sid"),
    "an unknown field": (
        HEADER + "a,lable,live,spoof,,,\n",
        "edits.csv:2: no field 'lable'.* there are split",
    ),
    "a field of the id": (HEADER + "a,seed,1,2,,,\n", "edits.csv:2: no field 'seed'"),
    "a number that is none": (HEADER + "a,valence,,high,,,\n", "edits.csv:2: 'high' is not a number"),
    "nan": (HEADER + "a,valence,,nan,,,\n", "edits.csv:2: 'nan' is not a number"),
    "a box of three": (HEADER + "a,box,,1 2 3,,,\n", "edits.csv:2: box '1 2 3' is not four numbers"),
    "odd landmarks": (HEADER + "a,landmarks,,1 2 3,,,\n", "edits.csv:2: landmarks are pairs"),
    "too intense": (HEADER + "a,au.12,,9,,,\n", "edits.csv:2: intensity 9"),
    "an action unit": (HEADER + "a,au,,12:2,,,\n", "edits.csv:2: au '12:2'"),
    "a time": (HEADER + "a,label,,live,,yesterday,\n", "edits.csv:2: time 'yesterday' is not ISO 8601"),
    "no deletion": (HEADER + "a,deleted,,yes,,,\n", "edits.csv:2: deleted is true or empty, not 'yes'"),
    "a deletion taken back": (HEADER + "a,deleted,true,,,,\n", "edits.csv:2: a sample is deleted by"),
    "a control character": (HEADER + "a,label,,li\x07ve,,,\n", "edits.csv:2: .*control character"),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, text, words):
    (tmp_path / "edits.csv").write_text(text)
    with pytest.raises(UsageError, match=words):
        read_edits(tmp_path / "edits.csv")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "edits.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="cannot be read as UTF-8"):
        read_edits(tmp_path / "edits.csv")
    with pytest.raises(SourceError, match="No such file"):
        read_edits(tmp_path / "none.csv")


def test_conflicts_are_all_named_and_nothing_is_made(dataset, ada, printed):
    lines = [
        f"{ada.sample_id},subject,bob,eve,,,",
        f"{printed.sample_id},attack,print,print/inkjet,,,",
        f"{printed.sample_id},attack,print,print/laser,,,",
        "feed,label,live,spoof,,,",
    ]
    with pytest.raises(UsageError) as caught:
        apply(dataset, *lines)
    for words in (
        "3 edits do not fit, so none was made",
        f"edits.csv:2: subject of {ada.sample_id} is '', not 'bob'",
        f"edits.csv:4: attack of {printed.sample_id} is 'print/inkjet', not 'print'",
        "edits.csv:5: no sample 'feed' in a",
    ):
        assert words in str(caught.value)
    assert not (dataset.parent / "b").exists()
    found = apply(dataset, *lines, skip_conflicts=True)
    assert [failure.place for failure in found.record.failures] == [
        "edits.csv:2",
        "edits.csv:4",
        "edits.csv:5",
    ]
    assert found.record.counts.by_attack == {"print": 11, "print/inkjet": 1}
    assert sound(dataset.parent / "b")


def test_edits_follow_one_another_and_what_is_so_already_is_no_conflict(dataset, printed):
    lines = [f"{printed.sample_id},attack,print,print/x,,,", f"{printed.sample_id},attack,print/x,print/y,,,"]
    found = apply(dataset, *lines, f"{printed.sample_id},label,live,spoof,,,")
    assert found.record.counts.by_attack == {"print": 11, "print/y": 1}
    assert found.details["already_so"] == 1


def test_a_row_is_not_edited_into_a_contradiction(dataset, printed):
    with pytest.raises(UsageError, match=r"edits.csv:2: .* would have attack 'print' on a live sample"):
        apply(dataset, f"{printed.sample_id},label,spoof,live,,,")
    both = [f"{printed.sample_id},label,spoof,live,,,", f"{printed.sample_id},attack,print,,,,"]
    assert apply(dataset, *both).record.counts.by_label == {"live": 25, "spoof": 11}


@pytest.mark.parametrize("name", ["subject", "split", "domain"])
def test_what_a_family_shares_is_edited_for_all_of_it(dataset, ada, name):
    apply(dataset, f"{ada.sample_id},{name},,x,,,")
    changed = {s.sample_id for s in samples(dataset.parent / "b") if getattr(s, name) == "x"}
    assert changed == {s.sample_id for s in samples(dataset) if ada.sample_id in (s.sample_id, s.parent_id)}
    assert len(changed) == 3
    assert sound(dataset.parent / "b")
    child = next(s for s in samples(dataset) if s.parent_id == ada.sample_id)
    with pytest.raises(
        UsageError, match=f"was made from {ada.sample_id} and keeps its {name}; edit that one"
    ):
        apply(dataset, f"{child.sample_id},{name},,x,,,", name="c")


def test_a_deleted_sample_goes_and_what_was_made_from_it_stays(dataset, ada):
    found = apply(dataset, f"{ada.sample_id},deleted,,true,me,,twice", f"{ada.sample_id},label,live,spoof,,,")
    left = {sample.sample_id for sample in samples(dataset.parent / "b")}
    assert left == {sample.sample_id for sample in samples(dataset)} - {ada.sample_id}
    assert (found.details["deleted_rows"], found.record.counts.orphans) == (1, 2)
    assert sound(dataset.parent / "b")
    again = apply(dataset.parent / "b", f"{ada.sample_id},deleted,,true,,,", name="c")
    assert again.record.version == found.record.version
    assert again.details["already_so"] == 1


def test_no_edits_are_the_same_version(dataset):
    found = apply(dataset)
    assert found.record.version == found.record.parents[0].version
    assert not (dataset.parent / "b" / "curation").exists()


def test_edits_are_kept_by_what_is_made_of_them(dataset, ada, printed):
    first, second = f"{ada.sample_id},expression,,joy,me,,", f"{printed.sample_id},attack,print,mask,me,,"
    apply(dataset, first)
    filter_rows(dataset.parent / "b", "true", dataset.parent / "f")
    found = apply(dataset.parent / "f", second, name="c")
    kept = (dataset.parent / "c" / "curation" / "edits.csv").read_text()
    assert kept == HEADER + f"{first}\n{second}\n"
    told = found.record.parameters
    assert [one.line() for one in edits_of(samples_of(dataset.parent / "c"), 1, told["sha256"])] == [second]
    merge([dataset.parent / "f", dataset.parent / "c"], dataset.parent / "m", prefer="last")
    assert (dataset.parent / "m" / "curation" / "edits.csv").read_text() == kept
    assert sound(dataset.parent / "m")


def samples_of(root):
    from facedata.datasets.dataset import Dataset

    return Dataset.open(root)
