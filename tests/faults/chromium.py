"""A station as it stands in the hall: a Chromium that can be killed, and somebody who scans."""

import contextlib
import http.cookiejar
import json
import os
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Error,
    Page,
    Playwright,
    Request,
    Response,
)

from tests.browser.conftest import CHROMIUM
from tests.faults.site import PASSWORD

SWITCHES = [
    *("--headless=new", "--remote-debugging-port=0", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-breakpad", "--password-store=basic"),
    *("--disable-renderer-backgrounding", "--disable-background-timer-throttling", "--mute-audio"),
]
BATCH = "/api/scans/batch"
KEY_SECONDS = 0.002  # a scanner's pace
CODES = {" ": "Space", "-": "Minus", ".": "Period", ",": "Comma", "/": "Slash", ":": "Semicolon"}

# All that the page said, each once: [outcome, detail].
LISTEN = """(() => {
  window.seen = [];
  addEventListener("DOMContentLoaded", () => {
    const state = document.querySelector(".state");
    if (!state) return;
    let last = "";
    new MutationObserver(() => {
      const detail = state.querySelector("[data-part=detail]").textContent;
      const said = [state.dataset.outcome ?? "", detail];
      if (said.join() !== last) window.seen.push(said);
      last = said.join();
    }).observe(state, { attributes: true, characterData: true, childList: true, subtree: true });
  });
})()"""

WAITING = """() => new Promise((resolve, reject) => {
  const opening = indexedDB.open("tracetrack");
  opening.onerror = () => reject(opening.error);
  opening.onsuccess = () => {
    const db = opening.result;
    const count = db.transaction("items").objectStore("items").count();
    count.onsuccess = () => { db.close(); resolve(count.result); };
  };
})"""


class Chromium:
    """A browser with a profile of its own and a process group of its own."""

    def __init__(self, playwright: Playwright, profile: Path) -> None:
        self.playwright, self.profile = playwright, profile
        self.process: subprocess.Popen | None = None
        self.browser: Browser | None = None

    def start(self) -> BrowserContext:
        """Start it, again with the same profile, and take hold of it."""
        port = self.profile / "DevToolsActivePort"
        port.unlink(missing_ok=True)
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(  # noqa: S603  our own command
            [CHROMIUM, *SWITCHES, *root, f"--user-data-dir={self.profile}", "about:blank"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while not (port.exists() and port.read_text().count("\n")):
            if self.process.poll() is not None or time.monotonic() > end:
                raise Error("Chromium did not start.")
            time.sleep(0.02)
        number = port.read_text().split()[0]
        self.browser = self.playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{number}")
        return self.browser.contexts[0]

    def kill(self) -> None:
        """SIGKILL for all its processes, as when the power goes."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def has_ended(self) -> bool:
        """Whether it was killed; what is dying gets a moment."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(timeout=3) is not None
        return False

    def stop(self) -> None:
        self.kill()
        with contextlib.suppress(Error):
            self.browser and self.browser.close()


def key_of(char: str) -> dict:
    """What a US keyboard says of this character."""
    if char == "\n":
        return {"key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13}
    code = CODES.get(char) or ("Digit" if char.isdigit() else "Key") + char.upper()
    shift = 8 if char.isupper() or char == ":" else 0
    return {"key": char, "code": code, "text": char, "modifiers": shift}


def sign_in(port: int) -> list[dict]:
    """The cookies of a person who has signed in, past any proxy."""
    base, jar = f"http://127.0.0.1:{port}", http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.open(f"{base}/login/", timeout=10).read()
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": "asha", "password": PASSWORD, "csrfmiddlewaretoken": token}
    body = urllib.parse.urlencode(form).encode()
    opener.open(f"{base}/login/?next=/health", body, timeout=10).read()
    return [
        {"name": cookie.name, "value": cookie.value, "domain": "127.0.0.1", "path": "/"}
        for cookie in jar
    ]


@dataclass
class Scan:
    """One pull of the trigger. `safe`: the page promised that it is on the device's disk."""

    station: str
    raw: str
    parent: str | None  # that the page showed as open; None where this scan was to open one
    safe: bool = False

    @property
    def shown(self) -> str:
        """The code as the page says it: of a label its number."""
        return self.raw[9:16] if self.raw.startswith("LABEL NO.") else self.raw


@dataclass
class Traffic:
    """What went over the wire: how often each item was sent, and how long until its verdict."""

    sent: Counter = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    scanned: dict[str, float] = field(default_factory=dict)

    def asked(self, request: Request) -> None:
        if request.url.endswith(BATCH):
            for item in json.loads(request.post_data or "{}").get("items", []):
                self.sent[item["id"]] += 1
                self.scanned[item["id"]] = datetime.fromisoformat(item["at"]).timestamp()

    def answered(self, response: Response) -> None:
        if not response.url.endswith(BATCH):
            return
        now = time.time()
        with contextlib.suppress(Error, ValueError, KeyError):
            for result in response.json()["results"]:
                if result["status"] < 500 and result["status"] != 425:
                    self.seconds.setdefault(result["id"], now - self.scanned[result["id"]])

    def report(self) -> str:
        tries = self.sent.total() / max(1, len(self.sent))
        return f"mean attempts {tries:.2f}, longest verdict {max(self.seconds.values()):.1f} s"


class Station:
    """Somebody who scans, in one browser, and writes down what the page promised."""

    def __init__(self, chromium: Chromium, url: str, name: str, cookies: list[dict]) -> None:
        self.chromium, self.url, self.name, self.cookies = chromium, url, name, cookies
        self.history: list[Scan] = []
        self.traffic = Traffic()
        self.dress = lambda page: None  # what a control changes in the page
        self.page: Page | None = None
        self.keyboard: CDPSession | None = None
        self.last_key = 0.0

    def open(self, patience: float = 60) -> None:
        """Switch the device on and load the page, as often as it takes."""
        end = time.monotonic() + patience
        while True:
            try:
                self._start()
                return
            except Error:
                if time.monotonic() > end:
                    raise
                self.chromium.stop()

    def _start(self) -> None:
        context = self.chromium.start()
        context.add_cookies(self.cookies)  # a browser writes them to the disk only now and then
        context.add_init_script(LISTEN)
        self.page = context.pages[0] if context.pages else context.new_page()
        self.page.on("request", self.traffic.asked)
        self.page.on("response", self.traffic.answered)
        self.keyboard = context.new_cdp_session(self.page)
        self.dress(self.page)
        self._load()
        if self.page.locator("[data-part=name]").is_visible():
            self.page.locator("[data-part=name]").fill(self.name)
            self.page.locator("[data-part=chooser] button.main").click()
        self.page.locator("[data-part=field]").wait_for(state="visible", timeout=5000)

    def _load(self) -> None:
        """Load the page again while there is no network, and no copy of the page either."""
        end = time.monotonic() + 60
        while True:
            try:
                self.page.goto(f"{self.url}/scan/", timeout=10_000)
                self.page.locator(".station[data-ready]").wait_for(state="attached", timeout=10_000)
                return
            except Error:
                if self.chromium.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def parent(self) -> str | None:
        """The parent that the page shows as open."""
        return self.page.evaluate(
            "document.querySelector('.state[data-phase=packing] [data-part=parent]')?.textContent"
        )

    def scan(self, *codes: str, parent: str | None, patience: float = 10) -> None:
        """Pull the trigger for each code, one right after the other; wait until all are safe."""
        scans = [Scan(self.name, code, parent) for code in codes]
        self.history += scans
        self.page.evaluate("window.seen = []")
        self.pull("".join(f"{code}\n" for code in codes))
        end, said = time.monotonic() + patience, []
        while not all(scan.safe for scan in scans):
            said += self.page.evaluate("window.seen.splice(0)")
            for scan in scans:
                scan.safe = ["safe", scan.shown] in said
            unsafe = [scan.raw for scan in scans if not scan.safe]
            assert time.monotonic() < end, f"not safe: {unsafe}; the page said {said}"
            time.sleep(0.01)

    def pull(self, text: str) -> None:
        """As a scanner types: at its own pace, also where this machine is busy.

        The system stamps each key when it comes. `keyboard.type` would let the browser stamp it
        when it gets there, and a pause in the middle of a code looks like a hand.
        """
        self.last_key = max(time.time(), self.last_key)
        for char in text:
            self.last_key += KEY_SECONDS
            key = key_of(char) | {"timestamp": self.last_key}
            self.keyboard.send("Input.dispatchKeyEvent", key | {"type": "keyDown"})
            if char in " \n":  # nothing listens to the others
                self.keyboard.send("Input.dispatchKeyEvent", key | {"type": "keyUp"})

    def waiting(self) -> int:
        """How many items are in the store of this browser."""
        return self.page.evaluate(WAITING)

    def expect_all_sent(self, patience: float = 60) -> None:
        end = time.monotonic() + patience
        while self.waiting():
            assert time.monotonic() < end, f"{self.name}: {self.waiting()} still wait"
            self.page.wait_for_timeout(50)  # which also lets events of the page come in
