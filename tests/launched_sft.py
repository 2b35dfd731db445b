"""A run of train sft, as a launcher starts one in each of two processes: each takes half of a batch.

torchrun --nproc_per_node 2 tests/launched_sft.py DATASET BASE ADAPTER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from sft_parts import even

from facedata.recipes.sft.run import train_sft

if __name__ == "__main__":
    torch.set_num_threads(1)
    config = even()
    half = config.loop.model_copy(update={"batch": config.loop.batch // 2})
    dataset, base, target = sys.argv[1:]
    train_sft(Path(dataset), Path(target), base, config.model_copy(update={"loop": half}))
