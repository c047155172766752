"""Facts in the files of platforms, of five formats, with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fluxlit_deploy.documents import Document, read_documents

_UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

# What a platform waits between SIGTERM and SIGKILL if its file sets nothing, by its documentation. Cloud Run's
# ten seconds cannot be changed.
FLY_S, RENDER_S, AZURE_S, CLOUD_RUN_S, SYSTEMD_S = 5.0, 30.0, 30.0, 10.0, 90.0


class LocatedValue(NamedTuple):
    """A value, and its line; `None` for a default of the platform."""

    value: Any
    line: int | None


@dataclass
class Facts:
    """The facts of one file.

    Attributes:
        file: the file as findings name it.
        kill_s: seconds between SIGTERM and SIGKILL.
        variables: the environment of the application; `None` for a value that stands elsewhere.
        ports: where the platform connects to.
        probes: paths that it asks, by what for: ``ready`` or ``alive``.
        commands: what it starts.
        images: what it runs.
        secrets: values of the platform's own secrets that stand in the file.
    """

    file: str
    kill_s: LocatedValue | None = None
    variables: dict[str, LocatedValue] = field(default_factory=dict)
    ports: list[LocatedValue] = field(default_factory=list)
    probes: list[tuple[str, LocatedValue]] = field(default_factory=list)
    commands: list[LocatedValue] = field(default_factory=list)
    images: list[LocatedValue] = field(default_factory=list)
    secrets: list[LocatedValue] = field(default_factory=list)


def read(path: Path, name: str) -> Iterator[Facts]:
    """Yield the facts of a file of a platform; none of any other file.

    Args:
        path: the file.
        name: the file as findings name it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no UTF-8, or no TOML.
        yaml.YAMLError: it is no YAML.
    """
    if path.suffix == ".toml":
        yield _fly(path.read_text("utf-8"), name)
    elif path.suffix in (".service", ".socket"):
        yield _unit(path.read_text("utf-8"), name)
    else:
        for document in read_documents(path, name):
            reader = _reader(document)
            if reader is not None:
                yield from reader(document)


def seconds(value: object) -> float | None:
    """Return the seconds of ``50``, ``50s`` or ``1min``, else `None`."""
    text = str(value).strip()
    if text == "infinity":
        return float("inf")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text)
    return float(match[1]) * _UNITS[match[2]] if match and match[2] in _UNITS else None


def _fly(text: str, name: str) -> Facts:
    found = tomllib.loads(text)

    def located(key: str, value: object) -> LocatedValue:
        line = next((n for n, each in enumerate(text.splitlines(), 1) if re.match(rf"\s*{key}\s*=", each)), None)
        return LocatedValue(value, line)

    facts = Facts(name, kill_s=located("kill_timeout", found.get("kill_timeout", FLY_S)))
    facts.variables = {key: located(re.escape(key), str(value)) for key, value in _table(found.get("env")).items()}
    service = _table(found.get("http_service"))
    if "internal_port" in service:
        facts.ports.append(located("internal_port", service["internal_port"]))
    checks = service.get("checks")
    for each in checks if isinstance(checks, list) else ():
        if "path" in _table(each):
            facts.probes.append(("ready", located("path", each["path"])))
    return facts


def _unit(text: str, name: str) -> Facts:
    facts = Facts(name, kill_s=LocatedValue(SYSTEMD_S, None) if name.endswith(".service") else None)
    for line, each in enumerate(text.splitlines(), 1):
        key, equals, value = each.partition("=")
        if not equals or each.startswith(("#", ";")):
            continue
        if key == "TimeoutStopSec":
            facts.kill_s = LocatedValue(value, line)
        elif key == "ExecStart":
            facts.commands.append(LocatedValue(value, line))
        elif key == "Environment":
            words = [word.strip("\"'").partition("=") for word in value.split()]
            facts.variables |= {word: LocatedValue(content, line) for word, _, content in words}
        elif key == "ListenStream" and (port := re.search(r"(?:^|:)(\d+)$", value)):
            facts.ports.append(LocatedValue(port[1], line))
    return facts


def _reader(document: Document) -> Callable[[Document], Iterator[Facts]] | None:
    if str(document.at("apiVersion") or "").startswith("serving.knative.dev/"):
        return _cloud_run
    if document.at("type") == "Microsoft.App/containerApps":
        return _azure
    return _render if isinstance(document.at("services"), list) else None


def _cloud_run(document: Document) -> Iterator[Facts]:
    web = ("spec", "template", "spec", "containers", 0)
    facts = Facts(document.file, kill_s=LocatedValue(CLOUD_RUN_S, None))
    _container(document, web, facts)
    _add(document, (*web, "ports", 0, "containerPort"), facts.ports)
    for probe, what in (("startupProbe", "ready"), ("livenessProbe", "alive")):
        _probe(document, (*web, probe, "httpGet"), what, facts)
    yield facts


def _azure(document: Document) -> Iterator[Facts]:
    grace = ("properties", "template", "terminationGracePeriodSeconds")
    web = ("properties", "template", "containers", 0)
    facts = Facts(document.file, kill_s=LocatedValue(document.at(*grace) or AZURE_S, document.line(*grace)))
    _container(document, web, facts)
    _add(document, ("properties", "configuration", "ingress", "targetPort"), facts.ports)
    for index, each in document.tables(*web, "probes"):
        what = "alive" if str(each.get("type")).lower() == "liveness" else "ready"
        _probe(document, (*web, "probes", index, "httpGet"), what, facts)
    for index, _ in document.tables("properties", "configuration", "secrets"):
        _add(document, ("properties", "configuration", "secrets", index, "value"), facts.secrets)
    yield facts


def _render(document: Document) -> Iterator[Facts]:
    for index, each in document.tables("services"):
        if each.get("type") != "web":
            continue
        keys = ("services", index)
        delay = (*keys, "maxShutdownDelaySeconds")
        facts = Facts(document.file, kill_s=LocatedValue(document.at(*delay) or RENDER_S, document.line(*delay)))
        _variables(document, (*keys, "envVars"), "key", facts)
        if "PORT" in facts.variables:
            facts.ports.append(facts.variables["PORT"])
        if (path := document.at(*keys, "healthCheckPath")) is not None:
            facts.probes.append(("ready", LocatedValue(path, document.line(*keys, "healthCheckPath"))))
        yield facts


def _container(document: Document, keys: tuple[Any, ...], facts: Facts) -> None:
    _variables(document, (*keys, "env"), "name", facts)
    _add(document, (*keys, "image"), facts.images)


def _variables(document: Document, keys: tuple[Any, ...], name: str, facts: Facts) -> None:
    for index, each in document.tables(*keys):
        facts.variables[str(each.get(name))] = LocatedValue(each.get("value"), document.line(*keys, index, name))


def _probe(document: Document, keys: tuple[Any, ...], what: str, facts: Facts) -> None:
    _add(document, (*keys, "port"), facts.ports)
    if document.at(*keys, "path") is not None:
        facts.probes.append((what, LocatedValue(document.at(*keys, "path"), document.line(*keys, "path"))))


def _add(document: Document, keys: tuple[Any, ...], where: list[LocatedValue]) -> None:
    if (value := document.at(*keys)) is not None:
        where.append(LocatedValue(value, document.line(*keys)))


def _table(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
