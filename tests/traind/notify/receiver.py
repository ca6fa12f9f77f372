"""A real HTTP server of this machine that takes messages, and the URL by which apprise finds it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "s3cr3tw0rd"  # noqa: S105 — of nothing


class Receiver:
    """Owns what was received, and how the next requests are answered."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[int] = []
        """HTTP statuses of the next requests; 200 when there are no more."""
        self.paths: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        """Of those that were answered 200."""
        self.is_open = threading.Event()
        """While it is not set, requests wait."""
        self.is_open.set()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.bodies]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.paths.append(self.path)
            receiver.is_open.wait(60.0)
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status == 200:
                receiver.bodies.append(body)
            try:
                self.send_response(status)
                self.end_headers()
            except OSError:
                pass  # whoever asked has left

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.is_open.set()
        server.shutdown()
        server.server_close()
        thread.join()
