"""Build the documentation site into site/, from docs/ and the docstrings.

Zensical renders it: its authors made Material for MkDocs, which they only maintain since, and MkDocs itself has had no
release for two years. It needs no network; fonts and scripts are files of the site.

`python scripts/build_docs.py` builds and checks all links, `python scripts/build_docs.py serve` shows the result.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WORK = ROOT / ".site"
SITE = ROOT / "site"
REPOSITORY = "https://github.com/fluxlit/fluxlit/blob/main/"
PORT = 8002

# What a reader of the reference finds on a page: its title, and the names to document.
PYTHON: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "fluxlit": (
        "fluxlit: the application",
        (
            "fluxlit.app.FluxLit",
            "fluxlit.pages.options.PageOptions",
            "fluxlit.client.ApiClient",
            "fluxlit.client.ApiError",
            "fluxlit.client.RequestOptions",
            "fluxlit.auth.contract.User",
            "fluxlit.auth.contract.Authenticator",
            "fluxlit.users.require_roles",
            "fluxlit.users.current_user",
            "fluxlit.pages.elements.sign_in",
            "fluxlit.pages.elements.sign_out",
            "fluxlit.pages.marker.Depends",
        ),
    ),
    "testing": (
        "fluxlit.testing: tests",
        (
            "fluxlit.testing.api.api_client",
            "fluxlit.testing.api.async_api_client",
            "fluxlit.testing.page.page_test",
            "fluxlit.testing.server.run_server",
        ),
    ),
    "sessions": (
        "fluxlit_sessions",
        (
            "fluxlit_sessions.urls.open_store",
            "fluxlit_sessions.store.SessionStore",
            "fluxlit_sessions.options.StoreOptions",
        ),
    ),
    "auth": (
        "fluxlit_auth",
        (
            "fluxlit_auth.login.oidc.OIDC",
            "fluxlit_auth.bearer.JWTBearer",
            "fluxlit_auth.api_keys.APIKeys",
            "fluxlit_auth.trusted_proxy.TrustedProxy",
        ),
    ),
}

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w+)(?P<rest>[^\n`]*)$", re.MULTILINE)
_TITLE = re.compile(r'title="[^"]*"')
_LINK = re.compile(r"(?P<before>!?\[[^\]]*\]\()(?P<target>[^)\s]+)(?P<after>\))")


def build() -> None:
    """Write the sources of the site, render them and check every link."""
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(SITE, ignore_errors=True)
    for page in DOCS.rglob("*"):
        if page.is_file():
            target = WORK / "docs" / page.relative_to(DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            if page.suffix == ".md":
                target.write_text(for_site(page.read_text("utf-8"), page), encoding="utf-8")
            else:
                shutil.copyfile(page, target)
    for name, (title, names) in PYTHON.items():
        target = WORK / "docs" / "reference" / "python" / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"# {title}\n\n" + "".join(f"::: {each}\n\n" for each in names), encoding="utf-8")
    configuration = WORK / "zensical.toml"
    configuration.write_text(with_navigation((ROOT / "scripts" / "site.toml").read_text("utf-8")), encoding="utf-8")
    subprocess.run(
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "-f", str(configuration)],
        check=True,
        cwd=WORK,
    )
    shutil.move(WORK / "site", SITE)
    write_llms()
    if problems := list(broken_links(SITE)):
        sys.exit("\n".join([f"{len(problems)} broken links:", *problems]))
    print(f"Built {sum(1 for _ in SITE.rglob('*.html'))} pages into {SITE}")


def for_site(text: str, page: Path) -> str:
    """Return the text of a page as the site needs it.

    Without the attributes that the tests read, and with absolute links to files outside docs/.
    """

    def fence(match: re.Match[str]) -> str:
        title = _TITLE.search(match["rest"])
        return f"{match['fence']}{match['language']}" + (f" {title[0]}" if title else "")

    def link(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        file = Path(os.path.normpath(page.parent / target))
        if ":" in target or not target or file.is_relative_to(DOCS):
            return match[0]
        absolute = REPOSITORY + file.relative_to(ROOT).as_posix() + (f"#{anchor}" if anchor else "")
        return f"{match['before']}{absolute}{match['after']}"

    return _LINK.sub(link, _FENCE.sub(fence, text))


def sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the headings of docs/index.md with the pages below."""
    for part in (DOCS / "index.md").read_text("utf-8").split("\n## ")[1:]:
        heading, _, body = part.partition("\n")
        links = re.findall(r"\[([^\]]+)\]\(([^)#]+\.md)\)", body)
        yield heading.partition(":")[0], [(title.replace("`", ""), target) for title, target in links]


def with_navigation(configuration: str) -> str:
    """Return the configuration with folders and navigation."""
    navigation: list[dict[str, object]] = [{"Home": "index.md"}]
    for heading, pages in sections():
        entries: list[dict[str, object]] = [{title: target} for title, target in pages]
        if heading == "Reference":
            entries.append({"Python": [{title: f"reference/python/{name}.md"} for name, (title, _) in PYTHON.items()]})
        navigation.append({heading: entries})
    sources = sorted(str(path) for path in (ROOT / "packages").glob("*/src"))
    own = f'docs_dir = "docs"\nsite_dir = "site"\nnav = {_toml(navigation)}\n'
    paths = f"paths = {json.dumps(sources)}\n"
    configuration = configuration.replace("\n[project.theme]\n", f"{own}\n[project.theme]\n", 1)
    return configuration.replace("inventories = []\n", f"inventories = []\n{paths}", 1)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def write_llms() -> None:
    """Write llms.txt, a list of the pages, and llms-full.txt (llmstxt.org).

    The list leads to the Markdown of each page.
    """
    lines = ["# FluxLit", "", "> FastAPI and Streamlit on one port.", ""]
    whole = []
    for heading, pages in sections():
        lines += [f"## {heading}", "", *(f"- [{title}]({target})" for title, target in pages), ""]
        whole += [for_site((DOCS / target).read_text("utf-8"), DOCS / target) for _, target in pages]
    (SITE / "llms.txt").write_text("\n".join(lines), encoding="utf-8")
    (SITE / "llms-full.txt").write_text("\n\n".join(whole), encoding="utf-8")
    for _, pages in sections():
        for _, target in pages:
            copy = SITE / target
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(for_site((DOCS / target).read_text("utf-8"), DOCS / target), encoding="utf-8")


class _Page(HTMLParser):
    """The addresses and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in {"script", "img"} and "src" in given:
            self.loaded.append(given["src"])
        elif tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loaded.append(given.get("href", ""))


def broken_links(site: Path) -> Iterator[str]:
    """Yield broken internal links, and files loaded from other servers."""
    pages = {path: _Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    for path, page in pages.items():
        where = path.relative_to(site)
        yield from (f"{where}: loads {each}" for each in page.loaded if urlsplit(each).scheme in {"http", "https"})
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = pages.get(target)
            if not target.is_file():
                yield f"{where}: {link} leads nowhere"
            elif parts.fragment and known and unquote(parts.fragment) not in known.anchors:
                yield f"{where}: {link} has no such heading"


def serve() -> None:
    """Build the site and show it on this machine."""
    build()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=os.fspath(SITE))
    print(f"http://127.0.0.1:{PORT}/  (Ctrl-C to stop)")
    with http.server.ThreadingHTTPServer(("127.0.0.1", PORT), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else build()
