"""A page in a real browser, asked by Chromium's own protocol."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request

import websockets


@contextlib.contextmanager
def opened(url, folder):
    """Chromium without a window, which shows the page. Gives a function that evaluates an expression in it."""
    browser = subprocess.Popen(
        [shutil.which("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
         "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={folder}/browser", url],
        stdout=subprocess.DEVNULL, stderr=(folder / "browser.log").open("w"))
    loop = asyncio.new_event_loop()
    try:
        socket = loop.run_until_complete(connected(address_of_page(folder / "browser" / "DevToolsActivePort", url)))
        yield lambda expression: loop.run_until_complete(evaluated(socket, expression))
        loop.run_until_complete(socket.close())
    finally:
        loop.close()
        browser.terminate()
        browser.wait(60)


def address_of_page(file, url, longest=60):
    until = time.monotonic() + longest
    while True:
        with contextlib.suppress(OSError, ValueError, StopIteration):
            port = int(file.read_text().splitlines()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=longest) as found:
                return next(each["webSocketDebuggerUrl"] for each in json.load(found) if each["type"] == "page" and each["url"].startswith(url))
        assert time.monotonic() < until, "the browser does not show the page"
        time.sleep(0.1)


async def connected(address):
    return await websockets.connect(address, max_size=None)


async def evaluated(socket, expression):
    await socket.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": {"expression": expression, "returnByValue": True, "awaitPromise": True}}))
    while True:
        answer = json.loads(await socket.recv())
        if answer.get("id") == 1:
            return answer["result"]["result"].get("value")
