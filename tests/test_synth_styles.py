"""Styles: drawn as a plain search over all of them would draw, and each read once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from synth_parts import make_attacks, tiny

from facedata.datasets.dataset import Dataset
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words
from facedata.synth import pictures
from facedata.synth.pairs import Face
from facedata.synth.sample import Sampling, sample
from facedata.synth.styles import Styles
from facedata.synth.train import train


def faces(count: int) -> tuple[Face, ...]:
    """Faces of few people, splits, kinds and contents, so that every exclusion happens often."""
    draw = np.random.default_rng(5)

    def one(number: int) -> Face:
        kind = [None, "print/paper", "replay/lcd", "mask/resin"][draw.integers(4)]
        subject = [None, "a", "b", "c"][draw.integers(4)]
        split = [None, "train", "test"][draw.integers(3)]
        content = f"c{draw.integers(count // 2)}"
        label = "spoof" if kind else "live"
        return Face(f"{number:04d}", "", content, split, subject, None, label, kind, None)

    return tuple(one(number) for number in range(count))


@pytest.mark.parametrize("count", [6, 60])
def test_a_style_is_the_one_that_a_search_over_all_faces_draws(count):
    all_faces = faces(count)
    styles = Styles(Path(), "", all_faces, 16)
    asked = Counter()
    for number, face in enumerate(faces(40)):
        told = {"sample_id": face.sample_id, "content_hash": face.content_hash, "subject": face.subject}
        parent = Sample(**told, split=face.split, image="", width=1, height=1)
        may = [
            one
            for one in all_faces
            if (one.subject is None or one.subject != parent.subject)
            and one.content_hash != parent.content_hash
            and (one.split is None or parent.split is None or one.split == parent.split)
        ]
        for live in (False, True):
            kinds = sorted({one.attack or "" for one in may if (one.label == "live") is live})
            assert [kind or "" for kind in styles.kinds(parent, live=live)] == kinds
            for kind in kinds:
                choice = [one for one in may if (one.attack or "") == kind]
                words = ("style", number, kind)
                found = styles.draw(parent, kind or None, Words.of(*words))
                assert found == Words.of(*words).choice(choice)
                asked[live] += len(choice) < sum((one.attack or "") == kind for one in all_faces)
    assert min(asked.values()) > 10, "draws went past faces that may not be a style"


def test_each_style_is_decoded_once_however_many_batches_show_it(tmp_path, monkeypatch):
    attacks = make_attacks(tmp_path, people=3)
    train(attacks, tmp_path / "m", tiny(steps=1))
    read, opened = Counter(), Counter()
    decode, open_ = pictures.read_picture, Dataset.open.__func__

    def counting(data, reference, *rest):
        read[reference] += 1
        return decode(data, reference, *rest)

    def counted(cls, root):
        opened[Path(root).name] += 1
        return open_(cls, root)

    monkeypatch.setattr(pictures, "read_picture", counting)
    monkeypatch.setattr(Dataset, "open", classmethod(counted))
    few = sample(attacks, tmp_path / "m", attacks, tmp_path / "few", sampling=Sampling(steps=1, batch=2))
    assert few.made == 6
    opened_for_few = opened.copy()
    opened.clear()
    read.clear()
    many = Sampling(steps=1, batch=2)
    result = sample(attacks, tmp_path / "m", attacks, tmp_path / "many", variants=6, sampling=many)
    assert result.made == 36
    assert set(read.values()) == {1}
    assert opened["attacks"] == opened_for_few["attacks"], "opened as often for 18 batches as for 3"


def test_a_shelf_keeps_the_newest_pictures_and_gives_the_same_ones(tmp_path, monkeypatch):
    dataset = Dataset.open(make_attacks(tmp_path, people=2))
    images = [one.image for one in dataset]
    whole, small = pictures.Shelf(dataset, images, 16), pictures.Shelf(dataset, images, 16, most=2)
    order = [0, 1, 0, 2, 0, 1]
    decoded = []
    decode = pictures.read_picture
    monkeypatch.setattr(pictures, "read_picture", lambda *given: decoded.append(given[1]) or decode(*given))
    np.testing.assert_array_equal(small.pictures(order), whole.pictures(order))
    # 0, 1 read; 0 kept; 2 puts out 0; 0 puts out 1; 1 puts out 2
    assert [images.index(one) for one in decoded[:5]] == [0, 1, 2, 0, 1]
    assert len(decoded) == 5 + 3
