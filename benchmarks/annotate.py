"""Annotation: the cost of a record, what a slow server costs, what a killed run pays twice, and memory.

    python benchmarks/annotate.py [rules] [server] [killed] [memory] [--samples 10000] [--rounds 3]

The samples are rendered faces, repeated under ids and hashes of their own and with action units drawn anew,
so that every request and nearly every text is another. The server is a process on loopback that answers
after 200 ms, whatever it is asked; answers that checks find wrong are not sent back, which would double the
requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import gc
import json
import os
import pstats
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from facedata.annotate.annotate import annotate
from facedata.annotate.ask import Limits
from facedata.annotate.facs import EXPRESSIONS
from facedata.annotate.providers.catalogue import Opening, open_provider
from facedata.annotate.run import Asking
from facedata.annotate.store import Store
from facedata.annotate.tasks import load_task, stock_tasks
from facedata.datasets.canonical import content_hash
from facedata.datasets.dataset import SAMPLES_NAME, Dataset
from facedata.datasets.engine import Options
from facedata.datasets.ingest import ingest_demo
from facedata.datasets.record import RECORD_NAME
from facedata.datasets.words import Words

LATENCY = 0.2  # s
IN_FLIGHT = 64
ANSWER: dict[str, Any] = {
    "expression": "neutral",
    "aus": [],
    "reasoning": "None of the coded action units is active, so the face is at rest.",
}


def samples(root: Path, count: int) -> Path:
    """Return a dataset of `count` coded faces, which repeat; their ids, bytes and action units do not."""
    seed, made = root / "seed", root / f"ds-{count}"
    if not seed.exists():
        ingest_demo(seed, Options(engine="serial"), identities=6, pictures=4, size=64)
    shutil.copytree(seed, made)
    table = pq.read_table(seed / SAMPLES_NAME)
    rows = [row for row in table.to_pylist() if row["expression"] in EXPRESSIONS and row["au_domain"]]
    pictures = [(seed / row["image"]).read_bytes() for row in rows]
    (made / "images" / "benchmark").mkdir()
    with pq.ParquetWriter(made / SAMPLES_NAME, table.schema) as writer:
        for start in range(0, count, 1000):
            several = []
            for number in range(start, min(start + 1000, count)):
                row = dict(rows[number % len(rows)])
                # a decoder stops at the end of the picture, a hash does not
                data = pictures[number % len(rows)] + number.to_bytes(8, "big")
                row["image"] = f"images/benchmark/{number:08d}.jpg"
                (made / row["image"]).write_bytes(data)
                row["sample_id"], row["content_hash"] = f"{number:032x}", content_hash(data)
                row["layers"] = []
                row["au"] = units(Words.of("benchmark", number), row["au_domain"])
                several.append(row)
            writer.write_table(type(table).from_pylist(several, schema=table.schema))
    record = json.loads((made / RECORD_NAME).read_text("utf-8"))
    record["counts"]["rows"] = count
    (made / RECORD_NAME).write_text(json.dumps(record), "utf-8")
    assert len(Dataset.open(made)) == count  # noqa: S101
    return made


def units(words: Words, domain: Sequence[int]) -> list[dict[str, Any]]:
    """Return one to six of the coded units, with intensities."""
    drawn = sorted({words.choice(domain) for _ in range(words.integer(1, 6))})
    return [{"au": au, "intensity": round(words.uniform(0.2, 5), 2)} for au in drawn]


def run(
    dataset: Path,
    provider: str,
    asking: Asking,
    opening: Opening | None = None,
    tasks: Sequence[str] = ("explain-expression",),
) -> int:
    """Annotate, throw the result away, and return the number of records."""
    gc.collect()
    gc.freeze()  # as the command does
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out")
        asked = [load_task(name) for name in tasks]
        made = annotate(dataset, asked, target, open_provider(provider, opening), asking)
        wrong = {name: n for name, n in made.tally.by_status.items() if name in ("reject", "blocked")}
        if wrong or made.tally.unanswered:
            raise SystemExit(f"not everything was answered: {wrong} {made.tally.problems[:1]}")
        return sum(made.tally.by_status.values())


def rules(root: Path, count: int, rounds: int) -> None:
    """Print records a second of CPU through `rules`, of one task and of all."""
    for label, tasks, number in (
        ("explain-expression", ["explain-expression"], count),
        ("all tasks", list(stock_tasks()), count // 10),
    ):
        place = root / label
        place.mkdir()
        dataset, few = samples(place, number), samples(place, 100)
        run(few, "rules", Asking(), tasks=tasks)  # warm
        rates = []
        for _ in range(rounds):
            began = time.process_time()
            made = run(dataset, "rules", Asking(), tasks=tasks)
            rates.append(made / (time.process_time() - began))
        print(f"rules, {label}: {made} records, {middle_of(rates, '.0f')} a second of CPU")


def middle_of(values: Sequence[float], form: str) -> str:
    """Return the median, and the range in brackets."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def profile(root: Path, count: int) -> None:
    """Print where the time of `rules` goes."""
    dataset = samples(root, count)
    profiler = cProfile.Profile()
    profiler.runcall(run, dataset, "rules", Asking())
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(45)


async def _serve() -> None:
    """Answer both protocols after the latency, and count."""
    text = json.dumps(ANSWER)
    chat = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 300, "completion_tokens": 30, "total_tokens": 330}
    openai = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [chat]}
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
    gemini = {"candidates": [candidate], "modelVersion": "m"}
    bodies = {
        "openai": json.dumps({**openai, "usage": usage}).encode(),
        "gemini": json.dumps(gemini).encode(),
    }
    count = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if (length := re.search(rb"content-length: (\d+)", head)) is not None:
                    await reader.readexactly(int(length.group(1)))
                if head.startswith(b"get /count"):
                    body = str(count).encode()
                else:
                    count += 1
                    body = bodies["gemini" if b":generatecontent" in head[:200] else "openai"]
                    await asyncio.sleep(LATENCY)
                head_out = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
                writer.write(head_out.encode() + b"\r\n\r\n" + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**22, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Yield the address of a server in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"  # type: ignore[union-attr]
    finally:
        process.terminate()
        process.wait()


def counted(url: str) -> int:
    """Return how many requests the server has had."""
    with urllib.request.urlopen(f"{url}/count") as reply:  # noqa: S310 - a loopback address
        return int(reply.read())


def opening_of(provider: str, url: str) -> Opening:
    """Return how to open a provider at the server."""
    os.environ["GEMINI_API_KEY"] = "none"
    base = f"{url}/v1" if provider == "openai" else url
    return Opening(model="m", base_url=base)


async def _bare(url: str, count: int) -> None:
    """Send `count` requests from bare sockets, as the least that client, server and machine need."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"text": "x" * 4000}).encode()
    message = f"POST /v1 HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(count // IN_FLIGHT):
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"content-length: ")[1]))
        writer.close()

    await asyncio.gather(*(one() for _ in range(IN_FLIGHT)))


def server(root: Path, count: int, rounds: int) -> None:
    """Print the share of the ideal throughput that 64 requests in flight keep, and CPU a request.

    `asking` lasts until the last record is made, `whole` until the dataset is written. The three take turns,
    since the machine may be busy with something else.
    """
    dataset, few = samples(root, count), samples(root, IN_FLIGHT)
    ideal = count / IN_FLIGHT * LATENCY
    found: dict[str, list[float]] = defaultdict(list)
    with serving() as url:
        for provider in ("openai", "gemini"):
            _served(root, few, provider, url)  # imports the SDK
        for _ in range(rounds):
            began = time.perf_counter()
            asyncio.run(_bare(url, count))
            found["bare"].append(ideal / (time.perf_counter() - began))
            for provider in ("openai", "gemini"):
                asked, whole, cpu = _served(root, dataset, provider, url)
                found[f"{provider} asking"].append(ideal / asked)
                found[f"{provider} whole"].append(ideal / whole)
                found[f"{provider} cpu"].append(1000 * cpu / count)
    print(f"server: {count} requests, {IN_FLIGHT} in flight, load of the machine {os.getloadavg()[0]:.1f}")
    print(f"bare sockets: {middle_of(found['bare'], '.1%')} of ideal")
    for provider in ("openai", "gemini"):
        asking, whole, cpu = (found[f"{provider} {what}"] for what in ("asking", "whole", "cpu"))
        print(
            f"{provider}: asking {middle_of(asking, '.1%')} of ideal, whole {middle_of(whole, '.1%')}, "
            f"{middle_of(cpu, '.2f')} ms of CPU a request"
        )


def _served(root: Path, dataset: Path, provider: str, url: str) -> tuple[float, float, float]:
    """Annotate by a server and return seconds until the last record and until the end, and CPU seconds."""
    journal = root / "served.sqlite"
    made: list[float] = []
    asking = Asking(
        repair=False,
        journal=journal,
        limits=Limits(concurrency=IN_FLIGHT),
        progress=lambda done, of: made.append(time.perf_counter()),
    )
    began, burnt = time.perf_counter(), time.process_time()
    run(dataset, provider, asking, opening_of(provider, url))
    ended, burnt = time.perf_counter(), time.process_time() - burnt
    journal.unlink()
    return made[-1] - began, ended - began, burnt


def killed(root: Path, count: int) -> None:
    """Print the requests that the server sees in a run that is killed and one that goes on."""
    dataset, journal = samples(root, count), root / "killed.sqlite"
    with serving() as url:
        command = [sys.executable, __file__, "--asking", str(dataset), url, str(journal)]
        process = subprocess.Popen(command)
        while counted(url) < 0.4 * count:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(2 * LATENCY)
        before = counted(url)
        with Store(journal) as store:
            kept = len(store)
        subprocess.run(command, check=True)
        after = counted(url) - before
    print(f"killed: {before} sent, {kept} answers kept; resumed: {after} sent, {count - kept} were missing")


def memory(root: Path) -> None:
    """Print peak memory by the number of samples, each in a process of its own."""
    for count in (1_000, 20_000):
        dataset = samples(root, count)
        command = [sys.executable, __file__, "--peak", str(dataset), str(root / f"{count}.sqlite")]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def main() -> None:
    """Run what is asked for, all of it by default."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", default=["rules", "server", "killed", "memory"])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=3_200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--asking", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(_serve())
    elif arguments.asking:
        dataset, url, journal = arguments.asking
        asking = Asking(repair=False, journal=Path(journal), limits=Limits(concurrency=IN_FLIGHT))
        run(Path(dataset), "openai", asking, opening_of("openai", url))
    elif arguments.peak:
        dataset, journal = map(Path, arguments.peak)
        run(dataset, "rules", Asking(repair=False, journal=journal, limits=Limits(concurrency=IN_FLIGHT)))
        # getrusage would give the peak of the process that started this one, where that was larger
        status = Path("/proc/self/status").read_text("utf-8")
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e3  # type: ignore[index]
        print(f"memory: {len(Dataset.open(dataset))} samples, peak {peak:.0f} MB")
    else:
        with tempfile.TemporaryDirectory() as folder:
            _chosen(arguments, Path(folder))


def _chosen(arguments: Any, root: Path) -> None:
    for what in arguments.what:
        place = root / what
        place.mkdir()
        if what == "rules":
            rules(place, arguments.samples, arguments.rounds)
        elif what == "profile":
            profile(place, 2_000)
        elif what == "server":
            server(place, arguments.requests, arguments.rounds)
        elif what == "killed":
            killed(place, 640)
        elif what == "memory":
            memory(place)


if __name__ == "__main__":
    main()
