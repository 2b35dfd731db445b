"""How fast the batched torch operators are: pictures a second, against copying memory and against kornia.

    python benchmarks/gpu.py [--batch 256] [--size 256] [--rounds 9] [--only NAME ...] [--eager]

On the first CUDA device; where there is none, on one core of the processor at a batch of 4, and it says so.
The floor is copying the batch once, taken in the same run: an operator that only read its input and wrote its
output would take as long, so the share of the copy bandwidth is the floor's time over the operator's.

kornia has none of these operators: beside each stands the operation of its own that comes nearest in kind.
Both run as they are meant to: ours compiled, with parameters that a loader has packed (the column `pack`),
kornia's as it comes, drawing its parameters on the way.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from harness import Row, interleave
from kornia import augmentation as kornia
from torch import Tensor, nn

from facedata.augment.adapters.torch import BATCHED, batched

FLOOR = "copy"


def _photographed(*before: nn.Module) -> nn.Module:
    """Return kornia's nearest to the shared camera, after what comes before it."""
    return nn.Sequential(
        *before,
        kornia.RandomGaussianBlur((9, 9), (0.25, 1.2), p=1),
        kornia.RandomGaussianNoise(std=0.02, p=1),
        kornia.ColorJiggle(0.1, 0.1, 0.2, 0.05, p=1),
        kornia.RandomJPEG((60.0, 95.0), p=1),
    )


_CAMERA = "RandomGaussianBlur + RandomGaussianNoise + ColorJiggle + RandomJPEG"
_PANEL = f"RandomPerspective + RandomPlasmaContrast + {_CAMERA}"


def _filmed() -> nn.Module:
    """Return kornia's nearest to a replay."""
    return _photographed(kornia.RandomPerspective(0.2, p=1), kornia.RandomPlasmaContrast(p=1))


KORNIA: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "color-diversity": ("ColorJiggle", lambda: kornia.ColorJiggle(0.1, 0.1, 0.2, 0.05, p=1)),
    "color-distortion": ("ColorJiggle", lambda: kornia.ColorJiggle(0.2, 0.2, 0.2, 0.05, p=1)),
    "reflection": ("RandomLinearIllumination", lambda: kornia.RandomLinearIllumination(p=1)),
    "bn-halftone": ("RandomGaussianNoise", lambda: kornia.RandomGaussianNoise(p=1)),
    "moire-pattern": ("RandomPlasmaContrast", lambda: kornia.RandomPlasmaContrast(p=1)),
    "sfc-halftone": ("RandomSaltAndPepperNoise", lambda: kornia.RandomSaltAndPepperNoise(p=1)),
    "hand-trembling": (
        "RandomMotionBlur",
        lambda: kornia.RandomMotionBlur((3, 17), (-90.0, 90.0), 0.0, p=1),
    ),
    "low-resolution": (
        "RandomResizedCrop",
        lambda: kornia.RandomResizedCrop((256, 256), scale=(0.3, 1.0), p=1),
    ),
    "capture": (_CAMERA, _photographed),
    "replay-lcd": (_PANEL, _filmed),
    "replay-oled": (_PANEL, _filmed),
    "replay-projector": (_PANEL, _filmed),
}
CHAINS = {
    "print": ("color-distortion", "bn-halftone", "hand-trembling", "low-resolution"),
    "replay": ("moire-pattern", "reflection", "hand-trembling", "low-resolution"),
}


class Chain(nn.Module):
    """Operators one after the other, all on every sample."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.steps = nn.ModuleList([batched(name) for name in names])

    def compile(self, **options: bool) -> None:
        """Compile the whole chain, or the one operator, which has a graph of its own kind."""
        if len(self.steps) == 1:
            self.steps[0].compile(**options)
        else:
            super().compile(**options)

    def forward(self, image: Tensor, stages: list[dict[str, Tensor]]) -> Tensor:
        """Return the pictures after the chain."""
        for step, params in zip(self.steps, stages, strict=True):
            image = step(image, params)
        return image


def peers(names: Sequence[str], image: Tensor) -> Callable[[], Tensor]:
    """Return a call of kornia's nearest operations."""
    chain = nn.Sequential(*[KORNIA[name][1]() for name in names]).to(image.device)
    return lambda: chain(image)


def subjects(
    names: Sequence[str], image: Tensor, *, eager: bool
) -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """Return what is timed, and the milliseconds a sample that packing the parameters takes on the CPU."""
    ids = [f"sample {number}" for number in range(image.shape[0])]
    size = (image.shape[2], image.shape[3])
    target = torch.empty_like(image)
    calls: dict[str, Callable[[], object]] = {FLOOR: lambda: target.copy_(image)}
    packing = {}
    for title, members in {**{name: (name,) for name in names}, **CHAINS}.items():
        if not set(members) <= set(names):
            continue
        chain = Chain(members).to(image.device)
        chain.steps[0].sample(ids[:1], 1, size=size)  # kernels and tables are made once
        began = time.perf_counter()
        stages = [step.sample(ids, 1, size=size, stage=k) for k, step in enumerate(chain.steps)]
        packing[title] = 1000 * (time.perf_counter() - began) / len(ids)
        stages = [{key: value.to(image.device) for key, value in stage.items()} for stage in stages]
        if not eager:
            chain.compile(fullgraph=True, dynamic=False)
        calls[title] = lambda chain=chain, stages=stages: chain(image, stages)
        calls[f"kornia {title}"] = peers(members, image)
    return calls, packing


def report(rows: list[Row], packing: dict[str, float], batch: int) -> str:
    """Return a Markdown table."""
    found = {row.name: row for row in rows}
    lines = [
        "| operator | img/s | share of copy | quartiles | pack, ms | kornia's nearest | img/s | factor |",
        "|---|---:|---:|---:|---:|---|---:|---:|",
    ]
    for title, packed in packing.items():
        ours, theirs = found[title], found[f"kornia {title}"]
        nearest = " + ".join(KORNIA[name][0] for name in CHAINS.get(title, (title,)))
        spread = f"{100 / ours.high:.2g} - {100 / ours.low:.2g} %"
        lines.append(
            f"| {title} | {1000 * batch / ours.ms:.0f} | {100 / ours.ratio:.2g} % | {spread} | {packed:.2f} "
            f"| {nearest} | {1000 * batch / theirs.ms:.0f} | {theirs.ms / ours.ms:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, help="pictures a batch (default 256 on a GPU, 4 without)")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures in pixels")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=list(BATCHED), help="operators to time")
    parser.add_argument("--eager", action="store_true", help="do not compile")
    arguments = parser.parse_args()
    gpu = torch.cuda.is_available()
    batch = arguments.batch or (256 if gpu else 4)
    if gpu:
        where = torch.cuda.get_device_name()
    else:
        torch.set_num_threads(1)
        where = "no CUDA device here: one core of the CPU"
    device = torch.device("cuda" if gpu else "cpu")

    def clock() -> float:
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter()

    image = torch.rand(batch, 3, arguments.size, arguments.size, device=device)
    names = arguments.only or [name for name in BATCHED if name in KORNIA]
    calls, packing = subjects(names, image, eager=arguments.eager)
    with torch.no_grad():
        rows = interleave(calls, FLOOR, rounds=arguments.rounds, clock=clock)
    copied = 2 * image.nbytes / (next(row for row in rows if row.name == FLOOR).ms / 1000)
    how = "eager" if arguments.eager else "compiled"
    shape = " x ".join(map(str, image.shape))
    print(f"{where}; torch {torch.__version__}, {how}; {shape} float32")
    print(f"copying the batch: {copied / 1e9:.1f} GB/s (read and written); pack: CPU time a sample\n")
    print(report(rows, packing, batch))


if __name__ == "__main__":
    main()
