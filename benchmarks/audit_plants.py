"""Faults that are planted for the audits, and whether the audits find them.

A plant makes rows that are sound but for a fault of known place and size. Of an audit that marks rows, rows
are counted; of one that judges a dataset, datasets, half of them with the fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from facedata.curate.audit.base import Rows
from facedata.curate.audit.catalogue import find_audits
from facedata.curate.audit.neighbours import find_neighbours
from facedata.datasets.canonical import content_hash
from facedata.datasets.demo import demo_face
from facedata.datasets.embed.plain import Plain
from facedata.datasets.pictures import Encoding, Picture, read_picture
from facedata.datasets.pixel_hash import PixelHash
from facedata.datasets.quality import LookMeasure

Bools = NDArray[np.bool_]
_UNCOMPRESSED = [cv2.IMWRITE_PNG_COMPRESSION, 0]


@dataclass(frozen=True)
class Plant:
    """A fault of an audit: `judge` gives, of each row or of one dataset, (is faulty, was found)."""

    audit: str
    fault: str
    counted: str
    judge: Callable[[Generator], tuple[Bools, Bools]]
    repeats: int = 20


def clean(generator: Generator, persons: int = 60, shots: int = 12) -> pd.DataFrame:
    """Return rows without a fault: persons live and under each of three attacks, in one domain and split."""
    person = np.repeat(np.arange(persons), shots)
    count = len(person)
    shot = np.tile(np.arange(shots), persons)
    spoof = shot % 2 == 1
    attack = np.array(["print/inkjet", "replay/lcd", "mask/resin"], object)[shot // 2 % 3]
    objects: dict[str, Any] = {
        "sample_id": [f"{one:032x}" for one in generator.permutation(count)],
        "content_hash": [f"{one:064x}" for one in range(count)],
        "split": np.where(person % 3 == 0, "test", "train").astype(object),
        "subject": [f"p{one}" for one in person],
        "domain": np.array(["phone", "webcam", "kiosk"], object)[person // 3 % 3],
        "label": np.where(spoof, "spoof", "live").astype(object),
        "attack": np.where(spoof, attack, None),
        "parent_id": [None] * count,
        "operator": [None] * count,
        "expression": generator.choice(["neutral", "happiness", "surprise"], count).astype(object),
        "au": [None] * count,
        "au_domain": [None] * count,
        "attributes": [None] * count,
        "source_dataset": ["own"] * count,
        "source_file": [f"{one}.jpg" for one in range(count)],
        "source_key": [f"own/{one}.jpg" for one in range(count)],
        "person": [f"own\0p{one}" for one in person],
        "pixel_hash": [None] * count,
        "unreadable": [None] * count,
    }
    frame = pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in objects.items()})
    frame["family"] = frame["sample_id"]
    for name in ("variant", "source_frame", "valence", "arousal", "confidence"):
        frame[name] = np.nan
    return frame.assign(width=256, height=256)


def verdict(name: str, rows: Rows) -> str:
    """Return the verdict of an audit with its own thresholds."""
    return _run(name, rows).verdict


def _run(name: str, rows: Rows) -> Any:
    (audit,) = find_audits([name])
    return audit.run(rows, audit.thresholds())


def trial(name: str, make: Callable[[Generator, bool], Rows]) -> Callable[[Generator], tuple[Bools, Bools]]:
    """Return a judge of datasets; a fair coin says whether one has the fault."""

    def judge(generator: Generator) -> tuple[Bools, Bools]:
        planted = bool(generator.random() < 0.5)
        found = verdict(name, make(generator, planted)) in ("warn", "fail")
        return np.array([planted]), np.array([found])

    return judge


@lru_cache(maxsize=1)
def faces() -> tuple[NDArray[np.uint8], ...]:
    """Return twelve rendered persons, five pictures each."""
    return tuple(demo_face(person, picture, size=192).image for person in range(12) for picture in range(5))


def altered(pixels: NDArray[np.uint8], generator: Generator) -> NDArray[np.uint8]:
    """Return the picture as a second copy of it comes: compressed, resized, exposed, trimmed or blurred."""
    way = generator.integers(5)
    if way == 0:
        data = Encoding("jpeg", int(generator.integers(15, 90))).encode(pixels)
        return read_picture(data, "altered").pixels
    if way == 1:
        scale = generator.uniform(0.5, 1.5)
        return np.asarray(
            cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    if way == 2:
        return np.asarray(cv2.convertScaleAbs(pixels, alpha=generator.uniform(0.7, 1.3)), np.uint8)
    if way == 3:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), generator.uniform(0.5, 2)), np.uint8)
    edge = max(1, round(generator.uniform(0, 0.04) * len(pixels)))
    return np.ascontiguousarray(pixels[edge:-edge, edge:-edge])


def exact_duplicates(generator: Generator) -> tuple[Bools, Bools]:
    """Plant a tenth of the pictures again: half of them the file, half the pixels in other bytes."""
    kept = [Encoding("png").encode(one) for one in faces()]
    chosen = generator.choice(len(kept), 6, replace=False)
    again = [kept[one] for one in chosen[:3]]
    # The same pixels in other bytes: stored without compression, as some cameras and tools do.
    raw = [
        cv2.imencode(".png", faces()[one][:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 0])[1]
        for one in chosen[3:]
    ]
    files = [*kept, *again, *(one.tobytes() for one in raw)]
    frame = clean(generator, 11, 6).head(len(files)).copy()
    frame["content_hash"] = [content_hash(one) for one in files]
    hashes = PixelHash().of([read_picture(one, "file") for one in files])
    frame["pixel_hash"] = [one.tobytes().hex() for one in hashes]
    frame["label"], frame["attack"] = "live", None
    truth = np.zeros(len(files), bool)
    truth[chosen] = truth[len(kept) :] = True
    return truth, pd.notna(_run("exact-duplicates", Rows(frame)).fields["group"])


def near_duplicates(generator: Generator) -> tuple[Bools, Bools]:
    """Plant a tenth of rendered faces again, compressed, resized, exposed, trimmed (up to 4 %) or blurred."""
    chosen = generator.choice(len(faces()), 6, replace=False)
    pictures = [*faces(), *(altered(faces()[one], generator) for one in chosen)]
    embeddings = Plain().of([Picture(one, b"", "png") for one in pictures])
    frame = clean(generator, 11, 6).head(len(pictures)).copy()
    frame["label"], frame["attack"] = "live", None
    rows = Rows(frame, embeddings, neighbours=find_neighbours(embeddings, Plain.near))
    (audit,) = find_audits(["near-duplicates"])
    found = audit.run(rows, audit.thresholds(cosine=Plain.near))
    truth = np.zeros(len(pictures), bool)
    truth[chosen] = truth[len(faces()) :] = True
    return truth, pd.notna(found.fields["group"])


def vectors(generator: Generator, frame: pd.DataFrame) -> NDArray[np.float32]:
    """Return embeddings in which pictures of one person are alike, and none are near."""
    person = pd.factorize(frame["person"])[0]
    centres = generator.standard_normal((person.max() + 1, 64))
    return (centres[person] + 0.7 * generator.standard_normal((len(frame), 64))).astype(np.float32)


def near_leakage(generator: Generator) -> tuple[Bools, Bools]:
    """Plant 2 % of test again in train, turned by 1 to 15 degrees (14 are a cosine of 0.97)."""
    frame = clean(generator)
    embeddings = vectors(generator, frame)
    test, train = (np.flatnonzero(frame["split"] == one) for one in ("test", "train"))
    count = max(1, len(test) // 50)
    source, target = (
        generator.choice(test, count, replace=False),
        generator.choice(train, count, replace=False),
    )
    unit = embeddings[source] / np.linalg.norm(embeddings[source], axis=1, keepdims=True)
    away = generator.standard_normal(unit.shape)
    away -= (away * unit).sum(axis=1, keepdims=True) * unit
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    angle = np.radians(generator.uniform(1, 15, (count, 1)))
    embeddings[target] = np.cos(angle) * unit + np.sin(angle) * away
    truth = np.zeros(len(frame), bool)
    truth[source] = truth[target] = True
    rows = Rows(frame, embeddings, neighbours=find_neighbours(embeddings, 0.97))
    return truth, _run("near-leakage", rows).fields["leaks"]


def subject_leakage(generator: Generator) -> tuple[Bools, Bools]:
    """Plant one to five persons of sixty, a few of whose pictures stand in the other split."""
    frame = clean(generator)
    people = generator.choice(frame["person"].unique(), generator.integers(1, 6), replace=False)
    for person in people:
        rows = frame.index[frame["person"] == person]
        moved = generator.choice(rows, generator.integers(1, 4), replace=False)
        frame.loc[moved, "split"] = "train" if frame.loc[rows[0], "split"] == "test" else "test"
    truth = frame["person"].isin(people).to_numpy()
    return truth, _run("subject-leakage", Rows(frame)).fields["leaks"]


def source_leakage(generator: Generator) -> tuple[Bools, Bools]:
    """Plant variants, frames and copies of train rows in test, and others that stay in their split."""
    frame = clean(generator)
    test, train = (generator.permutation(np.flatnonzero(frame["split"] == one)) for one in ("test", "train"))
    truth = np.zeros(len(frame), bool)
    for number, column in enumerate(("family", "source_key", "content_hash")):
        here, there = train[8 * number : 8 * number + 8], test[4 * number : 4 * number + 4]
        if column == "source_key":
            frame.loc[[*here, *there], "source_frame"] = 0.0
        frame.loc[there, column] = frame.loc[here[:4], column].to_numpy()  # in two splits
        frame.loc[here[4:6], column] = frame.loc[here[6:], column].to_numpy()  # both in train
        truth[[*here[:4], *there]] = True
    return truth, _run("source-leakage", Rows(frame)).fields["leaks"]


def label_balance(generator: Generator, planted: bool) -> Rows:
    """Plant a split of which 2 to 25 % are live; else 30 to 50 %."""
    frame = clean(generator)
    share = generator.uniform(0.02, 0.25) if planted else generator.uniform(0.3, 0.5)
    test = frame.index[frame["split"] == "test"]
    live = generator.random(len(test)) < share
    frame.loc[test, "label"] = np.where(live, "live", "spoof")
    frame.loc[test, "attack"] = np.where(live, None, "print/inkjet")
    return Rows(frame)


def coverage(generator: Generator, planted: bool) -> Rows:
    """Plant a domain with 0 to 12 rows of an attack; else all domains have all."""
    frame = clean(generator)
    if planted:
        attack = generator.choice(["print/inkjet", "replay/lcd", "mask/resin"])
        cell = frame.index[
            (frame["attack"] == attack) & (frame["domain"] == generator.choice(["phone", "kiosk"]))
        ]
        return Rows(frame.drop(cell[int(generator.integers(0, 13)) :]).reset_index(drop=True))
    return Rows(frame.sample(frac=0.9, random_state=int(generator.integers(1 << 30))).reset_index(drop=True))


def confounding(generator: Generator, planted: bool) -> Rows:
    """Plant spoofs of which 50 to 95 % are put into one domain; else domains are drawn."""
    frame = clean(generator)
    count = len(frame)
    domain = generator.choice(["phone", "webcam", "kiosk"], count).astype(object)
    if planted:
        spoof = (frame["label"] == "spoof").to_numpy() & (
            generator.random(count) < generator.uniform(0.5, 0.95)
        )
        domain[spoof] = "webcam"
    return Rows(frame.assign(domain=pd.Series(domain, dtype=object)))


def unit_balance(generator: Generator, planted: bool) -> Rows:
    """Plant a unit that shows in 0 to 55 of 720 rows; else in 86 or more."""
    frame = clean(generator)
    count = len(frame)
    rare = generator.integers(0, 56) / count if planted else generator.uniform(0.12, 0.5)
    shown = np.stack([generator.random(count) < 0.33, generator.permutation(count) < rare * count], axis=1)
    units = [{au: 2.0 for au, one in zip((12, 26), row, strict=True) if one} for row in shown]
    return Rows(
        frame.assign(au=pd.Series(units, dtype=object), au_domain=pd.Series([(12, 26)] * count, dtype=object))
    )


def group_balance(generator: Generator, planted: bool) -> Rows:
    """Plant a gender of one or two persons of sixty, or of nearly all live rows; else neither."""
    frame = clean(generator)
    person = pd.factorize(frame["person"])[0]
    gender = generator.permutation(np.arange(person.max() + 1) % 2)
    if planted and generator.random() < 0.5:
        gender = np.zeros(person.max() + 1, int)
        gender[generator.choice(len(gender), generator.integers(1, 3), replace=False)] = 1
    chosen = gender[person]
    if planted and gender.sum() > 2:
        chosen = np.where(generator.random(len(frame)) < 0.85, (frame["label"] == "live").astype(int), chosen)
    values = [{"gender": "female" if one else "male"} for one in chosen]
    return Rows(frame.assign(attributes=pd.Series(values, dtype=object)))


def picture_quality(generator: Generator) -> tuple[Bools, Bools]:
    """Plant a fifth of faces blurred, dark, burnt out, grey, noisy, compressed hard or small."""
    pictures, truth = [], np.zeros(len(faces()), bool)
    for number, pixels in enumerate(faces()):
        truth[number] = generator.random() < 0.2
        encoding = Encoding("jpeg", 92)
        if truth[number]:
            pixels, encoding = _spoilt(pixels, generator)
        pictures.append(read_picture(encoding.encode(pixels), "face"))
    looks = pd.DataFrame(LookMeasure().of(pictures), columns=list(LookMeasure.names))
    frame = clean(generator, 10, 6)
    found = _run("picture-quality", Rows(frame, quality=looks)).fields["faults"]
    return truth, pd.notna(found)


def _spoilt(pixels: NDArray[np.uint8], generator: Generator) -> tuple[NDArray[np.uint8], Encoding]:
    good = Encoding("jpeg", 92)
    way = int(generator.integers(7))
    if way == 0:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), generator.uniform(3, 6)), np.uint8), good
    if way == 1:
        return (pixels * generator.uniform(0.0, 0.03)).astype(np.uint8), good
    if way == 2:
        return np.clip(pixels.astype(int) * 4 + 180, 0, 255).astype(np.uint8), good
    if way == 3:
        return (128 + (pixels.astype(float) - 128) * 0.05).astype(np.uint8), good
    if way == 4:
        noise = generator.normal(0, generator.uniform(25, 40), pixels.shape)
        return np.clip(pixels + noise, 0, 255).astype(np.uint8), good
    if way == 5:
        return pixels, Encoding("jpeg", int(generator.integers(5, 35)))
    side = int(generator.integers(40, 100))
    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8), good


def quality_by_label(generator: Generator, planted: bool) -> Rows:
    """Plant attacks blurred by 1 to 2.5 pixels; else by 0.2 to 0.8, as live ones are."""
    frame = clean(generator, 10, 6)
    pictures = []
    for pixels, label in zip(faces(), frame["label"], strict=True):
        sigma = generator.uniform(0.2, 0.8)
        if planted and label == "spoof":
            sigma = generator.uniform(1.0, 2.5)
        blurred = np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)
        pictures.append(read_picture(Encoding("jpeg", 92).encode(blurred), "face"))
    looks = pd.DataFrame(LookMeasure().of(pictures), columns=list(LookMeasure.names))
    return Rows(frame, quality=looks)


def _described(judge: Callable[..., Any]) -> str:
    return (judge.__doc__ or "").splitlines()[0].removeprefix("Plant ").rstrip(".")


def plants() -> Sequence[Plant]:
    """Every plant of the basic audits, in the catalogue's order."""
    rows = (exact_duplicates, near_duplicates, subject_leakage, source_leakage, near_leakage, picture_quality)
    datasets = (label_balance, coverage, confounding, unit_balance, group_balance, quality_by_label)
    found = [Plant(_name(one), _described(one), "rows", one) for one in rows]
    found += [Plant(_name(one), _described(one), "datasets", trial(_name(one), one), 60) for one in datasets]
    order = [audit.name for audit in find_audits()]
    return sorted(found, key=lambda one: order.index(one.audit))


def _name(judge: Callable[..., Any]) -> str:
    return judge.__name__.replace("_", "-")
