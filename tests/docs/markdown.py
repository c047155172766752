"""The code blocks of a Markdown file, and the links in it.

The first word after the fence is the language, `name="value"` pairs follow. What they mean is in `runner.py`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.processes import ROOT

ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Block:
    """One fenced code block."""

    language: str
    source: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks in order.

    An indented block is refused because it cannot name its language.
    """
    found = []
    for token in MarkdownIt().parse(text):
        line = token.map[0] + 1 if token.map else 0
        assert token.type != "code_block", f"line {line}: fence this block and name its language"
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            assert not ATTRIBUTE.sub("", rest).strip(), f"line {line}: cannot read {rest!r}"
            found.append(Block(language, token.content, line, dict(ATTRIBUTE.findall(rest))))
    return found


def links(text: str) -> list[str]:
    """Return the targets of all links and pictures."""
    return [
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in MarkdownIt().parse(text)
        for child in token.children or []
        if child.type in {"link_open", "image"}
    ]


def documents() -> list[Path]:
    """Return every document that users read."""
    skills = "packages/*/src/*/.agents/**/*.md"
    patterns = ["*.md", "docs/**/*.md", "packages/*/*.md", skills, "examples/**/*.md", "benchmarks/*.md"]
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))
