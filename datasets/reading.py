"""Reading from storage that answers slowly, or not at once.

A network mount or a busy disk fails now and then and succeeds a moment later: that must not cost a picture.
Where it goes on failing, it matters what failed. A file that alone cannot be read is a fault of that file,
which others report; a mount that is gone or a machine without descriptors is a fault of no file, and ends the
run before it takes a thousand good pictures for bad ones.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from facedata.datasets.errors import StorageError

__all__ = ["read_bytes", "steadily"]

_WAITS = (0.05, 0.25, 1.0)  # seconds before another attempt
_FILE = {errno.EIO, errno.EREMOTEIO}
_WHOLE = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.EBUSY),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.ESHUTDOWN),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENODEV, errno.ENXIO),
}
_Found = TypeVar("_Found")


def steadily(read: Callable[[], _Found], place: object) -> _Found:
    """Return what `read` gives, trying again for a second or so where the storage does not answer.

    Raises OSError where the file cannot be read, and StorageError where nothing can; `place` is named.
    """
    for wait in (*_WAITS, None):
        try:
            return read()
        except OSError as error:
            if error.errno not in _FILE | _WHOLE:
                raise
            if wait is None:
                if error.errno in _WHOLE:
                    raise StorageError(
                        f"the storage of {place} does not answer ({error.strerror}); see to it, and go on "
                        "with --resume"
                    ) from None
                raise
            time.sleep(wait)
    raise AssertionError  # the last attempt returns or raises


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, read `steadily`."""
    return steadily(path.read_bytes, path)
