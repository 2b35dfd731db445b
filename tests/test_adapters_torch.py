"""The batched torch operators against the NumPy ones, and what a batched module promises."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from test_operators import anything, at, picture
from torch.utils._python_dispatch import TorchDispatchMode

from facedata.augment.adapters.torch import BATCHED, BatchedPolicy, batched, catalogue
from facedata.augment.adapters.torch.camera import Photographs
from facedata.augment.landmarks import known_face
from facedata.augment.policy import Policy, load_policy
from facedata.augment.registry import find
from facedata.augment.task import Augment, replay
from facedata.datasets.errors import UsageError
from facedata.datasets.sample import Sample
from facedata.datasets.words import Words

ALL = pytest.mark.parametrize("name", BATCHED)
SIZES = [(64, 64), (96, 80), (256, 256)]
IDS = [f"sample {number}" for number in range(8)]

BOUNDS = {
    # the most that a pixel, and that a picture on average, may differ, in codes of 255, rounded to 8 bits
    "color-diversity": (2, 0.1),
    "color-distortion": (2, 0.1),
    "reflection": (2, 0.1),
    "bn-halftone": (2, 0.1),
    "moire-pattern": (2, 0.1),
    "sfc-halftone": (2, 0.1),
    "hand-trembling": (2, 0.1),
    # OpenCV's linear interpolation of 8-bit pictures cuts off where others round, twice in a row here
    "low-resolution": (2, 0.15),
    # a code's difference may move a coefficient of JPEG by a step, and with it 64 px and more
    "capture": (24, 0.2),
    "replay-lcd": (48, 1.0),
    "replay-oled": (48, 1.0),
    "replay-projector": (48, 1.0),
    # their light before the lens agrees within 2: see test_torch_media
    "print-inkjet": (32, 0.2),
    "print-laser": (32, 0.2),
    "paper-curved": (32, 0.2),
    "paper-folded": (32, 0.2),
    "paper-cut": (32, 0.2),
    "mask-resin": (32, 0.2),
    "mask-silicone": (32, 0.2),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count, height, width):
    return np.stack([picture(height, width, seed) for seed in range(count)])


def tensor(images, **options):
    return (torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() / 255).to(**options)


def eight_bit(batch):
    return (batch.detach().permute(0, 2, 3, 1) * 255).round().to(torch.int64).numpy()


def differences(module, parameters, images):
    packed = module.pack(parameters, images.shape[1:3])
    made = eight_bit(module(tensor(images), packed))
    pairs = zip(images, parameters, strict=True)
    wanted = np.stack([module.operator.apply(image, one).image for image, one in pairs]).astype(int)
    return np.abs(made - wanted), np.abs(wanted - images)


def test_every_bound_is_of_a_batched_operator_and_the_docs_state_it():
    assert list(BOUNDS) == list(BATCHED)
    text = (ROOT / "docs" / "adapters.md").read_text("utf-8")
    for name, (most, mean) in BOUNDS.items():
        assert f"| `{name}` | {most} | {mean} |" in text


@ALL
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_agrees_with_numpy_on_drawn_parameters(name, size):
    module = batched(name)
    difference, effect = differences(module, module.draw(IDS, 7), pictures(8, *size))
    most, mean = BOUNDS[name]
    assert difference.max() <= most
    assert difference.mean(axis=(1, 2, 3)).max() <= mean
    if name != "sfc-halftone" or size == (256, 256):  # the only one that may be too fine to be seen
        assert effect.mean() > 20 * difference.mean(), (
            "the operator must do something, or nothing is compared"
        )


@ALL
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (33, 57)], ids=str)
def test_agrees_with_numpy_over_the_whole_physical_range(name, size):
    module = batched(name)
    parameters = [anything(module.operator, Words.of(key, "anything")) for key in range(8)]
    if name == "moire-pattern":  # sensors of 2048 px only cost time
        parameters = [one.model_copy(update={"sensor": min(one.sensor, 512)}) for one in parameters]
    difference, _ = differences(module, parameters, pictures(8, *size))
    assert difference.max() <= BOUNDS[name][0]
    assert difference.mean() <= BOUNDS[name][1]


@pytest.mark.parametrize("down", ["nearest", "linear", "cubic", "area", "lanczos4"])
@pytest.mark.parametrize("up", ["linear", "cubic"])
def test_every_pair_of_resampling_kernels_agrees(down, up):
    module = batched("low-resolution")
    values = [{"strength": s, "down": down, "up": up} for s in (0.05, 0.3, 0.45, 0.6, 0.9)]
    difference, _ = differences(module, [module.operator.parse(v) for v in values], pictures(5, 256, 256))
    assert difference.max() <= 2
    assert difference.mean(axis=(1, 2, 3)).max() <= 0.15


@ALL
def test_long_traces_large_pictures_and_strips_agree(name):
    module = batched(name)
    for size in [(512, 400), (5, 300)]:
        parameters = [at(module.operator, 1.0, seed) for seed in range(2)]
        if name == "hand-trembling":  # one of two passes beside one of a single pass
            parameters[0] = parameters[0].model_copy(update={"length": 2.0})
            parameters[1] = parameters[1].model_copy(update={"length": 20.0, "direction": 30.0})
        difference, _ = differences(module, parameters, pictures(2, *size))
        assert difference.max() <= BOUNDS[name][0]


@ALL
def test_a_batch_is_what_its_samples_are_alone(name):
    module, image = batched(name), tensor(pictures(4, 96, 80))
    parameters = module.draw(IDS[:4], 3)
    packed = module.pack(parameters, (96, 80))
    together = module(image, packed)
    assert together.shape == image.shape
    assert not torch.equal(together[0], together[1])
    for number, one in enumerate(parameters):
        sliced = {key: value[number : number + 1] for key, value in packed.items()}
        for alone in (sliced, module.pack([one], (96, 80))):
            made = module(image[number : number + 1], alone)
            torch.testing.assert_close(made, together[number : number + 1], atol=2e-6, rtol=0)


class Counted(TorchDispatchMode):
    """Counts the tensor operations that run."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


@ALL
def test_the_number_of_operations_does_not_depend_on_the_batch(name):
    module, packed = batched(name), batched(name).sample(IDS, 1, size=64)
    image, counts = tensor(pictures(8, 64, 64)), []
    for size in (1, 3, 8):
        with Counted() as counted:
            module(image[:size], {key: value[:size] for key, value in packed.items()})
        counts.append(counted.count)
    assert counts[0] == counts[1] == counts[2] > 5


ALIKE = {
    "replay-oled": "replay-lcd",
    "replay-projector": "replay-lcd",
    "print-inkjet": "print-laser",
    "paper-curved": "print-laser",
    "mask-silicone": "mask-resin",
}
"""What is one `render` with another operator, whose graph stands for it."""


@pytest.mark.parametrize("name", [name for name in BATCHED if name not in ALIKE])
def test_one_graph_without_breaks(name):
    module, image = batched(name), tensor(pictures(3, 40, 48))
    packed = module.sample(IDS[:3], 1, size=(40, 48))
    # a chain has thousands of operations, which cost a second backend ten seconds and more
    chain = isinstance(module, Photographs)
    compiled = torch.compile(module, backend="eager" if chain else "aot_eager", fullgraph=True)
    found = []
    for forward in (module, compiled):
        given = image.clone().requires_grad_()
        made = forward(given, packed)
        made.square().sum().backward()
        found.append((made.detach(), given.grad))
    for plain, of_graph in zip(*found, strict=True):
        torch.testing.assert_close(of_graph, plain, atol=2e-5, rtol=1e-4)


def test_compiling_every_operator_stays_far_from_the_recompilation_limit():
    """Recompilations are counted by code object: each operator has its own, and the limit holds for each."""
    assert len({id(module.forward.__code__) for module in BATCHED.values()}) == len(BATCHED)
    image = tensor(pictures(2, 24, 24))
    torch.compiler.reset()
    with torch._dynamo.config.patch(recompile_limit=1):
        for name in ("reflection", "color-diversity", "moire-pattern"):
            module = batched(name)
            module.compile(backend="eager", fullgraph=True)
            module(image, module.sample(IDS[:2], 1, size=24))


@ALL
def test_draws_are_those_of_the_policies(name):
    steps = [{"operator": "color-diversity"}, {"operator": name}]
    policy = Policy.model_validate({"name": "p", "chains": [{"steps": steps}]})
    for variant in (0, 3):
        wanted = [policy.draw(11, sample, variant)[1][1].parameters for sample in IDS]
        assert batched(name).draw(IDS, 11, variant, stage=1) == wanted


@ALL
def test_same_draws_give_the_same_tensors_and_others_others(name):
    module, image = batched(name), tensor(pictures(2, 64, 64))
    first, again, other = (module.sample(IDS[:2], seed, size=64) for seed in (5, 5, 6))
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(
        first[key].shape != other[key].shape or not torch.equal(first[key], other[key]) for key in first
    )
    assert all(value.shape[0] == 2 for value in first.values())
    assert torch.equal(module(image, first), module(image, again))


@ALL
def test_given_distributions_take_the_place_of_the_defaults(name):
    strength = find(name).strength
    drawn = batched(name, {strength: {"uniform": [0.2, 0.25]}}).draw(IDS, 1)
    assert all(0.2 <= getattr(one, strength) <= 0.25 for one in drawn)


@ALL
def test_where_it_does_not_show_the_picture_comes_back(name):
    module, image = batched(name), tensor(pictures(2, 64, 64))
    operator = module.operator
    still = at(operator, 1.0).model_copy(update={operator.strength: operator.neutral})
    visible = at(operator, 1.0, **({"print_width": 5.0} if "print_width" in operator.draws() else {}))
    made = module(image, module.pack([still, visible], 64))
    assert torch.equal(made[0], image[0])
    assert not torch.allclose(made[1], image[1], atol=0.01)


def test_a_screen_too_fine_to_show_is_left_out():
    module, image = batched("sfc-halftone"), tensor(pictures(1, 64, 64))
    packed = module.pack([at(module.operator, 1.0)], 64)
    assert not packed["shows"].any()
    assert torch.equal(module(image, packed), image)


@ALL
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_dtype(name, dtype):
    module, image = batched(name), tensor(pictures(2, 48, 48))
    packed = module.sample(IDS[:2], 1, size=48)
    made = module(image.to(dtype), packed)
    assert made.dtype == dtype
    assert torch.isfinite(made).all()
    reference = module(image.to(dtype).to(torch.float32), packed)
    precision = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float64: 1e-6}[dtype]
    torch.testing.assert_close(made.to(torch.float32), reference, atol=precision, rtol=0)


@ALL
def test_the_gradient_flows_to_every_picture_and_is_finite(name):
    module = batched(name)
    image = tensor(pictures(2, 64, 64))
    image[:, :, :4], image[:, :, 4:8] = 0, 1  # the ends of every curve
    image.requires_grad_()
    packed = module.pack([at(module.operator, 0.5, seed) for seed in range(2)], 64)
    module(image, packed).sum().backward()
    assert torch.isfinite(image.grad).all()
    assert (image.grad.abs().sum((1, 2, 3)) > 1).all()


SMOOTH = ["color-distortion", "reflection", "moire-pattern", "hand-trembling"]


@pytest.mark.parametrize("name", SMOOTH)
def test_the_gradient_is_the_slope(name):
    """Against a finite difference along a random direction; the others round or threshold somewhere."""
    module = batched(name)
    image = tensor(pictures(2, 48, 48)) * 0.4 + 0.25  # away from white, where light is clipped
    packed = module.pack([at(module.operator, 0.5, seed) for seed in range(2)], 48)
    generator = torch.Generator().manual_seed(0)
    direction, weights = (torch.rand(image.shape, generator=generator) for _ in range(2))
    image.requires_grad_()
    (module(image, packed) * weights).sum().backward()
    slope = (image.grad * direction).sum().item()
    step = 2e-3
    with torch.no_grad():
        ends = [((module(image + s * direction, packed)) * weights).sum().item() for s in (step, -step)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.01)


@ALL
def test_gradients_pass_where_values_are_rounded(name):
    """More light in, more light out, also where the forward pass rounds or thresholds."""
    module = batched(name)
    image = (tensor(pictures(2, 64, 64)) * 0.5 + 0.2).requires_grad_()
    packed = module.pack([at(module.operator, 0.5, seed) for seed in range(2)], 64)
    module(image, packed).sum().backward()
    assert 0.3 < image.grad.mean() < 1.5


@ALL
def test_what_is_no_batch_of_pictures_is_refused(name):
    module = batched(name)
    packed = module.sample(IDS[:2], 1, size=(32, 40))
    with pytest.raises(ValueError, match=rf"{name}: expected floating point of shape .*got torch.uint8"):
        module(torch.zeros(2, 3, 32, 40, dtype=torch.uint8), packed)
    with pytest.raises(ValueError, match=r"expected floating point.*shape \(3, 32, 40\)"):
        module(torch.zeros(3, 32, 40), packed)
    for shape in [(2, 3, 40, 32), (3, 3, 32, 40), (2, 1, 32, 40)]:
        with pytest.raises(ValueError, match=r"packed for shape \(2, 3, 32, 40\).*pack them with its size"):
            module(torch.zeros(shape), packed)
    with pytest.raises(ValueError, match=r"image is on meta, its parameters on cpu; pack with device="):
        module(torch.zeros(2, 3, 32, 40, device="meta"), packed)


def test_errors_are_those_of_the_operators():
    with pytest.raises(UsageError, match="did you mean 'moire-pattern'"):
        batched("Moire_Patern")
    with pytest.raises(UsageError, match=r"reflection: strength = 2 \(unit 1\): .*less than or equal to 1"):
        batched("reflection", {"strength": {"uniform": [0, 2]}})
    with pytest.raises(UsageError, match="no parameter 'strenght'; it has strength"):
        batched("reflection", {"strenght": 0.1})
    with pytest.raises(UsageError, match="reflection: blur: uniform takes"):
        batched("reflection", {"blur": {"uniform": [1]}})
    with pytest.raises(UsageError, match="nothing to pack"):
        batched("reflection").pack([], 64)
    with pytest.raises(UsageError, match="size 0 px is not positive"):
        batched("reflection").sample(IDS, 1, size=0)
    with pytest.raises(UsageError, match=r"sensor = 2048 \(unit px\): 2048 x 16384 px .* do not fit"):
        batched("moire-pattern", {"sensor": 2048}).sample(IDS[:1], 1, size=(5, 300))


def test_every_reference_operator_has_a_module():
    assert set(BATCHED) >= set(load_policy("fas-aug").sub_policies.operators)


def test_an_operator_without_a_module_says_so(monkeypatch):
    monkeypatch.delitem(catalogue.BATCHED, "reflection")
    with pytest.raises(UsageError, match="reflection has no batched module; there are color-diversity"):
        batched("reflection")
    with pytest.raises(UsageError, match="policy fas-aug: reflection has no batched module"):
        BatchedPolicy("fas-aug")


def test_a_policy_makes_the_pictures_of_the_command():
    """Chains of two: what one code of difference moves over a threshold may differ by more in places."""
    policy, images = BatchedPolicy("fas-aug"), pictures(24, 96, 96)
    names = [f"{number:032x}" for number in range(24)]
    task = Augment(policy.policy, variants=4, seed=5)
    made = eight_bit(policy(tensor(images), policy.sample(names, 5, 3, size=96)))
    attacks = policy.attacks(policy.draw(names, 5, 3), 96)
    for number, name in enumerate(names):
        parent = Sample(sample_id=name, content_hash="0" * 32, image="a", width=96, height=96, label="live")
        row = task.plan(parent)[3].sample
        difference = np.abs(made[number] - replay(row.parameters, images[number]))
        assert difference.mean() <= 0.2
        assert (difference > 2).mean() < 0.002
        assert row.attack == attacks[number]
    assert len(set(attacks)) > 2


def test_a_policy_with_every_operator_is_one_graph():
    policy, image = BatchedPolicy("fas-aug", every_operator=True), tensor(pictures(4, 48, 48))
    stages = policy.sample(IDS[:4], 1, size=48)
    assert [list(stage) for stage in stages] == [policy.policy.sub_policies.operators] * 2
    made = policy(image, stages)
    taken = BatchedPolicy("fas-aug")
    assert torch.equal(taken(image, taken.sample(IDS[:4], 1, size=48)), made)
    compiled = torch.compile(policy, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(image, stages), made, atol=2e-6, rtol=0)


# the compiler looks for a gradient of what the step before made
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_policy_of_chains_with_probabilities_and_no_steps(tmp_path):
    (tmp_path / "p.yaml").write_text(
        "name: p\nchains:\n  - steps:\n    - {operator: reflection, probability: 0.5}\n"
        "    - {operator: [hand-trembling, low-resolution], probability: 0.5}\n"
    )
    policy, image = BatchedPolicy(str(tmp_path / "p.yaml")), tensor(pictures(8, 48, 48))
    policy.compile_operators(backend="eager")
    steps = policy.draw(IDS, 2)
    assert {len(chain) for chain in steps} == {0, 1, 2}
    made = policy(image, policy.pack(steps, 48))
    for number, chain in enumerate(steps):
        assert torch.equal(made[number], image[number]) == (not chain)
    image.requires_grad_()
    policy(image, policy.pack(steps, 48)).sum().backward()
    assert torch.isfinite(image.grad).all()
    with pytest.raises(UsageError, match="nothing to pack"):
        policy.pack([], 48)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@ALL
def test_a_gpu_gives_what_the_cpu_gives(name):
    module, image = batched(name), tensor(pictures(4, 96, 96))
    parameters = module.draw(IDS[:4], 1)
    wanted = module(image, module.pack(parameters, 96))
    made = module.to("cuda")(image.to("cuda"), module.pack(parameters, 96, "cuda"))
    # a device rounds powers and sums its own way, and JPEG makes more of it
    bound = 0.2 if isinstance(module, Photographs) else 0.02
    assert np.abs(eight_bit(made.cpu()) - eight_bit(wanted)).mean() < bound


def test_the_operators_import_neither_torch_nor_albumentations():
    code = (
        "import sys\nimport facedata.augment.run, facedata.augment.adapters\n"
        "assert not {'torch', 'albumentations'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_known_face_decides_where_batched_paper_is_cut_as_in_the_command():
    face = known_face([(60, 70), (100, 72), (80, 95), (66, 120), (96, 121)], None, 160, 160)
    policy = BatchedPolicy("paper-mask")
    names = [f"{number:032x}" for number in range(40)]
    drawn = policy.draw(names, 5, faces=[face] * len(names))
    assert drawn == [policy.policy.draw(5, name, 0, face)[1] for name in names]
    assert drawn != policy.draw(names, 5)
    module = batched("paper-cut")
    cut = module.draw(names[:2], 5, faces=[face, None])
    assert cut[0].eyes_x == pytest.approx(50.0)  # the eyes' middle, in % of the width
    assert cut[1].eyes_x != cut[0].eyes_x
    with pytest.raises(UsageError, match="1 faces for 2 samples"):
        policy.draw(names[:2], 5, faces=[face])
