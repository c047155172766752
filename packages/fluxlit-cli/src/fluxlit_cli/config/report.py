"""What `fluxlit config` knows, as data and as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fluxlit.observability.logs.masking import masked
from fluxlit.settings import Layer, Resolved, Settings, describe
from fluxlit_cli import output
from fluxlit_cli.config.hazards import Hazard

_COLUMN = 48


@dataclass(frozen=True)
class Entry:
    """One setting.

    Attributes:
        name: the setting.
        value: its effective value as JSON, secrets hidden.
        layer: the layer that decided.
        where: the place in it.
        default: the value without any layer.
        shadowed: what weaker layers say in vain, as value, layer and place.
    """

    name: str
    value: Any
    layer: str
    where: str
    default: Any
    shadowed: tuple[dict[str, Any], ...]

    @property
    def is_default(self) -> bool:
        """Whether no layer has said anything."""
        return self.layer == Layer.DEFAULT.value

    @property
    def differs(self) -> bool:
        """Whether the value is another than without any layer."""
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


def document(target: str, file: str | None, listed: Iterable[Entry], found: Iterable[Hazard]) -> dict[str, Any]:
    """Return everything as JSON values. The shape only ever grows."""
    found = list(found)
    return {
        "status": status(found),
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
        "warnings": [asdict(hazard) for hazard in found],
    }


def status(found: Iterable[Hazard]) -> str:
    """Return ``fail``, ``warn`` or ``pass``."""
    severities = {hazard.severity for hazard in found}
    return "fail" if "error" in severities else "warn" if severities else "pass"


def text_of(value: object) -> str:
    """Write a JSON value on one line: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def tell(found: Iterable[Hazard]) -> None:
    """Say what is dangerous."""
    for hazard in found:
        say = output.error if hazard.severity == "error" else output.warning
        say(f"[{hazard.id}] {hazard.message} {hazard.remedy}")


def lines(listed: Iterable[Entry], *, with_shadowed: bool) -> Iterator[str]:
    """Write a table: setting, value, where it came from."""
    rows: list[tuple[str, str, str]] = []
    faint: list[bool] = []
    for entry in listed:
        rows.append((entry.name, text_of(entry.value), entry.where))
        hidden = entry.shadowed if with_shadowed else ()
        rows += [("", text_of(item["value"]), f"{item['where']} (not used)") for item in hidden]
        faint += [entry.is_default, *(True for _ in hidden)]
    widths = [min(_COLUMN, max((len(row[column]) for row in rows), default=0)) for column in (0, 1)]
    for (name, value, where), dim in zip(rows, faint, strict=True):
        text = f"{name:<{widths[0]}}  {value:<{widths[1]}}  {where}"
        yield output.paint(text, "dim") if dim else text
