"""Every error a user can meet, in one tree.

    FacedataError
    ├── UsageError        an argument, a policy or a configuration that cannot work     exit 2
    ├── SourceError       input that cannot be used at all (no such folder, empty list) exit 1
    │   ├── PictureError  one picture that cannot be read: it is quarantined, not fatal
    │   └── StorageError  storage that does not answer at all: no single picture is at fault
    ├── DatasetError      a dataset on disk that is damaged, half written or too new    exit 1
    ├── TargetError       an output that cannot be written (occupied, full, read-only)  exit 1
    └── ServiceError      a server that will answer nothing (wrong key, no such model)  exit 1

A message names the thing, the place and the mend, in one line.
"""

from __future__ import annotations

__all__ = [
    "OUT_OF_MEMORY",
    "DatasetError",
    "FacedataError",
    "PictureError",
    "ServiceError",
    "SourceError",
    "StorageError",
    "TargetError",
    "UsageError",
    "lacks_memory",
]


OUT_OF_MEMORY = (
    "not enough memory; give it more, or ask for less at once (fewer --workers, a lower --max-pixels), and "
    "go on with --resume"
)
"""What a run says that ends because the machine gives no more memory, whatever it was doing."""


_OF_MEMORY = (
    "can't start new thread",  # Python
    "can't allocate memory",  # torch
    "bad_alloc",  # C++
    "could not create a primitive",  # oneDNN
    "Failed to launch worker thread",  # Arrow
)


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that the machine gives no more memory, in whichever words."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _OF_MEMORY)


class FacedataError(Exception):
    """Base of all errors that facedata raises on purpose; `exit_code` is the command's exit status."""

    exit_code = 1


class UsageError(FacedataError):
    """An argument, a policy or a configuration that cannot work."""

    exit_code = 2


class SourceError(FacedataError):
    """Input that cannot be used at all."""


class StorageError(SourceError):
    """Storage that does not answer, or a machine that cannot ask it: whatever is read next would fail too."""


class PictureError(SourceError):
    """One picture that cannot be read.

    `kind` is a short stable word (`empty`, `truncated`, `not-a-picture`, `too-large`, ...) that reports
    count by; the message is for people.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type[PictureError], tuple[str, str]]:
        """Pickle with both arguments: the error crosses from a worker to the driver."""
        return type(self), (self.kind, str(self))


class DatasetError(FacedataError):
    """A dataset on disk that is damaged, half written or of a newer schema."""


class TargetError(FacedataError):
    """An output that cannot be written."""


class ServiceError(FacedataError):
    """A server that will answer nothing, whatever it is asked."""
