"""Does what a document asks of its reader, in an empty folder.

Block                           | what happens
--------------------------------|-----------------------------------------------------------------------------
any language, `title="path"`    | written to that file; an existing file is replaced
`python`                        | run as a program (with a title: only compiled, the reader saves it)
`toml`, `json`, `yaml`          | parsed
`console`                       | each line after `$ ` is a command that must succeed; the lines below it must
                                | be in its output, in order, where `...` stands for anything
`console server="yes"`          | the last command keeps running until the document ends; the lines below it
                                | are waited for
`console retry="yes"`           | each command is repeated until it prints what is expected
`cd` in a console               | holds until the page ends, as it does for a reader
`text`, `html`                  | shown, not run
any, `elsewhere="tests/..."`    | not run here: that file runs it, maybe by following the whole page itself

Anything else fails. Port 8000 becomes a free one in everything that is written, run or expected, and is the default.
A page of examples/ finds that folder where its reader has it.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.docs.markdown import Block, blocks
from tests.support import programs
from tests.support.ports import free_port
from tests.support.processes import ROOT, Server, background, clean_environ

TIMEOUT = 180
SCRIPT = Path(sys.executable).with_name("fluxlit")
PLAIN = re.compile(r"fluxlit [\w./:=,-][\w./:=, -]*")
USED = re.compile(r"\bfluxlit ([\w-]+)|\b(pytest)\b")
ENTERED: set[str] = set()


class DocumentError(AssertionError):
    """A block does not do what the document promises."""


@dataclass(frozen=True)
class Command:
    """One command of a console block and the output that it shows."""

    line: str
    expected: str

    @property
    def pattern(self) -> str:
        """The expectation as a regular expression."""
        lines = [r"[^\n]*".join(map(re.escape, line.split("..."))) for line in self.expected.splitlines()]
        return r"(?s:.*?)".join(r"(?s:.*?)" if line == r"[^\n]*" else line for line in lines)


def commands(source: str) -> list[Command]:
    """Split a console block into its commands."""
    parts = re.split(r"^\$ ", source, flags=re.MULTILINE)
    if parts[0].strip():
        raise DocumentError("a console block starts with `$ `")
    return [Command(*part.partition("\n")[::2]) for part in parts[1:]]


@dataclass
class Reader:
    """A reader who follows a document to the letter."""

    folder: Path
    home: Path
    port: int
    servers: contextlib.ExitStack
    place: str = ""
    tools: Path | None = None
    timeout: float = TIMEOUT

    def follow(self, block: Block) -> None:
        """Do one block."""
        if block.attributes.get("elsewhere", self.place) != self.place:
            if not (ROOT / block.attributes["elsewhere"]).exists():
                raise DocumentError(f"{block.attributes['elsewhere']} does not exist")
            return
        source = block.source.replace("8000", str(self.port))
        if title := block.attributes.get("title"):
            target = self.folder / title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source, encoding="utf-8")
        if block.language == "console":
            patience = TIMEOUT if "retry" in block.attributes else 0
            self.type(commands(source), keep_last="server" in block.attributes, patience=patience)
        elif block.language == "python" and not title:
            self.run([sys.executable, "-W", "error", "-c", source])
        elif check := CHECKS.get(block.language):
            check(source)
        else:
            raise DocumentError(f"nothing is known about the language {block.language!r}")

    def type(self, lines: list[Command], *, keep_last: bool, patience: float) -> None:
        """Enter commands at the prompt."""
        for command in lines[:-1] if keep_last else lines:
            if command.line.startswith("cd "):
                self.folder = (self.folder / command.line.removeprefix("cd ")).resolve(strict=True)
                continue
            deadline = time.monotonic() + patience
            while not re.search(command.pattern, output := self.enter(command.line)):
                if time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                raise DocumentError(f"$ {command.line}\nexpected\n{command.expected}\ngot\n{output}")
        if keep_last:
            program = self.plain(lines[-1].line) or ["bash", "-c", f"exec {lines[-1].line}"]
            server = self.servers.enter_context(background(program, cwd=self.folder, environ=self.environ()))
            server.wait_for(lines[-1].pattern, timeout=TIMEOUT)
            self.servers.callback(stop, server)

    def enter(self, line: str) -> str:
        """Run a line."""
        program = self.plain(line)
        return self.run(program) if program else self.run(["bash", "-euo", "pipefail", "-c", line], *self.forked(line))

    def plain(self, line: str) -> list[str]:
        """A line that needs no shell, as program and arguments; empty if it does."""
        return [str(SCRIPT), *line.split()[1:]] if self.tools is None and PLAIN.fullmatch(line) else []

    def forked(self, line: str) -> list[Path]:
        """Folders of programs that run in forks; none where they do not."""
        used = {found[1] or found[2] for found in USED.finditer(line)}
        first = set() if programs.AT_ONCE else used - ENTERED
        if self.tools is not None or first or not used:
            ENTERED.update(first)
            return []
        return [(programs.pytest() if "pytest" in used else programs.fluxlit()).folder]

    def run(self, command: list[str], *folders: Path) -> str:
        """Run a command that must succeed and return what it printed."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ(*folders),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        return printed(done)

    def environ(self, *first: Path) -> dict[str, str]:
        """The environment of a reader who has installed FluxLit and nothing else.

        Args:
            first: folders of programs that stand for the installed ones.
        """
        folders = [*first, self.tools, Path(sys.executable).parent, os.environ.get("PATH", os.defpath)]
        path = os.pathsep.join(str(each) for each in folders if each)
        # FluxLit is on no index, so `fluxlit build --check` would not find it; readers with tools have wheels.
        own = {} if self.tools else {"UV_OFFLINE": "1"}
        own |= {"PATH": path, "HOME": str(self.home), "FLUXLIT_GATEWAY_PORT": str(self.port)}
        return clean_environ(PYTHONUNBUFFERED="1", **own)


CHECKS: dict[str, Callable[[str], object]] = {
    "html": lambda _source: None,
    "json": json.loads,
    "python": lambda source: compile(source, "<block>", "exec"),
    "text": lambda _source: None,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


def printed(done: subprocess.CompletedProcess[str]) -> str:
    """The output of a command that must succeed."""
    if done.returncode:
        raise DocumentError(f"exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def stop(server: Server) -> None:
    """End a server as the reader's Ctrl-C does."""
    code = server.stop()
    if code not in {0, 130, -2}:
        raise DocumentError(f"the server ended with {code}:\n{''.join(server.output)}")


@contextlib.contextmanager
def reader(folder: Path, place: str = "", tools: Path | None = None) -> Iterator[Reader]:
    """Give a reader an empty folder and a free port.

    Args:
        folder: where they work; it must not exist.
        place: the test file that follows the page; blocks that are left to it are done.
        tools: folder of further commands.
    """
    folder.mkdir()
    with contextlib.ExitStack() as servers:
        yield Reader(folder, folder.parent, free_port(), servers, place, tools)


def follow(document: Path, folder: Path) -> None:
    """Follow a whole document; an error names the file and the line."""
    with reader(folder) as person:
        if (ROOT / "examples") in document.parents:
            shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
        for block in blocks(document.read_text(encoding="utf-8")):
            do(person, block, document)


def do(person: Reader, block: Block, document: Path) -> None:
    """Do one block; an error names the file and the line."""
    try:
        person.follow(block)
    except Exception as error:
        raise DocumentError(f"{document}:{block.line}: {error}") from error
