"""Build the documentation site into site/, from docs/ and the docstrings.

Zensical renders it: its authors made Material for MkDocs, which they only maintain since, and MkDocs itself has had no
release for two years. It needs no network; fonts and scripts are files of the site.

Each minor version of `fluxlit` has a folder, because readers have the version that they have installed. Other folders
in site/ stay, so a release puts those of former versions there before. versions.json lists them for the
selector, and index.html leads to the newest. Zensical's own tool for that, a fork of mike, is on no index and commits
to a branch; what it writes is this file.

`python scripts/build_docs.py` builds and checks all links, `python scripts/build_docs.py serve` shows the result.
"""

from __future__ import annotations

import ast
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
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

_PROJECT = tomllib.loads((ROOT / "packages" / "fluxlit" / "pyproject.toml").read_text("utf-8"))["project"]
VERSION = ".".join(_PROJECT["version"].split(".")[:2])
"""The version that this tree documents, such as 1.0."""

# The pages of the Python reference: title, package, and the names that readers look for first. The other public names
# of the package follow.
PYTHON: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "fluxlit": ("fluxlit: the application", "fluxlit", ("FluxLit", "pages.PageOptions", "ApiClient", "User")),
    "testing": ("fluxlit.testing: tests", "fluxlit.testing", ()),
    "contract": ("fluxlit.auth.contract: authenticators", "fluxlit.auth.contract", ("Authenticator", "Verdict")),
    "sessions": ("fluxlit_sessions", "fluxlit_sessions", ("open_store", "SessionStore", "StoreOptions")),
    "auth": ("fluxlit_auth", "fluxlit_auth", ("OIDC", "JWTBearer", "TokenIssuer", "APIKeys", "TrustedProxy")),
}

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w+)(?P<rest>[^\n`]*)$", re.MULTILINE)
_TITLE = re.compile(r'title="[^"]*"')
_COUNTS_STARS = ' data-md-component="source"'
"""Lets each reader's browser ask GitHub's API for the stars and the release of the repository."""

_EDIT = re.compile(r'<a href="[^"]*/edit/main/[^"]*".*?</a>', re.DOTALL)
_PICTURE = re.compile(r'<picture>\s*<source [^>]*set="([^"]+)">\s*<img src="([^"]+)" alt="([^"]*)"[^>]*>\s*</picture>')
_LINK = re.compile(r"(?P<before>!?\[[^\]]*\]\()(?P<target>[^)\s]+)(?P<after>\))")


def build() -> None:
    """Write the sources of the site, render them and check every link."""
    target_folder = SITE / VERSION
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.rmtree(target_folder, ignore_errors=True)
    SITE.mkdir(exist_ok=True)
    for page in DOCS.rglob("*"):
        if page.is_file():
            target = WORK / "docs" / page.relative_to(DOCS)
            target.parent.mkdir(parents=True, exist_ok=True)
            if page.suffix == ".md":
                target.write_text(for_site(page.read_text("utf-8"), page), encoding="utf-8")
            else:
                shutil.copyfile(page, target)
    for name, (title, package, first) in PYTHON.items():
        names = [*first, *(each for each in public(package) if each not in first)]
        target = WORK / "docs" / "reference" / "python" / f"{name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"# {title}\n\n" + "".join(f"::: {package}.{each}\n\n" for each in names), encoding="utf-8")
    (WORK / "docs" / "site.css").write_text("td:first-child code{white-space:nowrap}\n", encoding="utf-8")
    configuration = WORK / "zensical.toml"
    configuration.write_text(with_navigation((ROOT / "scripts" / "site.toml").read_text("utf-8")), encoding="utf-8")
    subprocess.run(
        [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "-f", str(configuration)],
        check=True,
        cwd=WORK,
    )
    shutil.move(WORK / "site", target_folder)
    for page in target_folder.rglob("*.html"):
        text = page.read_text("utf-8").replace(_COUNTS_STARS, "")
        made = "python" in page.relative_to(target_folder).parts  # there is no file to edit
        page.write_text(_EDIT.sub("", text) if made else text, encoding="utf-8")
    write_llms(target_folder)
    write_versions(SITE)
    if problems := list(broken_links(target_folder)):
        sys.exit("\n".join([f"{len(problems)} broken links:", *problems]))
    print(f"Built {sum(1 for _ in target_folder.rglob('*.html'))} pages into {target_folder}")


def public(package: str) -> list[str]:
    """Return the names in ``__all__`` of a package or module.

    Imports nothing. What it takes over from another distribution is documented there.
    """
    path = package.replace(".", "/")
    [file] = [*ROOT.glob(f"packages/*/src/{path}/__init__.py"), *ROOT.glob(f"packages/*/src/{path}.py")]
    tree = ast.parse(file.read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    root = package.partition(".")[0]
    others = {name.name for node in imports if not f"{node.module}.".startswith(f"{root}.") for name in node.names}
    values = [node.value for node in tree.body if isinstance(node, ast.Assign) and _is_all(node)]
    return [str(name) for value in values for name in ast.literal_eval(value) if name not in others]


def _is_all(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)


def for_site(text: str, page: Path) -> str:
    """Return the text of a page as the site needs it.

    Without the attributes that the tests read, with absolute links to files outside docs/, and with pictures that
    follow the site's own switch between light and dark.
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

    text = _PICTURE.sub(r"![\3](\2#only-light)![\3](\1#only-dark)", text)
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
            entries.append({"Python": [{title: f"reference/python/{name}.md"} for name, (title, *_) in PYTHON.items()]})
        navigation.append({heading: entries})
    sources = sorted(str(path) for path in (ROOT / "packages").glob("*/src"))
    own = f'docs_dir = "docs"\nsite_dir = "site"\nnav = {_toml(navigation)}\n'
    paths = f"paths = {json.dumps(sources)}\n"
    configuration = re.sub(r'(site_url = "[^"]*)"', rf'\g<1>{VERSION}/"', configuration)
    configuration = configuration.replace("\n[project.theme]\n", f"{own}\n[project.theme]\n", 1)
    return configuration.replace("inventories = []\n", f"inventories = []\n{paths}", 1)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def write_llms(site: Path) -> None:
    """Write llms.txt, a list of the pages, and llms-full.txt (llmstxt.org).

    The list leads to the Markdown of each page.

    Args:
        site: the folder of a version.
    """
    lines = ["# FluxLit", "", "> FastAPI and Streamlit on one port.", ""]
    whole = []
    for heading, pages in sections():
        lines += [f"## {heading}", "", *(f"- [{title}]({target})" for title, target in pages), ""]
        whole += [for_site((DOCS / target).read_text("utf-8"), DOCS / target) for _, target in pages]
    (site / "llms.txt").write_text("\n".join(lines), encoding="utf-8")
    (site / "llms-full.txt").write_text("\n\n".join(whole), encoding="utf-8")
    for _, pages in sections():
        for _, target in pages:
            copy = site / target
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(for_site((DOCS / target).read_text("utf-8"), DOCS / target), encoding="utf-8")


def write_versions(site: Path) -> None:
    """Write what leads to the versions: for the selector, people and machines.

    Args:
        site: the folder with one folder for each version.
    """
    numbers = [folder.name for folder in site.iterdir() if re.fullmatch(r"\d+\.\d+", folder.name)]
    newest, *older = sorted(numbers, key=lambda name: tuple(map(int, name.split("."))), reverse=True)
    entries = [{"version": newest, "title": newest, "aliases": ["latest"]}]
    entries += [{"version": name, "title": name, "aliases": []} for name in older]
    (site / "versions.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (site / "index.html").write_text(_INDEX.format(version=newest), encoding="utf-8")
    shutil.copyfile(site / newest / "404.html", site / "404.html")
    shutil.copyfile(site / newest / "llms-full.txt", site / "llms-full.txt")
    listed = (site / newest / "llms.txt").read_text("utf-8")
    (site / "llms.txt").write_text(listed.replace("](", f"]({newest}/"), encoding="utf-8")


_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>FluxLit</title>
<meta http-equiv="refresh" content="0; url={version}/"></head>
<body><a href="{version}/">FluxLit {version}</a></body></html>
"""


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
    print(f"http://127.0.0.1:{PORT}/{VERSION}/  (Ctrl-C to stop)")
    with http.server.ThreadingHTTPServer(("127.0.0.1", PORT), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else build()
