"""Pushing an export: what goes over the wire to a hub on this machine, and what is said when it fails."""

from __future__ import annotations

import base64
import http.server
import json
import os
import threading
import time
from contextlib import contextmanager

import pytest
from conftest import ROOT
from known_faces import make_known
from test_cli import facedata, start
from test_docs import commands

from facedata.datasets.exports.catalogue import SAMPLE_KINDS, find_kind

TOKEN = "hf_not-a-real-token"  # noqa: S105


class _Hub(http.server.BaseHTTPRequestHandler):
    """Answers as the hub does where every file is small enough to travel in the commit itself."""

    def do_GET(self):
        self.server.seen.append(("GET", self.path, self.headers["authorization"], b""))
        if "/tree/" in self.path:
            old = [{"type": "file", "path": "data/train-00007.parquet", "oid": "a" * 40, "size": 3}]
            return self._reply([*old, {"type": "file", "path": "notes.md", "oid": "b" * 40, "size": 3}])
        private = self.server.private
        return self._reply({"id": "ada/faces", "sha": "c" * 40, "private": private, "siblings": []})

    def do_POST(self):
        body = self._body()
        self.server.seen.append(("POST", self.path, self.headers["authorization"], body))
        if self.server.refuses:
            return self._reply({"error": "Forbidden: you may not write here"}, 403)
        if self.path.startswith("/api/repos/create"):
            return self._reply({"url": f"{self.server.address}/datasets/ada/faces"})
        if "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
            return self._reply({"files": modes})
        if "/commit/" in self.path:
            address = f"{self.server.address}/datasets/ada/faces/commit/{'d' * 40}"
            return self._reply({"success": True, "commitOid": "d" * 40, "commitUrl": address})
        return self._reply({"errors": [], "warnings": []})  # the check of the card's YAML

    def _body(self):
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(self, value, code=200):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@contextmanager
def hub(*, private=True, refuses=False):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        server.address = f"http://127.0.0.1:{server.server_port}"
        server.seen, server.private, server.refuses = [], private, refuses
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def environment(address, token=TOKEN):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    said = {"HF_TOKEN": token} if token else {}
    return {**kept, **said, "HF_ENDPOINT": address, "HF_HUB_DISABLE_TELEMETRY": "1"}


def push(tmp_path, address, *arguments, code=0, token=TOKEN):
    command = ("export", "known", "--to", "huggingface", "-o", "out", "--overwrite", "--push", "ada/faces")
    process = start(*command, *arguments, cwd=tmp_path, env=environment(address, token))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    assert "Traceback" not in err
    assert TOKEN not in out + err
    return out, [line for line in err.splitlines() if line.startswith("facedata: ")]


@pytest.fixture
def known(tmp_path):
    make_known(tmp_path / "known")
    return tmp_path


def test_one_commit_holds_the_files_of_the_export_and_removes_the_data_of_the_last(known):
    with hub() as server:
        out, _ = push(known, server.address)
    assert f"pushed   {server.address}/datasets/ada/faces" in out
    assert {token for *_, token, _ in server.seen} == {f"Bearer {TOKEN}"}
    (created,) = [
        json.loads(body) for _, path, _, body in server.seen if path.startswith("/api/repos/create")
    ]
    assert (created["name"], created["organization"], created["type"]) == ("faces", "ada", "dataset")
    assert created.get("visibility") == "private" or created.get("private") is True
    (commit,) = [body for _, path, _, body in server.seen if "/commit/" in path]
    lines = [json.loads(line) for line in commit.splitlines()]
    sent = {
        line["value"]["path"]: base64.b64decode(line["value"]["content"])
        for line in lines
        if line["key"] == "file"
    }
    root = known / "out"
    assert sent == {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    removed = [line["value"]["path"] for line in lines if line["key"] == "deletedFile"]
    assert removed == ["data/train-00007.parquet"]


def test_an_open_repository_is_written_to_only_where_that_is_said(known):
    with hub(private=False) as server:
        _, (error,) = push(known, server.address, code=1)
        assert "is open to all; make it private" in error
        assert not [path for _, path, *_ in server.seen if "/commit/" in path]
        push(known, server.address, "--public")
        assert [path for _, path, *_ in server.seen if "/commit/" in path]


def test_a_refusal_and_a_dead_network_are_one_line_each(known):
    with hub(refuses=True) as server:
        _, (error,) = push(known, server.address, code=1)
    assert "403 Forbidden" in error
    assert error.endswith("is whole; push it again with --overwrite once that is mended")
    began = time.monotonic()
    _, (error,) = push(known, server.address, code=1)  # nobody listens there any more
    assert "Connection refused" in error
    assert time.monotonic() - began < 20
    assert (known / "out" / "data").is_dir()


def test_what_cannot_be_pushed_is_said_before_the_work(known):
    _, (error,) = push(known, "http://127.0.0.1:9", code=2, token=None)
    assert error == "facedata: --push needs a token that may write to ada/faces: set HF_TOKEN"
    for arguments, message in [
        (("--to", "huggingface", "--push", "faces"), "--push 'faces' is not of the form OWNER/NAME"),
        (("--to", "huggingface", "--public"), "give the repository with --push"),
        (("--to", "huggingface", "--choose", "shards"), "--choose 'shards' is not of the form NAME=VALUE"),
    ]:
        done = facedata("export", "known", "-o", "out", *arguments, cwd=known, code=2)
        assert message in done.stderr
    process = start(
        *("export", "known", "--to", "folder", "-o", "out", "--push", "ada/faces"),
        cwd=known,
        env=environment("http://127.0.0.1:9"),
    )
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "--push takes no folder; the hub takes huggingface, webdataset" in err) == (
        2,
        True,
    )
    assert not (known / "out").exists()


def test_the_command_tells_kinds_and_results(known):
    listed = facedata("export", "--list", cwd=known).stdout
    for word in ("huggingface", "folder", "webdataset", "list", "shard_mb", "layers", "live"):
        assert word in listed
    done = facedata("export", "known", "--to", "list", "-o", "out", "--json", cwd=known)
    found = json.loads(done.stdout)
    assert (found["rows"], found["kind"], found["pushed"]) == (10, "list", None)
    assert found["notes"][0] == "labels: live is 1, spoof is 0"


def test_the_commands_of_the_page_run(tmp_path):
    lines = commands((ROOT / "docs" / "exports.md").read_text("utf-8"))
    assert len(lines) >= 5
    for line in lines:
        facedata(*line.split()[1:], cwd=tmp_path)
    assert (tmp_path / "faces-list" / "train.txt").read_text().splitlines()[0].endswith(" 0")


def test_the_page_names_every_kind_and_choice():
    text = (ROOT / "docs" / "exports.md").read_text("utf-8")
    for name in SAMPLE_KINDS:
        assert f"| `{name}` |" in text
        for choice in find_kind(name).choices.model_fields:
            assert f"| `{choice}=" in text
