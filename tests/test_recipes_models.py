"""The recipes' networks: by their definitions, and as a loop needs them."""

from __future__ import annotations

import pytest
import torch
from recipe_parts import one_thread
from safetensors.torch import load_file
from torch.nn import functional
from transformers import ViTConfig, ViTModel

from facedata.datasets.errors import UsageError
from facedata.recipes.models.build import NetworkConfig, build_network
from facedata.recipes.models.convolutional import CentralDifference
from facedata.recipes.models.prompt import PromptReader
from facedata.recipes.models.vit import Adapter

__all__ = ["one_thread"]  # a fixture that pytest finds by its name

NETWORKS = [
    NetworkConfig(name="small", side=32, width=8),
    NetworkConfig(name="central", side=32, width=8),
    NetworkConfig(name="vit", side=32),
]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: config.name)
def test_a_network_answers_each_picture_for_itself(config):
    torch.manual_seed(0)
    network = build_network(config).eval()
    pictures = drawn(3, 3, 32, 32)
    seen = network(pictures)
    assert seen.score.shape == (3,)
    assert seen.features.shape == seen.trunk.shape == (3, network.features)
    assert seen.mask.shape[:2] == (3, 1)
    alone = network(pictures[1:2])
    torch.testing.assert_close(alone.score[0], seen.score[1], atol=1e-5, rtol=1e-5)
    assert len({round(one, 5) for one in seen.score.tolist()}) == 3
    seen.score.sum().backward()
    reached = [one.grad is not None for name, one in network.named_parameters() if "mask" not in name]
    assert all(reached)


def test_central_differences_are_those_of_their_definition():
    torch.manual_seed(0)
    layer = CentralDifference(2, 3, theta=0.7)
    x = drawn(1, 2, 7, 7)
    padded = functional.pad(x, (1, 1, 1, 1))
    for row, column in ((0, 0), (3, 4), (6, 2)):
        around = padded[0, :, row : row + 3, column : column + 3]
        middle = x[0, :, row, column][:, None, None]
        differences = (layer.weight * (around - 0.7 * middle)).sum((1, 2, 3))
        torch.testing.assert_close(layer(x)[0, :, row, column], differences)
    flat = torch.full((1, 2, 7, 7), 0.6)
    pure = CentralDifference(2, 3, theta=1.0)
    assert float(pure(flat)[:, :, 1:-1, 1:-1].detach().abs().max()) < 1e-6
    assert float(CentralDifference(2, 3, theta=0.0)(flat).detach().abs().max()) > 1e-3


def test_an_adapter_adds_nothing_at_first_and_looks_at_neighbours_then():
    torch.manual_seed(0)
    adapter = Adapter(16, 4)
    tokens = drawn(2, 17, 16)
    assert float(adapter(tokens).detach().abs().max()) == 0
    torch.nn.init.normal_(adapter.up.weight)
    before = adapter(tokens)
    tokens[0, 1 + 5] += 1  # the patch of row 1, column 1
    moved = (adapter(tokens) - before).abs().amax(2) > 1e-6
    rows = [number for number in range(17) if bool(moved[0, number])]
    assert rows == [1 + 4 * row + column for row in range(3) for column in range(3)]
    assert not bool(moved[1].any())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(5)
    told = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
    )
    root = tmp_path_factory.mktemp("vit")
    ViTModel(told, add_pooling_layer=False).save_pretrained(root)
    return root


def test_a_transformer_of_a_folder_stays_as_it_is_and_its_adapters_learn(folder):
    torch.manual_seed(0)
    config = NetworkConfig(name="vit", side=32, weights=str(folder))
    network = build_network(config)
    given = load_file(folder / "model.safetensors")
    held = network.vit.embeddings.patch_embeddings.projection.weight
    torch.testing.assert_close(held, given["embeddings.patch_embeddings.projection.weight"])
    pictures = drawn(2, 3, 32, 32)
    plain = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokens = plain((pictures - 0.5) / 0.5).last_hidden_state
    features = network.eval().look((pictures - 0.5) / 0.5)[0]
    torch.testing.assert_close(features, tokens[:, 0] + tokens[:, 1:].mean(1), atol=1e-5, rtol=1e-5)
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    assert all(not name.startswith("vit.") or ".adapter." in name for name in learning)
    assert sum(".adapter." in name for name in learning) == 2 * 5
    # and it is made again from its card alone
    again = build_network(config.model_copy(update={"weights": "/gone"}), network.architecture)
    again.load_state_dict(network.state_dict())
    torch.testing.assert_close(again.eval()(pictures).score, network(pictures).score)


@pytest.mark.parametrize("side", [32, 64])
def test_a_transformer_takes_pictures_of_another_side_than_it_was_trained_on(folder, side):
    network = build_network(NetworkConfig(name="vit", side=side, weights=str(folder)))
    assert network(drawn(1, 3, side, side)).mask.shape == (1, 1, side // 8, side // 8)


def test_weights_that_cannot_be_had_are_named_with_the_mend(tmp_path):
    with pytest.raises(UsageError, match=r"weights: /no/such is no folder"):
        build_network(NetworkConfig(name="vit", weights="/no/such"))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"cannot be loaded .*config.json and model.safetensors"):
        build_network(NetworkConfig(name="vit", weights=str(tmp_path)))


def test_pictures_are_normed_as_the_configuration_says():
    torch.manual_seed(0)
    plain = build_network(NETWORKS[0])
    other = build_network(
        NETWORKS[0].model_copy(update={"mean": (0.0, 0.0, 0.0), "deviation": (1.0, 1.0, 1.0)})
    )
    other.load_state_dict(plain.state_dict())
    pictures = drawn(2, 3, 32, 32)
    torch.testing.assert_close(other(pictures * 2 - 1).score, plain(pictures).score)


# ---- tokens and a prompt


def test_tokens_are_read_by_the_softmax_of_their_cosines_to_the_prompt():
    reader = PromptReader(2, kept=0.5, masked=0.5).eval()
    with torch.no_grad():
        reader.prompt.copy_(torch.tensor([2.0, 0.0]))  # a cosine knows no length
    tokens = torch.tensor([[[3.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [3.0, 4.0]]])
    weights = torch.tensor([1.0, 0.0, -1.0, 0.6]).exp()
    wanted = (weights[:, None] * tokens[0]).sum(0) / weights.sum()
    torch.testing.assert_close(reader(tokens)[0], wanted)
    assert torch.equal(reader(tokens), reader(tokens))
    reader(tokens).sum().backward()
    assert float(reader.prompt.grad[1].abs()) > 0  # it turns; its length is nothing
    assert float(reader.prompt.grad[0]) == pytest.approx(0, abs=1e-6)


def test_in_training_what_has_little_to_do_with_the_prompt_is_masked_by_its_chance_and_no_other():
    torch.manual_seed(0)
    reader = PromptReader(8, kept=0.25, masked=0.3).train()
    tokens = drawn(2000, 12, 8, seed=3) - 0.5
    tokens.requires_grad_()
    likeness = functional.cosine_similarity(tokens, reader.prompt, dim=-1).detach()
    reader(tokens).sum().backward()
    masked = (tokens.grad == 0).all(-1)  # of what is masked nothing is seen
    most = likeness.argsort(1, descending=True).argsort(1) < 3
    assert not bool(masked[most].any())
    share = float(masked[~most].float().mean())
    assert share == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / int((~most).sum())) ** 0.5)
    # what is read is weighed as if the masked ones were not there
    row = next(number for number in range(2000) if 0 < int(masked[number].sum()) < 9)
    alone = PromptReader(8, kept=1.0, masked=0.3).eval()
    alone.load_state_dict(reader.state_dict())
    torch.manual_seed(0)
    drawn_again = PromptReader(8, kept=0.25, masked=0.3).train()  # the same prompt and the same draws
    found = drawn_again(tokens)
    torch.testing.assert_close(found[row], alone(tokens[row : row + 1, ~masked[row]])[0])
    # one is read however small the share, and all where there is no chance
    lonely = PromptReader(8, kept=1e-6, masked=0.999).train()
    assert bool(torch.isfinite(lonely(tokens)).all())


def test_a_transformer_masks_tokens_in_training_alone():
    torch.manual_seed(0)
    network = build_network(NetworkConfig(name="vit", side=32, token_masking=0.5, token_kept=0.25))
    pictures = drawn(2, 3, 32, 32)
    seen = [network(pictures).score.detach() for _ in range(2)]
    assert not torch.equal(*seen)
    network.eval()
    assert torch.equal(network(pictures).score, network(pictures).score)
    network(pictures).score.sum().backward()
    assert float(network.reader.prompt.grad.abs().max()) > 0
    with pytest.raises(ValueError, match="small has no tokens"):
        NetworkConfig(token_masking=0.5)
