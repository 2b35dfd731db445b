"""What a dataset says of itself is true for people who have no facedata."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from engine_tasks import Invert

from facedata.datasets.engine import Options, run
from facedata.datasets.inputs import Reading, open_input


@pytest.fixture(params=["files", "shards"])
def dataset(request, faces, tmp_path):
    run("test", Invert(), open_input(faces, Reading()), tmp_path / "set", 0, Options(layout=request.param))
    return tmp_path / "set"


def test_the_cards_example_loads_a_picture(dataset):
    text = (dataset / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    code = block + "\npicture.load()\nprint(picture.size, len(samples))\nimport sys\n"
    code += "assert not any(name.startswith('facedata') for name in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=dataset, capture_output=True, text=True, check=False
    )
    assert done.stdout == "(48, 40) 36\n", done.stderr


def test_hugging_face_datasets_loads_the_rows(dataset, tmp_path):
    code = (
        "import sys, datasets\n"
        "rows = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2], split='train')\n"
        "print(len(rows), rows[0]['width'])\n"
    )
    command = [sys.executable, "-c", code, dataset, tmp_path / "cache"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)},
    )
    assert done.stdout == "36 48\n", done.stderr


def test_the_hub_reads_the_front_matter(dataset):
    text = (dataset / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["configs"] == [{"config_name": "samples", "data_files": "samples.parquet"}]
    assert front["size_categories"] == ["n<1K"]
    assert "| unlabelled |" not in text
    assert "| spoof | 12 |" in text
