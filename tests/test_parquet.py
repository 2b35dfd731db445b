"""Parquet files that lie of their size: refused, and within the memory that a true one would take."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facedata.datasets import parquet
from facedata.datasets.dataset import Dataset
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest
from facedata.datasets.inputs import Reading
from facedata.datasets.parquet import ParquetFile
from facedata.datasets.sample import SCHEMA

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no limit on a process's data but on Linux")
_READ = """
import json, sys
from pathlib import Path
import pyarrow, pyarrow.parquet, pyarrow.compute
from facedata.datasets import conform, parquet
from facedata.datasets.dataset import Dataset
from facedata.datasets.parquet import read_table
from facedata.datasets.errors import DatasetError
# An eighth of what is allowed, so that an eighth is enough to be too much.
parquet._SLACK, parquet._SMALL, conform._MOST_BYTES = 64 << 20, 32 << 20, 8 << 20
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
held = lambda name: int(Path("/proc/self/status").read_text().split(name)[1].split()[0])
before, told = held("VmRSS:"), ""
try:
    print(sum(len(t) for t in Dataset.open(sys.argv[1]).tables()) if sys.argv[2] == "rows"
          else len(read_table(Path(sys.argv[1]) / "samples.parquet", ["domain"])))
except DatasetError as error:
    told = str(error)
print(json.dumps({"told": told, "mebibytes": (held("VmHWM:") - before) / 1024}))
"""


@pytest.fixture
def made(faces, tmp_path) -> Path:
    ingest("folder", faces, tmp_path / "set", Reading(), Options(engine="serial"))
    return tmp_path / "set"


def forged(made: Path, **columns) -> pq.FileMetaData:
    """Put columns into `samples.parquet`: to Parquet they are runs of a few bytes."""
    path = made / "samples.parquet"
    table = pq.read_table(path)
    rows = len(next(iter(columns.values())))
    table = table.take(pa.array([0] * rows)) if rows != len(table) else table
    for name, column in columns.items():
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, path, store_schema=False, compression="zstd", row_group_size=rows)
    return pq.read_metadata(path)


def understated(path: Path) -> None:
    """Have the footer say of its one row group that it unpacks to a thousand bytes."""
    data = path.read_bytes()
    size = pq.read_metadata(path).row_group(0).total_byte_size

    def spelled(number: int, least: int = 0) -> bytes:
        """Thrift's compact form: seven bits a byte, and as many bytes as one likes."""
        number, found = number << 1, bytearray()
        while number > 0x7F or len(found) < least - 1:
            found.append(number & 0x7F | 0x80)
            number >>= 7
        return bytes([*found, number])

    length = struct.unpack("<I", data[-8:-4])[0]
    body, footer = data[: -8 - length], data[-8 - length :]
    assert spelled(size) in footer
    path.write_bytes(body + footer.replace(spelled(size), spelled(1000, len(spelled(size)))))
    assert pq.read_metadata(path).row_group(0).total_byte_size == 1000


def one_text(count: int, size: int) -> pa.Array:
    """One text, which `count` rows refer to."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["0" * size]))


def long_list(name: str, count: int) -> pa.Array:
    """A list in the first of twelve rows, of `count` zeros."""
    kind = SCHEMA.field(name).type
    offsets = pa.array([0, *[count] * 12], pa.int32())
    zeros = (
        pa.array(bytes(1), pa.int8())
        if count == 0
        else pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))])
    )
    return pa.ListArray.from_arrays(offsets, zeros.cast(kind.value_type))


def read(made: Path, what: str = "rows") -> dict:
    """Read it in a process of its own, and return what that said and took."""
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(made), what], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_true_file_is_read(made):
    assert read(made)["told"] == ""
    assert [len(table) for table in Dataset.open(made).tables()] == [12]


@pytest.mark.parametrize("what", ["rows", "column"])
def test_one_text_that_many_rows_refer_to(made, what):
    """Thirteen gigabytes in a few kilobytes, and no number in the file is false."""
    stated = forged(made, domain=one_text(100_000, 1 << 17)).row_group(0).total_byte_size
    assert stated < 32 << 20
    assert (made / "samples.parquet").stat().st_size < 2 << 20
    found = read(made, what)
    assert "takes more than" in found["told"] or "rows take" in found["told"]
    assert found["mebibytes"] < 140


def test_a_list_of_millions(made):
    """An eighth of a gigabyte of zeros in a list of one row, spelled as one run."""
    forged(made, au_domain=long_list("au_domain", 1 << 25))
    found = read(made)
    assert "samples.parquet" in found["told"]
    assert found["mebibytes"] < 140


def test_pages_that_unpack_to_more_than_the_footer_says(made):
    text = "".join(map(str, range(30_000)))
    texts = pa.array([str(n) + text * 100 for n in range(12)])  # 160 MB, no two alike
    forged(made, domain=texts)
    assert (made / "samples.parquet").stat().st_size < 8 << 20
    assert "unpacks to 0.2 GB" in read(made)["told"]
    understated(made / "samples.parquet")
    found = read(made)
    assert "samples.parquet" in found["told"]
    assert found["mebibytes"] < 140


def test_the_limit_goes_when_all_who_read_are_done(made):
    """Readings in threads overlap, and what was there before comes back."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    seen = []

    def tables() -> None:
        for _ in range(20):
            with ParquetFile(made / "samples.parquet") as file:
                for _ in file.iter_batches(3):
                    seen.append(resource.getrlimit(resource.RLIMIT_DATA) == before)

    threads = [threading.Thread(target=tables) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4 * 20 * 4
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert parquet._LIMITS == []
    assert parquet._BEFORE == []


def test_a_limit_of_the_machine_stays_and_is_no_fault_of_the_file(made, monkeypatch):
    """Where the process may hold little anyway, what is wanting is memory, and that is said."""
    script = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from facedata.datasets import parquet\n"
        "limit = parquet._held(5) + (64 << 20)\n"
        "resource.setrlimit(resource.{0}, ({1}, resource.RLIM_INFINITY))\n"
        "try:\n    parquet.read_table(Path(sys.argv[1]), ['domain'])\n"
        "except MemoryError:\n    print('memory', resource.getrlimit(resource.{0})[0] == {1})\n"
    )
    forged(made, domain=one_text(200, 1 << 20))
    for kind, limit in (("RLIMIT_DATA", "limit"), ("RLIMIT_AS", "limit + (4 << 30)")):
        if kind == "RLIMIT_AS":
            limit = (
                "(int(Path('/proc/self/statm').read_text().split()[0]) * 4096 + (64 << 20)) // 4096 * 4096"
            )
            bound = script.replace("limit = parquet._held(5) + (64 << 20)\n", f"limit = {limit}\n")
        else:
            bound = script
        code = bound.format(kind, "limit")
        done = subprocess.run(
            [sys.executable, "-c", code, str(made / "samples.parquet")],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == "memory True\n", done.stderr


def test_no_stranger_s_file_is_read_past_the_bound():
    """What pyarrow reads by itself is what the project wrote a moment before."""
    own = {"assemble.py", "parts.py", "sheet.py", "derive.py", "documents.py", "card.py", "parquet.py"}
    own |= {"remote_place.py"}
    root = Path(__file__).resolve().parent.parent
    for room in ("datasets", "augment", "synth", "annotate", "curate", "recipes", "cli"):
        for path in (root / room).rglob("*.py"):
            code = path.read_text("utf-8")
            for word in ("pq.ParquetFile(", "pq.read_", "read_parquet("):
                assert path.name in own or word not in code, f"{path}: {word}"
