"""`Dockerfile`: instructions with their lines, for the checks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEREDOC = re.compile(r"<<-?(['\"]?)(\w+)\1")
_PAIR = re.compile(r"""([\w.]+)=("(?:\\.|[^"\\])*"|'[^']*'|\S*)""")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continuations joined.

    Attributes:
        word: in capitals, such as ``RUN``.
        text: what follows, options such as ``--mount`` included.
        line: where it begins, counted from 1.
    """

    word: str
    text: str
    line: int

    @property
    def bare(self) -> str:
        """What follows, without options."""
        return re.sub(r"^(--\S+\s+)+", "", self.text)

    @property
    def exec_form(self) -> list[str] | None:
        """The words of a JSON list; `None` for a string that a shell would split."""
        try:
            found = json.loads(self.bare)
        except ValueError:
            return None
        return found if isinstance(found, list) and all(isinstance(each, str) for each in found) else None

    def pairs(self) -> dict[str, str]:
        """The names and values of ``ENV``, ``ARG`` and ``LABEL``."""
        if self.word == "ENV" and not re.match(r"\S*=", self.text):
            name, _, value = self.text.partition(" ")
            return {name: value.strip()}
        found = {name: value.strip("\"'") for name, value in _PAIR.findall(self.text)}
        return found or {self.text.strip(): ""}


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile.

    Attributes:
        instructions: all of them, in order.
    """

    instructions: tuple[Instruction, ...]

    def all(self, *words: str) -> Iterator[Instruction]:
        """Yield the instructions of a kind, in every stage."""
        return (each for each in self.instructions if each.word in words)

    @property
    def final(self) -> tuple[Instruction, ...]:
        """The instructions of the image that runs: those after the last ``FROM``."""
        starts = [index for index, each in enumerate(self.instructions) if each.word == "FROM"]
        return self.instructions[starts[-1] :] if starts else ()

    def last(self, word: str) -> Instruction | None:
        """Return the instruction of a kind that the image ends up with."""
        return next((each for each in reversed(self.final) if each.word == word), None)

    def environment(self) -> dict[str, str]:
        """Return the variables that this file sets in the image that runs."""
        return {name: value for each in self.final if each.word == "ENV" for name, value in each.pairs().items()}


def read_dockerfile(text: str) -> Dockerfile:
    """Parse a Dockerfile."""
    return Dockerfile(tuple(_instructions(text)))


def _instructions(text: str) -> Iterator[Instruction]:
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        joined = line.strip()
        while joined.endswith("\\"):
            _, more = next(lines, (0, ""))
            # A comment or an empty line between two parts belongs to neither.
            joined = joined if more.lstrip().startswith("#") else f"{joined[:-1].rstrip()} {more.strip()}"
        word, _, rest = joined.partition(" ")
        yield Instruction(word.upper(), rest.strip(), number)
        if word.upper() in {"RUN", "COPY", "ADD"}:
            for _, end in _HEREDOC.findall(rest):
                while next(lines, (0, end))[1].strip() != end:
                    pass
