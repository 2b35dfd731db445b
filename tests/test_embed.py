"""Embedders: what they keep apart, what they take for the same, and files of vectors."""

from __future__ import annotations

import json
import re

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import jpeg, picture

from facedata.datasets.demo import demo_face
from facedata.datasets.embed.catalogue import open_embedder
from facedata.datasets.embed.given import read_embeddings
from facedata.datasets.embed.plain import Plain
from facedata.datasets.errors import SourceError, UsageError
from facedata.datasets.pictures import Encoding, Picture, read_picture


def embedded(*pictures, embedder=None):
    found = (embedder or Plain()).of([Picture(one, b"", "png") for one in pictures])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_plain_vector_is_three_unit_vectors():
    (vector,) = Plain().of([Picture(picture(1), b"", "png")])
    assert vector.dtype == np.float32
    assert len(vector) == Plain.width == 256
    for part in (vector[:80], vector[80:224]):
        assert np.linalg.norm(part) == pytest.approx(1, abs=1e-4)
    assert np.linalg.norm(vector[224:]) < 1
    (grey,) = Plain().of([Picture(np.repeat(picture(1)[:, :, :1], 3, axis=2), b"", "png")])
    assert np.linalg.norm(grey[224:]) < 0.05


def test_a_picture_of_one_colour_has_no_shape():
    (vector,) = Plain().of([Picture(np.full((30, 30, 3), 90, np.uint8), b"", "png")])
    assert np.linalg.norm(vector[:224]) < 1e-3


def test_exposure_and_contrast_do_not_count():
    pixels = picture(2, 64, 64)
    brighter = np.clip(pixels.astype(float) * 0.5 + 60, 0, 255).astype(np.uint8)
    first, second = (Plain().of([Picture(one, b"", "png")])[0][:80] for one in (pixels, brighter))
    assert first @ second > 0.999


def test_copies_are_near_and_other_pictures_of_one_person_are_not():
    faces = [demo_face(person, shot, size=128).image for person in range(3) for shot in range(3)]
    copies = [read_picture(Encoding("jpeg", 50).encode(one), "x").pixels for one in faces]
    copies = [cv2.resize(one, (96, 96), interpolation=cv2.INTER_AREA) for one in copies]
    cosine = embedded(*faces) @ embedded(*copies).T
    assert np.diag(cosine).min() >= Plain.near
    assert (cosine - 2 * np.eye(len(faces))).max() < Plain.near


def test_a_batch_gives_what_single_pictures_give():
    pictures = [picture(one) for one in range(5)]
    together = Plain().of([Picture(one, b"", "png") for one in pictures])
    assert (together == np.concatenate([Plain().of([Picture(one, b"", "png")]) for one in pictures])).all()


@pytest.mark.parametrize("name", ["nonesuch", "plain:x", "transformers", "transformers:"])
def test_an_unknown_embedder_is_named(name):
    with pytest.raises(UsageError, match="there are plain"):
        open_embedder(name)


PREPARED = {"do_resize": True, "size": {"height": 32, "width": 32}, "do_normalize": True, "do_rescale": True}
PREPARED |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255}


def tiny(folder, kind):
    """A vision model with random weights, as a folder."""
    import torch
    import transformers

    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    if kind == "vit":
        config = transformers.ViTConfig(**size, image_size=32, patch_size=8)
        model = transformers.ViTModel(config, add_pooling_layer=False)
    elif kind == "clip":
        vision = {**size, "image_size": 32, "patch_size": 8}
        config = transformers.CLIPConfig(
            text_config={**size, "vocab_size": 40}, vision_config=vision, projection_dim=12
        )
        model = transformers.CLIPModel(config)
    else:
        config = transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
        model = transformers.ConvNextModel(config)
    model.save_pretrained(folder)
    types = {"vit": "ViTImageProcessor", "clip": "CLIPImageProcessor", "convnext": "ViTImageProcessor"}
    prepared = {**PREPARED, "image_processor_type": types[kind], "do_center_crop": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(prepared))
    return str(folder)


@pytest.mark.parametrize(("kind", "width"), [("vit", 16), ("clip", 12), ("convnext", 16)])
def test_a_vision_model_of_a_folder(tmp_path, kind, width):
    embedder = open_embedder(f"transformers:{tiny(tmp_path, kind)}")
    pictures = [Picture(picture(one, 40, 30), b"", "png") for one in range(4)]
    found = embedder.of(pictures)
    assert found.shape == (4, width)
    assert embedder.width == width
    assert found.dtype == np.float32
    again = open_embedder(f"transformers:{tmp_path}")
    assert again.key == embedder.key
    single = np.concatenate([again.of([one]) for one in pictures])
    assert single == pytest.approx(found, abs=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_the_vector_of_a_vit_is_its_class_token(tmp_path):
    import torch
    import transformers

    embedder = open_embedder(f"transformers:{tiny(tmp_path, 'vit')}")
    model = transformers.ViTModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    pixels = picture(0, 32, 32)
    inputs = torch.tensor(pixels / 127.5 - 1, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model(pixel_values=inputs).last_hidden_state[0, 0].numpy()
    assert embedder.of([Picture(pixels, b"", "png")])[0] == pytest.approx(expected, abs=1e-4)


def test_other_weights_have_another_key(tmp_path):
    import torch
    import transformers

    first = open_embedder(f"transformers:{tiny(tmp_path, 'vit')}").key
    model = transformers.ViTModel.from_pretrained(tmp_path, add_pooling_layer=False)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path)
    assert open_embedder(f"transformers:{tmp_path}").key != first


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    tiny(tmp_path, "vit")
    weights = load_file(tmp_path / "model.safetensors")
    del weights[next(name for name in weights if "layer" in name)]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match="lacks 1 weights"):
        open_embedder(f"transformers:{tmp_path}")


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"cannot be loaded .*preprocessor_config.json"):
        open_embedder(f"transformers:{tmp_path}")


IDS = ["c", "a", "b"]
VECTORS = np.array([[1, 2], [3, 4], [5, 6]], np.float64)


def written(tmp_path, kind, ids=IDS, vectors=VECTORS):
    path = tmp_path / f"e.{kind}"
    if kind == "npy":
        np.save(path, vectors)
    elif kind == "npz":
        np.savez(path, sample_id=np.array(ids), embeddings=vectors)
    else:
        pq.write_table(pa.table({"sample_id": ids, "embedding": [list(one) for one in vectors]}), path)
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet"])
def test_given_vectors_are_in_the_rows_order(tmp_path, kind):
    found = read_embeddings(written(tmp_path, kind), IDS)
    assert found.dtype == np.float32
    assert found.tolist() == VECTORS.tolist()
    if kind != "npy":
        assert read_embeddings(tmp_path / f"e.{kind}", ["b", "c"]).tolist() == [[5, 6], [1, 2]]


def test_fixed_size_lists_are_read(tmp_path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(VECTORS.ravel(), pa.float32()), 2)
    pq.write_table(pa.table({"sample_id": IDS, "embedding": lists}), tmp_path / "e.parquet")
    assert read_embeddings(tmp_path / "e.parquet", IDS).tolist() == VECTORS.tolist()


def test_a_vector_with_nan_is_none(tmp_path):
    vectors = VECTORS.copy()
    vectors[1, 0], vectors[2, 1] = np.nan, np.inf
    found = read_embeddings(written(tmp_path, "npy", vectors=vectors), IDS)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("npy", {"vectors": VECTORS[:2]}, "2 rows and the dataset 3"),
        ("npy", {"vectors": VECTORS.ravel()}, "n x d is expected|shape n x d"),
        ("npy", {"vectors": np.array([["a", "b"]] * 3)}, "shape n x d"),
        ("npy", {"vectors": np.full((3, 2), np.nan)}, "no vector without NaN"),
        ("npz", {"ids": ["c", "a", "x"]}, "lacks 1 of 3 samples: b"),
        ("npz", {"ids": ["c", "a", "a"]}, "1 ids stand in it twice"),
        ("parquet", {"ids": ["x", "y", "z"]}, "lacks 3 of 3 samples: c, a, b"),
    ],
)
def test_vectors_of_other_samples_are_refused(tmp_path, kind, changes, words):
    with pytest.raises(UsageError, match=words):
        read_embeddings(written(tmp_path, kind, **changes), IDS)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("e.npy", b"no array"),
        ("e.npz", b"no archive"),
        ("e.parquet", b"no table"),
        ("e.npy", b""),
        ("gone.npy", None),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, data):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=re.escape(name)):
        read_embeddings(tmp_path / name, IDS)


def test_a_pickle_is_not_opened(tmp_path):
    np.save(tmp_path / "e.npy", np.array([{"a": 1}, None, 2], object), allow_pickle=True)
    with pytest.raises(SourceError, match=r"e\.npy"):
        read_embeddings(tmp_path / "e.npy", IDS)


def test_an_archive_without_ids_and_an_unknown_type_are_refused(tmp_path):
    np.savez(tmp_path / "e.npz", vectors=VECTORS)
    with pytest.raises(SourceError, match="sample_id"):
        read_embeddings(tmp_path / "e.npz", IDS)
    (tmp_path / "e.csv").write_bytes(jpeg())
    with pytest.raises(UsageError, match=r"unknown type '\.csv'"):
        read_embeddings(tmp_path / "e.csv", IDS)
