# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium to look at a page with, spoken to over its DevTools pipe.

    with Chromium() as browser:
        page = browser.open(path)
        page.value("document.title")
        page.press("ArrowDown")
        page.problems   # console errors, exceptions, refused content
        page.requests   # every URL it asked for

Needs the standard library only. The pipe (rather than a port) keeps other processes out.
"""
import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

# Longest wait for one answer of the browser, in seconds; a loaded machine starts it slowly.
ANSWER_SECONDS_MAX = 120

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-default-apps", "--force-prefers-reduced-motion", "--disable-extensions", "--disable-dev-shm-usage", "--mute-audio",
         "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-pipe"]


def find():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    def __init__(self, width=1280, height=900):
        self._profile = tempfile.mkdtemp(prefix="ullage-chromium-")
        down_read, self._down = (_high(fd) for fd in os.pipe())
        self._up, up_write = (_high(fd) for fd in os.pipe())

        def place():  # the browser reads commands from 3 and answers on 4
            os.dup2(down_read, 3)
            os.dup2(up_write, 4)

        self._process = subprocess.Popen(
            [find(), *FLAGS, f"--user-data-dir={self._profile}", f"--window-size={width},{height}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=place, close_fds=False, start_new_session=True)
        os.close(down_read)
        os.close(up_write)
        self._buffer = b""
        self._next = 0
        self._pages = {}

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        try:
            self.call("Browser.close")
        except (OSError, RuntimeError, TimeoutError):
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # our own session: its renderers too
            self._process.wait()
        os.close(self._down)
        os.close(self._up)
        shutil.rmtree(self._profile, ignore_errors=True)

    def open(self, path):
        """A file, or an address that begins with http://127.0.0.1."""
        url = str(path) if str(path).startswith("http:") else pathlib.Path(path).resolve().as_uri()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(domain + ".enable")
        page.call("Page.navigate", url=url)
        page.wait_for("document.readyState === 'complete' && location.protocol !== 'about:'")
        return page

    def call(self, method, session=None, **parameters):
        self._next += 1
        message = {"id": self._next, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._down, json.dumps(message).encode() + b"\0")
        wanted = self._next
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == wanted:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            page = self._pages.get(answer.get("sessionId"))
            if page and "method" in answer:
                page._note(answer["method"], answer["params"])

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._up], [], [], left)[0]:
                raise TimeoutError(f"the browser did not answer within {ANSWER_SECONDS_MAX} s")
            part = os.read(self._up, 1 << 20)
            if not part:
                raise RuntimeError("the browser closed its pipe")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


class Page:
    def __init__(self, browser, session):
        self._browser = browser
        self._session = session
        self.problems = []
        self.requests = []

    def call(self, method, **parameters):
        return self._browser.call(method, self._session, **parameters)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
                           userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression):
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while not self.value(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never became true: {expression}")
            time.sleep(0.05)

    def settle(self):
        """Two frames: what a scroll or a resize sets off has happened."""
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def press(self, key, text=""):
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def hover(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def wheel(self, x, y, down):
        """Turns the wheel by so many pixels; negative is away from the person."""
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=down)

    def drag(self, x, y, to_x, to_y, modifiers=0):
        common = {"button": "left", "buttons": 1, "clickCount": 1, "modifiers": modifiers}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **common)
        for step in range(1, 5):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + (to_x - x) * step / 4,
                      y=y + (to_y - y) * step / 4, **common)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=to_x, y=to_y, **common)

    def click(self, x, y):
        self.drag(x, y, x, y)

    def resize(self, width, height, dark=False, media=""):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, path, clip=None):
        """A PNG of the whole page, or of the box (x, y, width, height) of it."""
        extra = {"clip": dict(zip(("x", "y", "width", "height"), clip), scale=1)} if clip else {}
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **extra)
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))

    def _note(self, method, event):
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.problems.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.problems.append("log: " + event["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.problems.append("dialog: " + event["message"])


def _high(fd):
    """The same file at a descriptor out of the way of 3 and 4, closed on exec."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(fd)
    return moved
