"""A small web server on this machine, for downloads: with or without ranges, cut off in the middle, or slow."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served, how, and what was asked for.

    Args:
        files: content by path, e.g. ``{"/a.bin": b"..."}``.
        ranges: whether the server sends parts of files.
        cut: bytes after which the connection is closed; None for never.
        pause: seconds between pieces of 4096 bytes.
        asked: path and range of each request.
    """

    files: dict[str, bytes]
    ranges: bool = True
    cut: int | None = None
    pause: float = 0.0
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve files on a free port of the loopback interface."""
    state = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            data = state.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            start = re.fullmatch(r"bytes=(\d+)-", wanted or "") if state.ranges else None
            first = int(start[1]) if start else 0
            if first >= len(data) and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - first))
            self.end_headers()
            end = len(data) if state.cut is None else min(len(data), first + state.cut)
            for low in range(first, end, 4096):
                try:
                    self.wfile.write(data[low : min(low + 4096, end)])
                    self.wfile.flush()
                except OSError:  # the client was killed
                    break
                time.sleep(state.pause)
            if end < len(data):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
