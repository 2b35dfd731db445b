"""Reaching FiftyOne and its database, with a line and a mend where that fails.

FiftyOne connects while it is imported, and waits half a minute for a server that is not there. So a server
that the user names is asked first, for two seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facedata.datasets.errors import ServiceError, UsageError

__all__ = ["OLDEST_SERVER", "connect", "database_uri", "readable_errors"]

OLDEST_SERVER = (6, 0)
"""The oldest MongoDB that FiftyOne supports; it warns of others, and fails later."""

_WAIT = 2000  # ms
_TIMEOUT = "serverSelectionTimeoutMS"
_DOCTOR = "facedata doctor says what keeps it from starting"
_QUIET = {
    "FIFTYONE_DO_NOT_TRACK": "1",
    "FIFTYONE_DATABASE_VALIDATION": "false",  # asked here already; its notice would go to standard output
    "FIFTYONE_LOGGING_LEVEL": "ERROR",
    "FIFTYONE_SHOW_PROGRESS_BARS": "false",
}


def connect(uri: str | None = None) -> Any:
    """Return the module `fiftyone`, connected to the database at `uri`, or to the one of its configuration.

    Raises UsageError where FiftyOne is not installed or `uri` is none, and ServiceError where no server
    answers within two seconds, it refuses, or it is older than MongoDB 6.0.
    """
    if "fiftyone" in sys.modules:  # inside the App's server: connected long ago
        found = sys.modules["fiftyone"]
        if uri is not None and found.config.database_uri not in (uri, _patient(uri)):
            raise UsageError("FiftyOne is connected to another database already; leave out --uri")
        return found
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    wanted = uri or database_uri()
    if wanted is not None:
        _ask(wanted)
        os.environ["FIFTYONE_DATABASE_URI"] = _patient(wanted)
    return _imported()


@contextlib.contextmanager
def readable_errors(uri: str | None) -> Iterator[None]:
    """Say in one line where the database fails once it was reached."""
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        place = shown_uri(uri or database_uri() or "of FiftyOne's own")
        raise ServiceError(f"the database {place} failed: {str(error)[:200]}; run it again") from None


def database_uri() -> str | None:
    """Return the server that FiftyOne's environment or configuration file names, None where it starts one."""
    if uri := os.environ.get("FIFTYONE_DATABASE_URI"):
        return uri
    path = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or Path.home() / ".fiftyone" / "config.json")
    try:
        return json.loads(path.read_text("utf-8")).get("database_uri") or None
    except (OSError, ValueError, AttributeError):
        return None  # no file, or one that FiftyOne itself will complain of


def shown_uri(uri: str) -> str:
    """Return the URI as a message may show it: without user and password."""
    return re.sub(r"//[^@/]*@", "//...@", uri)


def _patient(uri: str) -> str:
    """Return the URI with a time limit, where it has none."""
    if _TIMEOUT.lower() in uri.lower():
        return uri
    rest = urlsplit(uri)
    path = rest.path or "/"
    query = "&".join(filter(None, (rest.query, f"{_TIMEOUT}={_WAIT}")))
    return f"{rest.scheme}://{rest.netloc}{path}?{query}"


def _ask(uri: str) -> None:
    try:
        import pymongo
        from pymongo import errors
    except ImportError:
        raise UsageError(_MISSING) from None
    shown = shown_uri(uri)
    try:
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            _patient(uri), connectTimeoutMS=_WAIT, socketTimeoutMS=10 * _WAIT
        )
        with client:
            version = str(client.server_info()["version"])
            client[os.environ.get("FIFTYONE_DATABASE_NAME", "fiftyone")].list_collection_names()
    except (errors.InvalidURI, errors.ConfigurationError, ValueError) as error:
        raise UsageError(f"--uri {shown}: {error}; write it as mongodb://HOST:PORT") from None
    except errors.OperationFailure as error:
        said = (error.details or {}).get("errmsg", error)
        raise ServiceError(f"the database at {shown} refuses: {said}; mend the user in --uri") from None
    except errors.PyMongoError:
        raise ServiceError(
            f"no MongoDB answers at {shown} within {_WAIT // 1000} s; start it there, mend --uri or "
            "FIFTYONE_DATABASE_URI, or leave both out and FiftyOne starts its own"
        ) from None
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_SERVER:
        oldest = ".".join(map(str, OLDEST_SERVER))
        raise ServiceError(
            f"the MongoDB at {shown} is {version}; FiftyOne needs {oldest} or newer: upgrade it"
        )


def _imported() -> Any:
    try:
        import fiftyone
    except ImportError as error:
        raise UsageError(f"{_MISSING} ({error})") from None
    except Exception as error:  # noqa: BLE001 - whatever its start raises: it has no class of its own
        reason = " ".join(str(error).split()) or repr(error)
        raise ServiceError(f"FiftyOne does not start: {reason[:200]}; {_DOCTOR}") from None
    return fiftyone


_MISSING = "FiftyOne is not installed; pip install 'facedata[curate]'"
