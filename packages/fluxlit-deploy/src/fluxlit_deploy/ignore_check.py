"""What `--check` says about a .dockerignore: what it lets through, and what it keeps out by mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fluxlit_deploy.dependencies import PYPROJECT, UV_LOCK
from fluxlit_deploy.description import Project
from fluxlit_deploy.finding import Finding

FILE = ".dockerignore"

# Where secrets are in projects of this kind, and what no image should carry about.
SECRETS = (
    ".env",
    ".env.production",
    ".streamlit/secrets.toml",
    ".netrc",
    ".pypirc",
    ".ssh/id_ed25519",
    ".aws/credentials",
    "certificates/edge.key",
    "certificates/edge.pem",
)
BALLAST = (".git/config", ".venv/bin/python", "node_modules/a/index.js", "src/__pycache__/app.cpython-312.pyc")


@dataclass(frozen=True)
class Pattern:
    """One line that says something.

    Attributes:
        text: as written.
        line: where, counted from 1.
    """

    text: str
    line: int

    @property
    def keeps(self) -> bool:
        """The line takes an exception back: what it matches is let through."""
        return self.text.startswith("!")

    @property
    def expression(self) -> re.Pattern[str] | None:
        """The pattern as a regular expression; `None` if Docker would refuse it."""
        try:
            return _expression(self.text.removeprefix("!").strip().strip("/"))
        except re.error:
            return None

    def matches(self, path: str) -> bool:
        """Say whether it matches a path or a folder above it."""
        expression = self.expression
        return expression is not None and any(
            expression.fullmatch(str(each)) for each in (PurePosixPath(path), *PurePosixPath(path).parents)
        )


def read_ignore(text: str) -> tuple[Pattern, ...]:
    """Take a .dockerignore apart."""
    lines = enumerate(text.splitlines(), 1)
    return tuple(Pattern(line.strip(), number) for number, line in lines if line.strip() and not line.startswith("#"))


def decided_by(patterns: tuple[Pattern, ...], path: str) -> Pattern | None:
    """Return the last line that matches a path: it decides, as Docker has it."""
    return next((each for each in reversed(patterns) if each.matches(path)), None)


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the .dockerignore beside a Dockerfile; without a Dockerfile, neither is missed."""
    path = directory / FILE
    if not path.is_file():
        if (directory / "Dockerfile").is_file():
            yield Finding(
                "ignore-missing",
                "error",
                FILE,
                None,
                "there is none, so that COPY takes .env, keys, the history and the environment of this machine along.",
                "Write one with fluxlit build --output elsewhere, and move it here.",
            )
        return
    patterns = read_ignore(path.read_text("utf-8", "replace"))
    for each in patterns:
        if each.expression is None:
            message = f"{each.text} is no pattern, and Docker refuses to build."
            yield Finding("ignore-pattern", "error", FILE, each.line, message, "Close its bracket, or take it out.")
    yield from _let_through(patterns)
    yield from _kept_out(patterns, project)


def _let_through(patterns: tuple[Pattern, ...]) -> Iterator[Finding]:
    for path in (*SECRETS, *BALLAST):
        found = decided_by(patterns, path)
        if found is not None and not found.keeps:
            continue
        where = found.line if found else None
        if path in SECRETS:
            message = f"{path} would get into the build context, and by COPY into the image."
            yield Finding("ignore-secret", "error", FILE, where, message, f"Add **/{_general(path)} at the end.")
        else:
            message = f"{path} would be sent to the builder with each build, and copied."
            yield Finding("ignore-ballast", "warning", FILE, where, message, f"Add **/{_general(path)} at the end.")


def _kept_out(patterns: tuple[Pattern, ...], project: Project) -> Iterator[Finding]:
    dependencies = project.dependencies
    needed = [dependencies.file, *dependencies.local, *([PYPROJECT] if dependencies.file == UV_LOCK else [])]
    module = project.target.partition(":")[0]
    needed.append(module if module.endswith(".py") else f"{module.replace('.', '/')}.py")
    for path in dict.fromkeys(each.removeprefix("./") for each in needed if each):
        found = decided_by(patterns, path)
        if found is not None and not found.keeps:
            message = f"{found.text} keeps {path} out, without which the image cannot be built or started."
            yield Finding("ignore-needed", "error", FILE, found.line, message, f"Take it out, or add !{path} below it.")


def _general(path: str) -> str:
    parts = PurePosixPath(path).parts
    name = PurePosixPath(path).name
    if name.endswith((".key", ".pem")):
        return f"*{PurePosixPath(path).suffix}"
    if ".env" in name:
        return f"{name}"
    folders = {".ssh", ".aws", ".git", ".venv", "node_modules", "__pycache__"}
    return next((part for part in parts if part in folders), name)


def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern: ``**`` spans folders, ``*`` and ``?`` do not (Go's filepath.Match, and Docker's ``**``)."""
    out = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|\\.|.", pattern):
        special = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        if part[0] == "[" and len(part) == 1:
            raise re.error("a bracket is not closed")
        out += special.get(part) or (part if part[0] == "[" else re.escape(part[-1]))
    return re.compile(out)
