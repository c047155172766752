"""The report of `fluxlit config`, as data and as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fluxlit.observability.logs.masking import masked
from fluxlit.settings import Layer, Resolved, Settings, describe
from fluxlit_cli import output
from fluxlit_cli.finding import Finding, Status, worst

_COLUMN = 48


@dataclass(frozen=True)
class Entry:
    """One setting.

    Attributes:
        name: the setting.
        value: its effective value as JSON, secrets hidden.
        layer: the layer that set it.
        where: the place in it.
        default: the default value.
        shadowed: values of weaker layers that are overridden, with layer and place.
    """

    name: str
    value: Any
    layer: str
    where: str
    default: Any
    shadowed: tuple[dict[str, Any], ...]

    @property
    def is_default(self) -> bool:
        """Whether no layer sets the setting."""
        return self.layer == Layer.DEFAULT.value

    @property
    def differs(self) -> bool:
        """Whether the value differs from the default."""
        return bool(self.value != self.default)


def entries(resolved: Resolved, *, show_secrets: bool = False) -> list[Entry]:
    """Describe every setting."""
    return [_entry(resolved, setting, show_secrets=show_secrets) for setting in describe.SETTINGS]


def _entry(resolved: Resolved, setting: str, *, show_secrets: bool) -> Entry:
    def shown(value: object) -> Any:
        return masked(setting, value, show_secrets=show_secrets)

    source = resolved.sources[setting]
    hidden = resolved.shadowed.get(setting, ())
    return Entry(
        name=setting,
        value=shown(getattr(resolved.settings, setting)),
        layer=source.layer.value,
        where=source.where,
        default=shown(Settings.model_fields[setting].default),
        shadowed=tuple(
            {"value": shown(item.decoded()), "layer": item.source.layer.value, "where": item.source.where}
            for item in hidden
        ),
    )


def document(target: str, file: str | None, listed: Iterable[Entry], found: Iterable[Finding]) -> dict[str, Any]:
    """Return everything as JSON values. The shape only ever grows."""
    found = list(found)
    return {
        "status": worst(found).value,
        "target": target,
        "project_file": file,
        "settings": {
            entry.name: {
                "value": entry.value,
                "source": {"layer": entry.layer, "where": entry.where},
                "default": entry.default,
                "shadowed": list(entry.shadowed),
            }
            for entry in listed
        },
        "warnings": [_warning(finding) for finding in found],
    }


def _warning(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": "error" if finding.status is Status.FAIL else "warning",
        "settings": finding.settings,
        "message": finding.detail,
        "remedy": finding.remedy,
    }


def format_value(value: object) -> str:
    """Return a value on one line: strings as they are, others as JSON."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def lines(listed: Iterable[Entry], *, with_shadowed: bool) -> Iterator[str]:
    """Yield the lines of a table: setting, value, source."""
    rows: list[tuple[str, str, str]] = []
    faint: list[bool] = []
    for entry in listed:
        rows.append((entry.name, format_value(entry.value), entry.where))
        hidden = entry.shadowed if with_shadowed else ()
        rows += [("", format_value(item["value"]), f"{item['where']} (not used)") for item in hidden]
        faint += [entry.is_default, *(True for _ in hidden)]
    widths = [min(_COLUMN, max((len(row[column]) for row in rows), default=0)) for column in (0, 1)]
    for (name, value, where), dim in zip(rows, faint, strict=True):
        text = f"{name:<{widths[0]}}  {value:<{widths[1]}}  {where}"
        yield output.paint(text, "dim") if dim else text
