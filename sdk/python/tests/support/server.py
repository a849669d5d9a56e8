"""A small HTTP server on loopback that answers as a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def method(self) -> str:
        return self.target.rpartition("/")[2]

    @property
    def message(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.body)
        return answer


@dataclass(frozen=True)
class Answer:
    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


class LostAnswerError(Exception):
    """Breaks the connection instead of answering."""


Handler = Callable[[Request], "Answer | dict[str, Any]"]


@dataclass
class Server:
    url: str
    requests: list[Request]


class _Http(ThreadingHTTPServer):
    # Handler threads may wait for something that never comes.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up break their connections; that is their test's concern."""


@contextmanager
def serve(handler: Handler) -> Iterator[Server]:
    requests: list[Request] = []

    class _Exchange(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            requests.append(request)
            try:
                answer = handler(request)
            except LostAnswerError:
                self.close_connection = True
                return
            self._send(answer if isinstance(answer, Answer) else Answer(encode(answer)))

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = _Http(("127.0.0.1", 0), _Exchange)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{http.server_port}", requests)
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def encode(message: object) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()
