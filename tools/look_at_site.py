"""Open every page of the built site in headless Chromium, as wide as on a desktop and a telephone.

    python tools/look_at_site.py build/html [--pictures FOLDER]

fails if a page raises an error, asks for a file from elsewhere or one that is not there, has a
picture that does not load, is wider than the screen, has text that is cut off there, or a link to a
page or heading that is not there. With --pictures, it saves how each page looks. It needs the extra
test-browser.
"""

import argparse
import functools
import http.server
import os
import shutil
import sys
import threading
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

from playwright.sync_api import sync_playwright

WIDTHS = {"desktop": 1280, "telephone": 390}
STATE = """() => {
// Wide tables and code may scroll, but not the whole text.
const scrolls = each => each.tagName !== "ARTICLE" &&
    (/auto|scroll/.test(getComputedStyle(each).overflowX) || scrolls(each.parentElement));
return {
    width: document.documentElement.scrollWidth,
    cut: [...document.querySelectorAll("article p, article li, article dt, article h1, article h2")]
        .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !scrolls(each))
        .map(each => each.textContent.slice(0, 40)),
    broken: [...document.images].filter(image => !image.naturalWidth && image.loading !== "lazy")
        .map(image => image.src),
    links: [...document.querySelectorAll("a[href]")].map(link => link.href),
    ids: [...document.querySelectorAll("[id], a[name]")].map(each => each.id || each.name),
}}"""


class Server(http.server.ThreadingHTTPServer):
    """The files of a folder, on a free port of this machine, without a log."""

    def __init__(self, folder):
        handler = functools.partial(Handler, directory=str(folder))
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def look(browser, address, files, pictures):
    """Yield what is wrong with the pages among the files below an address."""
    # The sources of modules are shown as they are, and there are many.
    names = [name for name in files if name.endswith(".html")]
    names = sorted(name for name in names if not name.startswith(("_modules/", "_static/")))
    ids, links = {}, {}
    for device, width in WIDTHS.items():
        context = browser.new_context(viewport={"width": width, "height": 900})
        context.set_default_timeout(120_000)  # for a busy machine
        page = context.new_page()
        faults = []
        page.on("pageerror", lambda error, faults=faults: faults.append(f"error: {error}"))
        page.on(
            "response",
            lambda answer, faults=faults: answer.status >= 400 and faults.append(answer.url),
        )
        page.on(
            "request",
            lambda asked, faults=faults: (
                asked.url.startswith((address, "data:", "blob:"))
                or faults.append(f"elsewhere: {asked.url}")
            ),
        )
        for name in names:
            page.goto(address + name, wait_until="load")
            state = page.evaluate(STATE)
            faults += [f"picture: {source}" for source in state["broken"]]
            faults += [f"cut off on a {device}: {text!r}" for text in state["cut"]]
            if state["width"] > width:
                faults.append(f"{state['width']} pixels wide on a {device}")
            ids[name], links[name] = set(state["ids"]), state["links"]
            if pictures:
                target = pictures / device / f"{name.replace('/', '-')}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=target, full_page=True)
            yield from (f"{name}: {fault}" for fault in faults)
            faults.clear()
        context.close()
    for name, targets in links.items():
        for link in sorted(set(targets)):
            target, anchor = urldefrag(urljoin(address + name, link))
            place = unquote(target.removeprefix(address).partition("?")[0]) or "index.html"
            if target.startswith(address) and (
                place not in files or (anchor and unquote(anchor) not in ids.get(place, {anchor}))
            ):
                yield f"{name}: no {link.removeprefix(address)}"
    print(f"Looked at {len(names)} pages")


def main():
    parser = argparse.ArgumentParser(description="Look at every page of the site.")
    parser.add_argument("folder", type=Path, help="with the built site")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="where to save pictures")
    args = parser.parse_args()
    files = {path.relative_to(args.folder).as_posix() for path in args.folder.rglob("*")}
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    server = Server(args.folder)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        faults = list(look(browser, server.address, files, args.pictures))
        browser.close()
    server.shutdown()
    print("\n".join(faults) or "Nothing is wrong with them.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
