"""YAML files with the line of every key, so that a finding can say where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class Table(dict[Any, Any]):
    """A mapping that knows where its keys stand.

    Attributes:
        lines: line of each key, counted from 1.
    """

    lines: dict[Any, int]


class _Loader(yaml.SafeLoader):
    """The safe loader, with lines."""

    def table(self, node: yaml.MappingNode) -> Table:
        """Construct a mapping and note its lines."""
        found = Table(self.construct_mapping(node, deep=True))
        found.lines = {self.construct_object(key): key.start_mark.line + 1 for key, _ in node.value}
        return found

    def untagged(self, node: yaml.Node) -> Any:
        """Construct what stands behind a tag."""
        if isinstance(node, yaml.MappingNode):
            return self.table(node)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _Loader.table)
for _tag in ("!override", "!reset"):  # Compose's own: what is laid over another file replaces, or takes out
    _Loader.add_constructor(_tag, _Loader.untagged)


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        file: the file as findings name it.
        content: what is in it.
    """

    file: str
    content: Table

    def line(self, *keys: Any) -> int | None:
        """Return the line of a key below others, or of the last one found."""
        found: Any = self.content
        line = None
        for key in keys:
            if isinstance(found, Table) and key in found:
                line, found = found.lines[key], found[key]
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                break
        return line

    def at(self, *keys: Any) -> Any:
        """Return the value of a key below others, `None` where it is not there."""
        found: Any = self.content
        for key in keys:
            try:
                found = found[key]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def number(self, *keys: Any) -> float | None:
        """Return the number at a key below others, `None` for anything else."""
        found = self.at(*keys)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    def items(self, *keys: Any) -> list[Any]:
        """Return the list at a key below others, empty for anything else."""
        found = self.at(*keys)
        return found if isinstance(found, list) else []

    def tables(self, *keys: Any) -> Iterator[tuple[int, dict[Any, Any]]]:
        """Yield those mappings of a list that are some, with their places in it."""
        return ((index, each) for index, each in enumerate(self.items(*keys)) if isinstance(each, dict))


def read_documents(path: Path, name: str) -> Iterator[Document]:
    """Read a file's documents.

    Args:
        path: the file.
        name: the file as findings name it.

    Raises:
        yaml.YAMLError: it is no YAML.
        OSError: it cannot be read.
        UnicodeError: it is no UTF-8.
    """
    for content in yaml.load_all(path.read_text("utf-8"), _Loader):
        if isinstance(content, Table):
            yield Document(name, content)
