"""Check that prose uses the project's vocabulary, by scripts/prose.toml.

Prose is what people read: Python docstrings, comments and messages, Markdown without its code, the texts and comments
of HTML, CSS and JavaScript, and the comments of TOML, YAML, shell scripts and configuration files. Code in backticks
is left out.

    check_prose.py                 every file of the repository
    check_prose.py PATH...         these files and folders
    check_prose.py --measure       sizes and counts of the distributions; checks nothing
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DATA: dict[str, Any] = tomllib.loads((ROOT / "scripts" / "prose.toml").read_text(encoding="utf-8"))

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
SEVERAL_WORDS = re.compile(r"[A-Za-z,;:.'] +[A-Za-z]")
CODE_SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
SCRIPT = re.compile(r"/\*.*?\*/|(?<![:\w])//[^\n]*|([\"'`])(?=[^\n]* )[^\n]*?\1", re.DOTALL)
SHOWN = re.compile(r"(?<=title=\")[^\"]*|(?<=alt=\")[^\"]*|(?<=placeholder=\")[^\"]*|(?<=aria-label=\")[^\"]*")
HASHED = re.compile(r"(?:(?:^|\s)#+!?(?!\w{3,8}[\"';])|^\s*(?:description|message|help)\s*[=:])(.*)")
HEADER_NAME = re.compile(r"[A-Z][A-Za-z]*(?:-[A-Za-z]+)*")


@dataclass(frozen=True)
class Passage:
    """A stretch of prose and the lines of the file that hold it."""

    text: str
    line: int
    kind: str
    source: tuple[str, ...] = ()

    def line_of(self, found: re.Match[str]) -> int:
        """Return the line where a match starts."""
        first = found[0].split()[0]
        if self.source:  # adjacent literals: the line breaks of the value are not those of the file
            return self.line + next((index for index, text in enumerate(self.source) if first in text), 0)
        return self.line + self.text.count("\n", 0, found.start())


@dataclass(frozen=True)
class Rule:
    """A pattern and its replacement."""

    pattern: re.Pattern[str]
    write: str
    only: tuple[str, ...]

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Rule:
        """Read an entry of prose.toml."""
        # Lines of comments and Markdown lists are joined by more than a blank.
        pattern = rf"\b(?:{entry['find']})\b".replace(" ", r"\s+")
        return cls(re.compile(pattern, re.IGNORECASE), entry["write"], tuple(entry.get("only", ())))

    def applies(self, path: str) -> bool:
        """Whether the rule is for a file."""
        return not self.only or any(fnmatch(path, pattern) for pattern in self.only)


RULES = [Rule.of(entry) for kind in ("vague", "term", "phrase") for entry in DATA[kind]]
VAGUE = [Rule.of(entry) for entry in DATA["vague"]]


# --- what is prose --------------------------------------------------------------------------------------------------


def python(source: str) -> Iterator[Passage]:
    """Yield docstrings, comments and messages; of a template, comments."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        yield from hashed(source)
        return
    yield from _comments(source)
    lines = source.splitlines()
    documented = {node.body[0] for node in ast.walk(tree) if isinstance(node, DOCUMENTED) and _docstring(node)}
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            # The value of a docstring has the line breaks of the file.
            yield Passage(node.value.value, node.lineno, "docstring" if node in documented else "comment")
        elif (text := _literal(node)) is not None:
            assert isinstance(node, ast.expr)
            if SEVERAL_WORDS.search(text):
                covered = tuple(lines[node.lineno - 1 : node.end_lineno])
                yield Passage(text, node.lineno, "message", covered)
            if isinstance(node, ast.JoinedStr):
                pending += [value for value in node.values if isinstance(value, ast.FormattedValue)]
        else:
            pending += ast.iter_child_nodes(node)


def _docstring(node: ast.AST) -> bool:
    assert isinstance(node, DOCUMENTED)
    return bool(node.body) and ast.get_docstring(node, clean=False) is not None


def _literal(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def _comments(source: str) -> Iterator[Passage]:
    """Yield comments; those on consecutive lines are one passage."""
    last = 0
    text: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if line != last + 1 and text:
            yield Passage("\n".join(text), last - len(text) + 1, "comment")
            text = []
        text.append(token.string.lstrip("#! "))
        last = line
    if text:
        yield Passage("\n".join(text), last - len(text) + 1, "comment")


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def markdown(source: str) -> Iterator[Passage]:
    """Yield a page without its code blocks and the targets of its links."""
    text = re.sub(r"^( *)(```+|~~~+).*?^ *\2`*~* *$", _blank, source, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(?<=\])\([^)\s]*\)|<https?:[^>]*>|https?://\S+", _blank, text)
    yield Passage(text, 1, "text")


def hypertext(source: str) -> Iterator[Passage]:
    """Yield the texts, comments and shown attributes of HTML.

    Of styles and scripts, their comments and messages.
    """
    text = re.sub(r"(?s)<style.*?</style>|<script.*?</script>", lambda code: _only(SCRIPT, code[0]), source)
    yield Passage(re.sub(r"<(?!!)[^>]*>", lambda tag: _only(SHOWN, tag[0]), text), 1, "text")


def script(source: str) -> Iterator[Passage]:
    """Yield the comments and the messages of CSS or JavaScript."""
    yield Passage(_only(SCRIPT, source).replace("`", '"'), 1, "text")


def _only(kept: re.Pattern[str], text: str) -> str:
    """Blank all but the matches of a pattern; lines stay where they are."""
    spans = [found.span() for found in kept.finditer(text)]
    return "".join(
        letter if letter == "\n" or any(start <= at < end for start, end in spans) else " "
        for at, letter in enumerate(text)
    )


def hashed(source: str) -> Iterator[Passage]:
    """Yield the comments that a `#` begins, and descriptions."""
    found = (HASHED.search(line) for line in source.splitlines())
    yield Passage("\n".join(line[1] if line else "" for line in found), 1, "text")


READERS: dict[str, Callable[[str], Iterator[Passage]]] = {
    ".py": python,
    ".md": markdown,
    ".html": hypertext,
    ".css": script,
    ".js": script,
    ".mjs": script,
    **dict.fromkeys([".toml", ".yaml", ".yml", ".sh", ".conf", ".cfg", ".env", ".service", ".socket"], hashed),
}
NAMED = {"Dockerfile": hashed, "Caddyfile": hashed, "run": hashed}


def reader(path: Path) -> Callable[[str], Iterator[Passage]] | None:
    """Return what finds the prose of a file; templates count as their result."""
    name = path.name.removesuffix(".template").removesuffix(".jinja")
    return READERS.get(Path(name).suffix) or NAMED.get(name)


# --- checking -------------------------------------------------------------------------------------------------------


def check(path: Path, *, name: str | None = None) -> Iterator[str]:
    """Yield a line for each finding in a file.

    Args:
        path: the file.
        name: its path below the root, for the rules that are not for every file.
    """
    name = name or _relative(path)
    find = reader(path)
    if find is None:
        return
    source = path.read_text(encoding="utf-8")
    found = set()
    for passage in find(source):
        found |= set(_findings(passage, name))
    if path.suffix == ".py" and name.startswith("packages/"):
        found |= set(_names(path, source))
    yield from (f'{name}:{line}: "{word}" -> write "{write}"' for line, word, write in sorted(found))


def _findings(passage: Passage, name: str) -> Iterator[tuple[int, str, str]]:
    text = CODE_SPAN.sub(_without_code, passage.text)
    for rule in RULES:
        if rule.applies(name):
            for found in rule.pattern.finditer(text):
                yield passage.line_of(found), " ".join(found[0].split()), rule.write
    if passage.kind == "docstring":
        summary = passage.text.partition("\n")[0].strip()
        if len(summary) > DATA["summary"]:
            yield passage.line, summary, f"a first line of at most {DATA['summary']} characters"


def _without_code(span: re.Match[str]) -> str:
    """Keep names of headers, which are prose; blank any other code."""
    return f" {span[2]} " if HEADER_NAME.fullmatch(span[2]) else re.sub(r"[^\n]", "_", span[0])


def _names(path: Path, source: str) -> Iterator[tuple[int, str, str]]:
    if path.stem in DATA["modules"]:
        yield 1, path.stem, DATA["modules"][path.stem]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name in DATA["names"]:
            yield node.lineno, node.name, DATA["names"][node.name]


def _relative(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def tracked(below: Iterable[str] = (".",)) -> list[Path]:
    """Return the files that Git knows or would take: no build results."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *below]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())


def ours(path: Path) -> bool:
    """Whether the rules are meant for a file at all."""
    return not any(fnmatch(_relative(path), pattern) for pattern in DATA["never"])


# --- measuring ------------------------------------------------------------------------------------------------------


@dataclass
class Measure:
    """What is counted in the modules of a distribution."""

    code: int = 0
    docstrings: int = 0
    comments: int = 0
    vague: int = 0
    long: int = 0

    def add(self, source: str) -> None:
        """Count a module."""
        for passage in python(source):
            if passage.kind == "message":
                continue
            words = len(WORD.findall(passage.text))
            self.docstrings += words if passage.kind == "docstring" else 0
            self.comments += words if passage.kind == "comment" else 0
            self.vague += sum(len(rule.pattern.findall(passage.text)) for rule in VAGUE)
            first = passage.text.partition("\n")[0].strip()
            self.long += passage.kind == "docstring" and len(first) > DATA["summary"]
        self.code += code_lines(source)


def code_lines(source: str) -> int:
    """Count the lines that hold code: no docstrings, comments or blank lines."""
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def measures() -> Iterator[str]:
    """Yield a table of the distributions."""
    row = "{:<18}{:>11}{:>18}{:>16}{:>13}{:>17}{:>20}".format
    yield row("distribution", "code lines", "docstring words", "comment words", "vague", "per 1,000", "long summaries")
    for folder in sorted((ROOT / "packages").iterdir()):
        measure = Measure()
        for path in tracked([f"{_relative(folder)}/src/*.py"]):
            measure.add(path.read_text(encoding="utf-8"))
        words = measure.docstrings + measure.comments
        rate = f"{1000 * measure.vague / words:.2f}" if words else "-"
        yield row(folder.name, measure.code, measure.docstrings, measure.comments, measure.vague, rate, measure.long)


def main() -> int:
    """Check the paths on the command line, else all."""
    parser = argparse.ArgumentParser(description="Check prose against the project's vocabulary.")
    parser.add_argument("paths", nargs="*", help="files or folders; without any, all")
    parser.add_argument("--measure", action="store_true", help="print sizes and counts of the distributions")
    arguments = parser.parse_args()
    if arguments.measure:
        print(*measures(), sep="\n")
        return 0
    named = [Path(path).resolve() for path in arguments.paths]
    if missing := [str(path) for path in named if not path.exists()]:
        parser.error(f"no such path: {', '.join(missing)}")
    paths = [path for path in named if path.is_file()]
    if folders := [str(path) for path in named if not path.is_file()]:
        paths += tracked(folders)
    if not named:
        paths = tracked()
    findings = [line for path in paths if ours(path) for line in check(path)]
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{len(findings)} findings in {len(paths)} files", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
