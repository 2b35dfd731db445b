"""The ray engine: the same shards, made by the processes of a Ray cluster.

Paths and rows cross to the nodes and paths come back: pictures are read and written by the nodes themselves,
so every node has to see the input and the target under the same paths, which is looked at before work is
handed out. What a lost node or a killed worker had in hand is made again elsewhere; a shard on which workers
die twice is tried picture by picture, as the process engine does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facedata.datasets.connection import load_ray
from facedata.datasets.errors import (
    FacedataError,
    PictureError,
    SourceError,
    StorageError,
    TargetError,
    UsageError,
)
from facedata.datasets.items import Item, Loaded
from facedata.datasets.pool import WINDOW, Hands, interrupts, warm
from facedata.datasets.record import library_versions
from facedata.datasets.remote import Remote
from facedata.datasets.shard import ShardSpec, do_shard
from facedata.datasets.suspects import NOBODY_TO_BLAME, without_killers
from facedata.datasets.task import BatchTask, Task

if TYPE_CHECKING:
    from ray import ObjectRef

__all__ = ["run_on_ray"]

_LOOK = 1.0  # s between looks at how large the cluster is, and whether Ctrl-C was met
_ANSWER = 120.0  # s that a node may take to start a process and to import what is needed
_SEEN = 60.0  # s after which a network file system shows what another machine wrote
_SEARCHES = 4  # shards that are tried picture by picture at once
_CANCEL = 10.0  # s that shards in the making have to end themselves


@dataclass(frozen=True)
class _Orders:
    """What a worker is told before its first shard; `token` stands for the run."""

    token: str
    folder: str
    parts: str
    remote: Remote | None
    preload: tuple[str, ...]
    libraries: tuple[tuple[str, str], ...]
    task: tuple[ObjectRef[Task], ...] = field(compare=False)
    """In a tuple, or Ray would unpack it for every shard: a worker keeps it, with what it has loaded."""


@lru_cache(maxsize=1)
def _ready(orders: _Orders) -> None:
    """Look at what this worker needs, and make it a worker of this run."""
    here = _here()
    if orders.remote is not None:
        try:
            orders.remote.children()
        except (StorageError, UsageError) as error:
            raise TargetError(f"{here}: {error}") from None
    elif not Path(orders.parts, orders.token).is_file():
        raise TargetError(
            f"{here} does not see {orders.parts}; choose an -o on storage that all nodes have under one path"
        )
    mine = library_versions()
    other = [
        f"{name} {mine.get(name)} for {ours}" for name, ours in orders.libraries if mine.get(name) != ours
    ]
    if other:
        raise FacedataError(
            f"{here} has {', '.join(other)}, which may make other pixels; install the same on all nodes"
        )
    with contextlib.suppress(OSError):  # a node that lacks the folder gets on without, where paths are whole
        os.chdir(orders.folder)
    warm(orders.preload)


@lru_cache(maxsize=1)
def _task(orders: _Orders) -> Task:
    _ready(orders)
    task: Task = load_ray().get(orders.task[0])
    return task


def _here() -> str:
    return f"node {platform.node()} ({load_ray().util.get_node_ip_address()})"


def _look(orders: _Orders, item: Item, max_pixels: int) -> None:
    """Raise where this node cannot do the work; `item` could be read where the run was started."""
    _ready(orders)
    try:
        next(item.load(max_pixels))
    except (PictureError, OSError) as error:
        raise SourceError(
            f"{_here()} cannot read the input ({error}); put it on storage that all nodes have under one path"
        ) from None


def _make(orders: _Orders, spec: ShardSpec) -> str:
    return do_shard(dataclasses.replace(spec, task=_task(orders)))


class _Worker:
    """An actor: a process that keeps its GPU, and the network on it, from shard to shard."""

    def make(self, orders: _Orders, spec: ShardSpec) -> str:
        return _make(orders, spec)


def run_on_ray(specs: Iterable[ShardSpec], hands: Hands) -> Iterator[str]:
    """Yield the path of each finished part, made by the cluster that this process is connected to."""
    waiting = iter(specs)
    first = next(waiting, None)
    if first is None:
        return
    with interrupts() as stopped:
        yield from _Engine(first, hands.workers, hands.preload).run(chain([first], waiting), stopped)


@dataclass(frozen=True, eq=False)
class _Shot:
    """A shard in the hands of the cluster; `actor` makes it, where actors do."""

    spec: ShardSpec
    ref: ObjectRef[str]
    actor: Any = None


class _Engine:
    def __init__(self, first: ShardSpec, workers: int, preload: tuple[str, ...]) -> None:
        ray = load_ray()
        self.ray, self.workers, self.first = ray, workers, first
        self.died = (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.RayActorError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
            ray.exceptions.TaskUnschedulableError,  # it was for a node that is gone
        )
        gpu = isinstance(first.task, BatchTask) and first.task.gpu
        self.gpus = bool(gpu and ray.cluster_resources().get("GPU"))
        self.make = ray.remote(num_cpus=1, max_retries=0)(_make)
        self.actor = ray.remote(num_cpus=1, num_gpus=1)(_Worker)
        self.idle: list[Any] = []
        self.shots: set[_Shot] = set()
        self.cancelled = False
        self.orders = _Orders(
            token=f".{uuid.uuid4().hex}",
            folder=str(Path.cwd()),
            parts=first.parts,
            remote=first.remote,
            preload=preload,
            libraries=tuple(library_versions().items()),
            task=(ray.put(first.task),),
        )

    def run(self, specs: Iterator[ShardSpec], stopped: Callable[[], bool]) -> Iterator[str]:
        token = Path(self.orders.parts, self.orders.token)
        token.touch()
        searches = ThreadPoolExecutor(_SEARCHES, "facedata-search")
        try:
            self._look_at_nodes()
            yield from self._drain(specs, searches, stopped)
        except BaseException:
            self._cancel()
            raise
        finally:
            searches.shutdown()
            token.unlink(missing_ok=True)

    def _look_at_nodes(self) -> None:
        """Raise where a node cannot read the input, write the target, or do the work."""
        item = _readable(self.first)
        if item is None:
            return  # there is nothing to be read here either
        at = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look = self.ray.remote(num_cpus=0, max_retries=1)(_look)
        asked = {
            look.options(scheduling_strategy=at(node["NodeID"], soft=False)).remote(
                self.orders, item, self.first.max_pixels
            ): node["NodeManagerAddress"]
            for node in self.ray.nodes()
            if node["Alive"] and node["Resources"].get("CPU")
        }
        waiting = list(asked)
        ends = time.monotonic() + _ANSWER
        while waiting:
            done, waiting = self.ray.wait(waiting, timeout=max(0.0, ends - time.monotonic()))
            if not done:
                raise FacedataError(
                    f"node {asked[waiting[0]]} does not answer within {_ANSWER:g} s; see `ray status`, and "
                    "take it out of the cluster"
                )
            with contextlib.suppress(*self.died):  # a node that is gone has nothing to see
                self._result(done[0].future())

    def _drain(
        self, specs: Iterator[ShardSpec], searches: ThreadPoolExecutor, stopped: Callable[[], bool]
    ) -> Iterator[str]:
        """Keep a bounded window of shards in the cluster until there are none left."""
        in_hand: dict[Future[str], _Shot | ShardSpec] = {}
        again: deque[ShardSpec] = deque()
        tried: set[str] = set()
        while True:
            if stopped():
                raise KeyboardInterrupt
            window = self._window()
            while len(in_hand) < window:
                spec = again.popleft() if again else next(specs, None)
                if spec is None:
                    break
                shot = self._shoot(spec)
                in_hand[shot.ref.future()] = shot
            if not in_hand:
                return
            done, _ = wait(in_hand, _LOOK, FIRST_COMPLETED)
            for future in done:
                held = in_hand.pop(future)
                try:
                    path = self._land(held, future) if isinstance(held, _Shot) else future.result()
                except self.died:
                    spec = held.spec if isinstance(held, _Shot) else held
                    if spec.name in tried:
                        in_hand[searches.submit(self._search, spec)] = spec
                    else:
                        tried.add(spec.name)
                        again.append(spec)
                    continue
                if self.first.remote is None:
                    _await_part(Path(path))
                yield path

    def _window(self) -> int:
        """Return how many shards may be in hand: the cluster may grow, and lose nodes."""
        found = self.ray.cluster_resources()
        if self.gpus:
            most = max(1, int(found.get("GPU", 0)))  # an actor with no GPU to go to would keep its shard
            return min(self.workers or most, most)
        return self.workers or WINDOW * max(1, int(found.get("CPU", 0)))

    def _shoot(self, spec: ShardSpec) -> _Shot:
        spec = dataclasses.replace(spec, task=None)  # type: ignore[arg-type]  # it went ahead, once
        if self.gpus:
            actor = self.idle.pop() if self.idle else self.actor.remote()
            shot = _Shot(spec, actor.make.remote(self.orders, spec), actor)
        else:
            shot = _Shot(spec, self.make.remote(self.orders, spec))
        self.shots.add(shot)
        return shot

    def _land(self, shot: _Shot, future: Future[str]) -> str:
        try:
            made: str = self._result(future)
        except self.died:
            self.idle.clear()  # what died with it, a node perhaps, may have had others
            raise
        finally:
            self.shots.discard(shot)
        if shot.actor is not None:
            self.idle.append(shot.actor)
        return made

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result()
        except self.died:
            raise
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self.ray.exceptions.RayError as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise FacedataError(f"Ray: {words[0]}; see to the cluster, and go on with --resume") from None

    def _search(self, spec: ShardSpec) -> str:
        """Make a shard on which workers died, without the pictures that kill them; in a thread."""
        try:
            return self._twice(without_killers(spec, self._twice, self.died))
        except self.died:
            raise FacedataError(NOBODY_TO_BLAME) from None

    def _twice(self, spec: ShardSpec) -> str:
        """Make a shard; a node may be lost, but two in a row are the shard's doing."""
        for last in (False, True):
            if self.cancelled:
                raise KeyboardInterrupt
            shot = self._shoot(spec)
            try:
                return self._land(shot, shot.ref.future())
            except self.died:
                if last:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _cancel(self) -> None:
        """Leave nothing in the cluster that works on."""
        self.cancelled = True
        shots = list(self.shots)
        for shot in shots:
            with contextlib.suppress(self.ray.exceptions.RayError):
                if shot.actor is None:
                    self.ray.cancel(shot.ref)
                else:
                    self.ray.kill(shot.actor)
        refs = [shot.ref for shot in shots]
        left = self.ray.wait(refs, num_returns=len(refs), timeout=_CANCEL)[1] if refs else []
        for ref in left:
            self.ray.cancel(ref, force=True)


def _readable(spec: ShardSpec) -> Item | None:
    """Return an item that can be read here."""
    for item in spec.items:
        with contextlib.suppress(PictureError, OSError):
            if isinstance(next(item.load(spec.max_pixels), None), Loaded):
                return item
    return None


def _await_part(part: Path) -> None:
    """Wait until a part that another machine wrote is seen here: network storage shows it a little later."""
    ends = time.monotonic() + _SEEN
    while not part.is_dir():
        if time.monotonic() > ends:
            raise TargetError(
                f"a node wrote {part}, and it is not seen here; choose an -o on storage that all nodes share"
            )
        time.sleep(0.2)
        os.listdir(part.parent)  # noqa: PTH208 - looked at anew, where a lookup may be answered from memory
