"""Debian's Chromium without a window, spoken to over two pipes in its DevTools protocol: what a page shows, says and asks for."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
LONGEST = 90.0  # s that an answer may take, on a machine that is shared


class Chromium:
    """One process of Chromium with one page.

    Args:
        folder: a folder for its profile.
    """

    def __init__(self, folder):
        command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync"]
        command += [f"--user-data-dir={folder}/profile", "--remote-debugging-pipe", "about:blank"]
        mine, theirs = os.pipe(), os.pipe()  # commands to it; its answers

        def pipes():  # Chromium reads from 3 and writes to 4; both numbers may be taken by the pipes themselves
            first, second = os.dup(mine[0]), os.dup(theirs[1])
            while first in (3, 4):
                first = os.dup(first)
            while second in (3, 4):
                second = os.dup(second)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            command,
            preexec_fn=pipes,
            close_fds=False,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"HOME": str(folder)},
        )
        os.close(mine[0])
        os.close(theirs[1])
        self._in, self._out, self._rest, self._id = mine[1], theirs[0], b"", 0
        self.events, self.session = [], None
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def close(self):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method, **params):
        """Send a command, and return its result; events that come meanwhile are kept."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params} | ({"sessionId": self.session} if self.session else {})
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while (got := self._next()).get("id") != self._id:
            self.events.append(got)
        assert "error" not in got, (method, got["error"])
        return got["result"]

    def _next(self):
        end = time.monotonic() + LONGEST
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            data = os.read(self._out, 1 << 20) if ready else b""
            if not data:
                raise RuntimeError("Chromium does not answer")
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, path, *, width=1280, height=900, dark=False, media=""):
        """Load a file at a width, and wait until it is there."""
        self.events = []
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1 if width > 600 else 2,
            mobile=width < 600,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.ask("Emulation.setEmulatedMedia", media=media, features=scheme)
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression):
        """The value of an expression in JavaScript."""
        got = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def complaints(self):
        """What the console says, errors of scripts and of the security policy among it."""
        said = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.events if event.get("method") in said]

    def requests(self):
        """The addresses that were asked for."""
        found = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in found if not url.startswith("data:")]

    def accessible(self):
        """The tree as a screen reader is given it: role and name of each node."""
        nodes = self.ask("Accessibility.getFullAXTree")["nodes"]
        seen = [node for node in nodes if not node.get("ignored")]
        return [(n["role"]["value"], n.get("name", {}).get("value", ""), n.get("description", {}).get("value", "")) for n in seen]

    def picture(self, path):
        """Write what the page looks like, all of its height, to a PNG file."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        made = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(made["data"]))

    def paper(self, path):
        """Write the page as it prints on A4 to a PDF file."""
        made = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(made["data"]))
