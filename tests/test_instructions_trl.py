"""The TRL export in TRL's own hands: one step of supervised training on a tiny vision-language model."""

from __future__ import annotations

import math
import warnings

from test_annotate_transformers import model  # noqa: F401 - a fixture
from test_instructions import asked, plain  # noqa: F401 - fixtures

from facedata.datasets.exports.run import export


def test_trl_trains_on_the_export(asked, model, tmp_path):  # noqa: F811
    import datasets
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    root = export(asked, tmp_path / "out", "trl").root
    rows = datasets.load_dataset(
        "json", data_files=str(root / "train.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
    )
    rows = rows.map(lambda row: {"images": [str(root / path) for path in row["images"]]})
    rows = rows.cast_column("images", datasets.List(datasets.Image()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TRL's and torch's own deprecations
        from trl import SFTConfig, SFTTrainer

        config = SFTConfig(
            output_dir=str(tmp_path / "trained"),
            max_steps=1,
            per_device_train_batch_size=2,
            max_length=None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=LlavaForConditionalGeneration.from_pretrained(model),
            args=config,
            train_dataset=rows,
            processing_class=AutoProcessor.from_pretrained(model, backend="pil"),
        )
        batch = next(iter(trainer.get_train_dataloader()))
        done = trainer.train()
    assert batch["pixel_values"].shape[0] == 2
    assert (batch["labels"] != -100).any()
    assert math.isfinite(done.training_loss)
    assert done.global_step == 1
