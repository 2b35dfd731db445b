"""Is the quality that is asked for what is made? The slope of what is measured on what is asked.

    python benchmarks/synth_quality.py MODEL PAIRS [--count 12] [--write docs/synth.md]

MODEL is what `facedata synth train` wrote from the dataset PAIRS. The same pictures are made at four values
of one quality, all else as their styles have it: by the network as it was trained, with its guidance for it
raised, and with filters doing what is asked (`synth sample --match`). A slope of 1 is obedience.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from page import write_between

from facedata.datasets.dataset import Dataset
from facedata.synth.load import load_model
from facedata.synth.matching import MATCHED
from facedata.synth.pipeline import Guidance
from facedata.synth.response import quality_response

_PLAIN = Guidance(style=1.0)
WAYS = {
    "the network": (_PLAIN, False),
    "the network, `--quality-guidance 3`": (Guidance(style=1.0, quality=3.0), False),
    "filters (`--match`)": (_PLAIN, True),
}


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--count", type=int, default=12, help="pictures")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    model, dataset = load_model(asked.model), Dataset.open(asked.pairs)
    lines = ["| Done by | Quality | Asked | Made | Slope |", "|---|---|---|---|---:|"]
    for way, (guidance, match) in WAYS.items():
        for name in MATCHED:
            found = quality_response(model, dataset, name, count=asked.count, guidance=guidance, match=match)
            wanted, made = (", ".join(f"{one:.3f}" for one in values) for values in (found.asked, found.made))
            lines.append(f"| {way} | {name} | {wanted} | {made} | {found.slope:.2f} ± {found.error:.2f} |")
            print(lines[-1], flush=True)
    if asked.write:
        write_between(asked.write, "obedience", "\n".join(lines))


if __name__ == "__main__":
    main()
