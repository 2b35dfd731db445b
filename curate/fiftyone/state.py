"""What FiftyOne holds of a push: which version, since when, and what was touched since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from facedata.datasets.errors import UsageError

__all__ = ["FORM", "State", "default_name", "open_state", "renew", "state_of"]

_INFO = "facedata"
FORM = 1
"""Of what is told of a push, so that another version of facedata knows whether it can read it."""


def default_name(root: Path) -> str:
    """Return the name of the FiftyOne dataset of a folder.

    >>> default_name(Path("data/attacks"))
    'facedata-attacks'
    """
    return f"facedata-{Path(root).resolve().name}"


@dataclass(frozen=True, slots=True)
class State:
    """A FiftyOne dataset that facedata pushed.

    `root` is the absolute path of the dataset's folder on the machine that pushed, `base` the key of the
    rows as they were pushed, `units` and `attributes` what of them is shown. Pictures inside shards lie as
    files in `cache`; `layers` are the paths of the files of truth pictures.
    """

    dataset: Any
    name: str
    version: str
    root: str
    base: str
    rows: int
    units: tuple[int, ...]
    attributes: Mapping[str, str]
    cache: str
    layers: tuple[str, ...]
    audit: str | None
    pushed_at: datetime | None

    @property
    def whole(self) -> bool:
        """Whether the push ended."""
        return self.pushed_at is not None


def state_of(fo: Any, name: str) -> State | None:
    """Return the state of the FiftyOne dataset `name`, None where facedata did not push it."""
    dataset = fo.load_dataset(name)
    told = dataset.info.get(_INFO)
    if not isinstance(told, Mapping) or "version" not in told:
        return None
    if told.get("form") != FORM:
        raise UsageError(
            f"{name} was pushed by facedata {told.get('facedata')}, in another form: pull its edits with "
            "that, or push with --overwrite"
        )
    return State(
        dataset=dataset,
        name=name,
        version=told["version"],
        root=told["root"],
        base=told["base"],
        rows=told["rows"],
        units=tuple(told["units"]),
        attributes=dict(told["attributes"]),
        cache=told["cache"],
        layers=tuple(told["layers"]),
        audit=told.get("audit"),
        pushed_at=told.get("pushed_at"),
    )


def open_state(fo: Any, name: str) -> State:
    """Return the state of the whole push `name`, or raise UsageError with the mend."""
    if not fo.dataset_exists(name):
        if fo.dataset_exists(f"{name}.pushing"):
            raise UsageError(f"the push of {name} did not end; push it again (facedata curate push)")
        others = [one for one in fo.list_datasets() if one.startswith("facedata-")]
        known = f"; there are {', '.join(others[:5])}" if others else ""
        raise UsageError(
            f"FiftyOne has no dataset {name!r}: push it first (facedata curate push), or give its --name"
            f"{known}"
        )
    state = state_of(fo, name)
    if state is None:
        raise UsageError(f"facedata did not push the FiftyOne dataset {name!r}; give another --name")
    if not state.whole:
        raise UsageError(f"the push of {name} did not end; push it again (facedata curate push)")
    return state


def renew(state: State, **changes: Any) -> None:
    """Change what is told of a push; the samples stay as they are."""
    state.dataset.info[_INFO] = {**state.dataset.info[_INFO], **changes}
    state.dataset.save()
