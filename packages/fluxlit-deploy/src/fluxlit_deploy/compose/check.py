"""Checks of a Compose file, also after manual changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fluxlit_deploy.description import Project
from fluxlit_deploy.documents import Document, read_documents
from fluxlit_deploy.finding import Finding, Severity
from fluxlit_deploy.secrets import is_secret

# In the order in which Compose looks for them.
FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")
_COMPOSE_DEFAULT_GRACE_S = 10.0


@dataclass(frozen=True)
class Service:
    """One service, and the file that it is in.

    Attributes:
        name: its name.
        document: the whole file.
    """

    name: str
    document: Document

    def at(self, *keys: Any) -> Any:
        """Return the value of a key below others, `None` where it is not there."""
        return self.document.at("services", self.name, *keys)

    def names(self, key: str) -> list[str]:
        """Return a list of names, or the keys of a table."""
        found = self.at(key)
        return [str(each) for each in found] if isinstance(found, (list, dict)) else []

    def listed(self, key: str) -> list[Any]:
        """Return a list, also of a single string."""
        found = self.at(key)
        return found if isinstance(found, list) else [found] if isinstance(found, str) else []

    @property
    def environment(self) -> dict[str, str]:
        """Its variables, written as a table or as a list."""
        found = self.at("environment")
        pairs = (
            found.items()
            if isinstance(found, dict)
            else (str(each).partition("=")[::2] for each in self.listed("environment"))
        )
        return {str(name): "" if value is None else str(value) for name, value in pairs}

    @property
    def image(self) -> str:
        """Name of its image without registry and version, empty when it is built."""
        return "" if self.at("build") else re.split("[:@]", str(self.at("image") or "").rpartition("/")[2])[0]

    @property
    def is_application(self) -> bool:
        """FluxLit runs in it."""
        words = str(self.at("command") or "")
        return any(name.startswith("FLUXLIT_") for name in self.environment) or "fluxlit run" in words

    def found(self, id_: str, severity: Severity, keys: tuple[Any, ...], message: str, remedy: str) -> Finding:
        """Say something about a place in it."""
        line = self.document.line("services", self.name, *keys)
        return Finding(f"compose-{id_}", severity, self.document.file, line, f"{self.name}: {message}", remedy)


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the Compose file of a folder; one that is not there is not missed."""
    name = next((each for each in FILES if (directory / each).is_file()), None)
    if name is None:
        return
    try:
        documents = list(read_documents(directory / name, name))
    except (yaml.YAMLError, OSError, UnicodeError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or error
        remedy = "Mend it, or write it anew with fluxlit build --compose --force."
        line = mark.line + 1 if mark else None
        yield Finding("compose-yaml", "error", name, line, f"it cannot be read: {problem}.", remedy)
        return
    for document in documents:
        yield from _dangling(document)
        services = document.at("services")
        for each in services if isinstance(services, dict) else ():
            service = Service(str(each), document)
            for rule in (*_RULES, *(_OF_THE_APPLICATION if service.is_application else ())):
                yield from rule(service, project)


def _dangling(document: Document) -> Iterator[Finding]:
    services = document.at("services")
    if not isinstance(services, dict):
        yield Finding("compose-yaml", "error", document.file, None, "there are no services.", "Add some.")
        return
    for name in services:
        service = Service(str(name), document)
        for key, known in (("depends_on", services), ("networks", _described(document, "networks"))):
            for other in service.names(key):
                if other not in known and other != "default":
                    keys = (key, other) if isinstance(service.at(key), dict) else (key,)
                    message = f"{key} names {other}, which the file does not describe."
                    yield service.found("reference", "error", keys, message, "Correct the name, or describe it.")
        for volume in service.listed("volumes"):
            source = str(volume.get("source", "/") if isinstance(volume, dict) else str(volume).partition(":")[0])
            if source[:1] not in {".", "/", "~", "$"} and source not in _described(document, "volumes"):
                message = f"the volume {source} is not described below volumes."
                yield service.found("reference", "error", ("volumes",), message, "Correct the name, or describe it.")


def _described(document: Document, key: str) -> dict[Any, Any]:
    found = document.at(key)
    return found if isinstance(found, dict) else {}


def _secrets(service: Service, _project: Project) -> Iterator[Finding]:
    for name, value in service.environment.items():
        if is_secret(name, value):
            keys = ("environment", name) if isinstance(service.at("environment"), dict) else ("environment",)
            message = f"{name} is a secret, and this file is visible to all who read the repository."
            remedy = f"Write ${{{name}:?Put it into .env}}, put a new one into .env, and revoke the old one."
            yield service.found("secret", "error", keys, message, remedy)


def _order(service: Service, _project: Project) -> Iterator[Finding]:
    found = service.at("depends_on")
    for other in service.names("depends_on"):
        condition = str(service.at("depends_on", other, "condition")) if isinstance(found, dict) else None
        if condition not in {"service_healthy", "service_completed_successfully"}:
            keys = ("depends_on", other) if isinstance(found, dict) else ("depends_on",)
            message = f"it starts when {other} was started, not when that is ready."
            yield service.found("order", "warning", keys, message, "Set condition: service_healthy.")


def _redis(service: Service, _project: Project) -> Iterator[Finding]:
    if service.image not in {"redis", "valkey"}:
        return
    mounts = [str(each.get("target") if isinstance(each, dict) else each) for each in service.listed("volumes")]
    if not any(re.search(r"(^|:)/data(:|$)", each) for each in mounts):
        message = "nothing is mounted at /data, so every session is lost with the container."
        yield service.found("redis-volume", "error", ("volumes",), message, "Mount a named volume at /data.")
    if "appendonly yes" not in _words(service.at("command")) and not service.at("configs"):
        message = "it keeps sessions in memory, and loses them when it is restarted."
        yield service.found("redis-memory", "error", ("command",), message, "Add --appendonly yes to its command.")
    if service.at("ports"):
        message = "its port is published: every client of this machine reaches the sessions."
        yield service.found(
            "redis-port", "error", ("ports",), message, "Take ports out; networks connect the services."
        )


def _words(command: object) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else str(command or "")


def _grace(service: Service, project: Project) -> Iterator[Finding]:
    given = _seconds(service.at("stop_grace_period"))
    if given < project.stop_seconds:
        message = (
            f"Docker kills after {given:g} s, but drain delay ({project.drain_delay_s:g} s), open requests "
            f"({project.graceful_timeout_s:g} s), the API ({project.api_end_s:g} s) and the workers take "
            f"{project.stop_seconds} s."
        )
        remedy = f"Set stop_grace_period: {project.stop_seconds}s."
        yield service.found("grace", "error", ("stop_grace_period",), message, remedy)


def _seconds(duration: object) -> float:
    found = _DURATION.fullmatch(str(duration)) if duration else None
    if found is None:
        return _COMPOSE_DEFAULT_GRACE_S
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _writable(service: Service, _project: Project) -> Iterator[Finding]:
    places = [*(service.listed("tmpfs")), *(service.listed("volumes"))]
    if service.at("read_only") is True and not any("/tmp" in str(each) for each in places):  # noqa: S108
        message = "its file system is read-only and nothing is mounted at /tmp, where sockets and uploads go."
        yield service.found("tmp", "error", ("read_only",), message, "Add tmpfs: [/tmp].")


def _health(service: Service, _project: Project) -> Iterator[Finding]:
    test = service.at("healthcheck", "test")
    if service.at("healthcheck", "disable") or test in (["NONE"], "NONE"):
        message = "its health check is off, so no service waits for it, and a hang is not noticed."
        yield service.found("health", "error", ("healthcheck",), message, "Set test: [CMD, fluxlit, healthcheck].")


def _trust(service: Service, _project: Project) -> Iterator[Finding]:
    believed = service.environment.get("FLUXLIT_FORWARDED_ALLOW_IPS", "")
    ports = service.listed("ports")
    public = [each for each in ports if not str(each).startswith(("127.0.0.1:", "[::1]:"))]
    if believed and public:
        message = "its own port is published, and forwarding headers are trusted: clients can forge their address."
        remedy = "Remove ports, so that every client comes through the edge."
        yield service.found("trust", "error", ("ports",), message, remedy)
    elif "*" in believed:
        keys = ("environment", "FLUXLIT_FORWARDED_ALLOW_IPS")
        message = "the forwarding headers of every container are trusted."
        yield service.found("trust", "error", keys, message, "Name the network of the edge.")


def _settings(service: Service, project: Project) -> Iterator[Finding]:
    wanted = {"FLUXLIT_ROOT_PATH": project.root_path, "FLUXLIT_GATEWAY_PORT": str(project.port)}
    for name, value in wanted.items():
        found = service.environment.get(name)
        if found is not None and not found.startswith("$") and found != value:
            message = f"{name} is {found!r}, but the project has {value!r}, for which the edge is configured."
            yield service.found("setting", "error", ("environment", name), message, "Take it out, and set it there.")
    if "FLUXLIT_SECRET_KEY" not in service.environment and not service.at("env_file"):
        message = "there is no FLUXLIT_SECRET_KEY, so every start ends all logins and forgets encrypted sessions."
        remedy = "Add FLUXLIT_SECRET_KEY: ${FLUXLIT_SECRET_KEY:?Put it into .env}."
        yield service.found("key", "error", ("environment",), message, remedy)


def _client(service: Service, project: Project) -> Iterator[Finding]:
    store = service.environment.get("FLUXLIT_SESSION_STORE", "")
    if service.at("build") and store.startswith(("redis", "unix:")) and not project.dependencies.has_redis:
        keys = ("environment", "FLUXLIT_SESSION_STORE")
        message = "its sessions are in Redis, but the client of Redis is not among the project's dependencies."
        yield service.found("client", "error", keys, message, "Add fluxlit-sessions[encryption,redis] to them.")


Rule = Callable[[Service, Project], Iterator[Finding]]
_RULES: tuple[Rule, ...] = (_secrets, _order, _redis)
_OF_THE_APPLICATION: tuple[Rule, ...] = (_grace, _writable, _health, _trust, _settings, _client)
