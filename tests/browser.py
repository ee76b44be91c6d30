"""A headless Chromium, driven through chromedriver (W3C WebDriver protocol)."""

import json
import re
import shutil
import subprocess
import time
import urllib.request
from typing import Any, Self

ABSENT = next((f"needs {name}" for name in ("chromium", "chromedriver") if not shutil.which(name)), None)


class Browser:
    """One window of the given width in pixels; scripts run in the page."""

    def __init__(self, width: int):
        self.process = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.search(r"on port (\d+)\.", line):
                self.root = f"http://127.0.0.1:{found[1]}/session"
                break
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        options: dict[str, Any] = {"args": arguments, "binary": shutil.which("chromium")}
        options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": 800, "pixelRatio": 1, "touch": False}}
        capabilities = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        self.root += "/" + self._post("", {"capabilities": capabilities})["sessionId"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        urllib.request.urlopen(urllib.request.Request(self.root, method="DELETE"), timeout=30).close()
        self.process.terminate()
        self.process.wait()

    def open(self, path: object) -> None:
        self._post("/url", {"url": f"file://{path}"})
        until = time.monotonic() + 30
        while self.run("return document.readyState") != "complete" and time.monotonic() < until:  # under load
            time.sleep(0.1)

    def run(self, script: str) -> Any:
        """Run a script in the page and return its `return` value."""
        return self._post("/execute/sync", {"script": script, "args": []})

    def prefer(self, scheme: str) -> None:
        """Set the reader's colour scheme, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._post("/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})

    def screenshot(self) -> str:
        """Return what the window shows, as base64 of a PNG file."""
        with urllib.request.urlopen(f"{self.root}/screenshot", timeout=60) as answer:
            return json.load(answer)["value"]

    def press(self, *keys: str) -> None:
        """Press keys in order, given by their WebDriver code points."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def _post(self, path: str, value: object) -> Any:
        body = json.dumps(value).encode()
        request = urllib.request.Request(self.root + path, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]


TAB, ENTER, RIGHT, LEFT, DOWN = "\ue004", "\ue007", "\ue014", "\ue012", "\ue015"
