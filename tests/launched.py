"""A run of the recipe against attacks, as a launcher starts one in each process.

torchrun --nproc_per_node 2 tests/launched.py DATASET MODEL BATCH
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from recipe_parts import tiny

from facedata.recipes.fas import train_fas

if __name__ == "__main__":
    torch.set_num_threads(1)
    plain = {"flip": 0, "shift": 0, "scale": 0, "light": 0, "tint": 0, "noise": 0}
    loop = {"steps": 6, "dev_every": 1, "batch": int(sys.argv[3])}
    train_fas(Path(sys.argv[1]), Path(sys.argv[2]), tiny(augment=plain, loop=loop))
