"""Real HTTP servers on loopback that speak the providers' protocols, scripted reply by reply."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One reply; `delay`, s, is waited before it is sent."""

    body: Any
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


class Server(ThreadingHTTPServer):
    """Gives the scripted replies in turn, then what `usual` makes of a request; keeps all that was asked."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Reply] = []
        self.asked: list[tuple[str, Any]] = []
        self.times: list[float] = []
        self.heads: list[dict[str, str]] = []
        self.latency = 0.0
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def reply(self, method: str, path: str, body: Any) -> Reply:
        with self.lock:
            self.asked.append((f"{method} {path}", body))
            self.times.append(time.monotonic())
            if self.script:
                return self.script.pop(0)
        return self.usual(method, path, body)

    def usual(self, method: str, path: str, body: Any) -> Reply:
        raise NotImplementedError

    def handle_error(self, request, client_address):
        """A client that hung up is no fault of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        data = self.rfile.read(length)
        try:
            body = json.loads(data) if data else None
        except ValueError:
            body = data
        self.server.heads.append({name.lower(): value for name, value in self.headers.items()})
        reply = self.server.reply(self.command, self.path, body)
        time.sleep(reply.delay + self.server.latency)
        sent = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.code)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def log_message(self, *arguments):
        """Say nothing."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


USAGE = {
    "promptTokenCount": 300,
    "candidatesTokenCount": 20,
    "thoughtsTokenCount": 10,
    "cachedContentTokenCount": 100,
    "totalTokenCount": 330,
}


def gemini_response(text: str | None, finish: str = "STOP", **more: Any) -> dict[str, Any]:
    """A generateContent response; `text` None is a candidate without content."""
    candidate: dict[str, Any] = {"finishReason": finish, "index": 0}
    if text is not None:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    head = {"modelVersion": "gemini-test-001", "responseId": "r-1", "usageMetadata": USAGE}
    return {"candidates": [candidate], **head, **more}


def gemini_error(code: int, status: str, message: str, *details: Any) -> Reply:
    return Reply(
        {"error": {"code": code, "status": status, "message": message, "details": list(details)}}, code
    )


def retry_info(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


class Gemini(Server):
    """`answer` is what every model call says; batches are kept, and come back in reverse order."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.batches: dict[str, Any] = {}
        self.polls = 1  # times that a batch is still running
        self.swap_labels = False
        self.rows: dict[int, Any] = {}  # batch rows, by number, that come back as something else
        self.state = "BATCH_STATE_SUCCEEDED"
        self.uploads: list[bytes] = []

    def usual(self, method: str, path: str, body: Any) -> Reply:
        if ":batchGenerateContent" in path:
            name = f"batches/b{len(self.batches)}"
            self.batches[name] = {**body["batch"], "polls": self.polls}
            return Reply({"name": name, "metadata": self._metadata(name, "BATCH_STATE_PENDING")})
        if method == "GET" and re.search(r"/batches(\?|$)", path):
            known = [{"name": n, "metadata": self._metadata(n, "BATCH_STATE_RUNNING")} for n in self.batches]
            return Reply({"operations": known})
        if method == "GET" and "/batches/" in path:
            return Reply(self._batch("batches/" + path.rsplit("/", 1)[1]))
        if "/upload/" in path and isinstance(body, dict):
            return Reply({}, headers={"x-goog-upload-url": f"{self.url}/sink"})
        if path.startswith("/sink"):
            self.uploads.append(body)
            file = {"name": "files/f1", "uri": "https://files.example/f1", "mimeType": "image/jpeg"}
            return Reply({"file": file}, headers={"x-goog-upload-status": "final"})
        return Reply(gemini_response(json.dumps(self.answer)))

    def _metadata(self, name: str, state: str) -> dict[str, Any]:
        label = self.batches[name].get("displayName") or self.batches[name].get("display_name")
        return {"state": state, "displayName": label, "model": "models/gemini-2.5-flash"}

    def _batch(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        if batch["polls"] > 0:
            batch["polls"] -= 1
            return {"name": name, "metadata": self._metadata(name, "BATCH_STATE_RUNNING")}
        metadata = self._metadata(name, self.state)
        rows = batch["inputConfig"]["requests"]["requests"]
        labels = [row["metadata"]["key"] for row in rows]
        if self.swap_labels:
            labels = [labels[-1], *labels[:-1]]
        replies = []
        for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
            config = row["request"]["generationConfig"]
            schema = config.get("responseJsonSchema") or config.get("response_json_schema")
            key = schema["properties"]["request_key"]["enum"][0]
            text = json.dumps({"request_key": key, **self.answer})
            made = self.rows.get(number, {"response": gemini_response(text)})
            replies.append({**made, "metadata": {"key": label}})
        metadata["output"] = {"inlinedResponses": {"inlinedResponses": replies[::-1]}}
        return {"name": name, "done": True, "metadata": metadata}


def openai_response(text: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    usage = {
        "prompt_tokens": 300,
        "completion_tokens": 30,
        "total_tokens": 330,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 10},
    }
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "tiny-vlm-q4",
        "choices": [choice],
        "usage": usage,
    }


def openai_error(code: int, message: str, kind: str | None = None, **headers: str) -> Reply:
    return Reply({"error": {"message": message, "type": "x", "code": kind}}, code, headers)


class OpenAI(Server):
    """`formats`: the response formats that the server knows."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.formats = {"json_schema", "json_object", None}

    def usual(self, method: str, path: str, body: Any) -> Reply:
        wanted = (body.get("response_format") or {}).get("type")
        if wanted not in self.formats:
            return openai_error(400, f"response_format of type {wanted} is not supported")
        return Reply(openai_response(json.dumps(self.answer)))
