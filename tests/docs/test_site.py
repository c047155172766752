"""The documentation site: its sources, navigation and links."""

from __future__ import annotations

import importlib
import json
import pkgutil
import tomllib
from pathlib import Path

import pytest

from scripts import build_docs
from tests.support.processes import ROOT


def test_blocks_keep_their_title_only() -> None:
    text = '```console server="yes"\n$ x\n```\n\n````python title="a.py" elsewhere="b"\nx\n````\n\n```text\n`a`\n```\n'
    shown = build_docs.for_site(text, build_docs.DOCS / "index.md")
    assert shown == '```console\n$ x\n```\n\n````python title="a.py"\nx\n````\n\n```text\n`a`\n```\n'


def test_links_out_of_the_documentation_become_absolute() -> None:
    page = build_docs.DOCS / "how-to" / "x.md"
    text = "[a](../../README.md#b) [c](y.md#d) [e](https://x.example) ![f](../images/g.png) [h](#i)"
    assert build_docs.for_site(text, page) == (
        f"[a]({build_docs.REPOSITORY}README.md#b) [c](y.md#d) [e](https://x.example) ![f](../images/g.png) [h](#i)"
    )


def test_a_picture_follows_the_switch_of_the_site() -> None:
    text = """<picture>
  <source media="(prefers-color-scheme: dark)" srcset="../images/a-dark.png">
  <img src="../images/a-light.png" alt="A page" width="600">
</picture>
"""
    assert build_docs.for_site(text, build_docs.DOCS / "how-to" / "x.md") == (
        "![A page](../images/a-light.png#only-light)![A page](../images/a-dark.png#only-dark)\n"
    )


def test_every_page_is_in_the_navigation_once() -> None:
    listed = [target for _, pages in build_docs.sections() for _, target in pages]
    there = {str(path.relative_to(build_docs.DOCS)) for path in build_docs.DOCS.rglob("*.md")} - {"index.md"}
    assert sorted(listed) == sorted(there)
    configuration = tomllib.loads(build_docs.with_navigation((ROOT / "scripts" / "site.toml").read_text()))
    assert configuration["project"]["nav"][0] == {"Home": "index.md"}


@pytest.mark.parametrize("page", build_docs.PYTHON)
def test_the_python_reference_has_the_public_names(page: str) -> None:
    _, package, first = build_docs.PYTHON[page]
    names = build_docs.public(package)
    assert [name for name in (*first, *names) if pkgutil.resolve_name(f"{package}:{name}") is None] == []
    missing = set(importlib.import_module(package).__all__) - set(names)
    assert missing == ({"Problem", "User", "Verdict"} if page == "auth" else set())  # those of the contract


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text('<a href="a/">x</a><a href="a/#no">x</a><a href="b.html">x</a><a href="#y">')
    (tmp_path / "a" / "index.html").write_text('<h1 id="yes"></h1><script src="https://cdn.example/x.js"></script>')
    assert list(build_docs.broken_links(tmp_path)) == [
        "index.html: a/#no has no such heading",
        "index.html: b.html leads nowhere",
        "index.html: #y has no such heading",
        "a/index.html: loads https://cdn.example/x.js",
    ]


def test_the_newest_version_comes_first_and_the_root_leads_to_it(tmp_path: Path) -> None:
    for name in ("1.9", "1.10", "0.8", "assets"):
        (tmp_path / name).mkdir()
        for file in ("404.html", "llms-full.txt"):
            (tmp_path / name / file).write_text(f"{file} of {name}")
        (tmp_path / name / "llms.txt").write_text("- [A page](how-to/a.md)")
    build_docs.write_versions(tmp_path)
    listed = json.loads((tmp_path / "versions.json").read_text())
    assert [(each["version"], each["aliases"]) for each in listed] == [("1.10", ["latest"]), ("1.9", []), ("0.8", [])]
    assert "url=1.10/" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "llms.txt").read_text() == "- [A page](1.10/how-to/a.md)"
    assert (tmp_path / "404.html").read_text() == "404.html of 1.10"


def test_the_site_of_a_version_knows_its_address() -> None:
    configuration = tomllib.loads(build_docs.with_navigation((ROOT / "scripts" / "site.toml").read_text()))
    assert configuration["project"]["site_url"].endswith(f"/fluxlit/{build_docs.VERSION}/")
