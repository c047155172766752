"""Checks of manifests, also after manual changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fluxlit_deploy.description import WORKERS_STOP_S, Project
from fluxlit_deploy.documents import Document, read_documents
from fluxlit_deploy.finding import Finding, Severity
from fluxlit_deploy.kubernetes.image import PLACEHOLDER_REGISTRY
from fluxlit_deploy.kubernetes.plan import PRIVATE_NETWORKS

_SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|(redis|rediss)://[^/@]*:[^/@$]+@", re.IGNORECASE)
_POD = ("spec", "template", "spec")
_WEB = (*_POD, "containers", 0)


@dataclass(frozen=True)
class Seen:
    """All that a check looks at.

    Attributes:
        project: the application.
        documents: every object of the folder.
        settings: variables of the production overlay, with file and line.
    """

    project: Project
    documents: tuple[Document, ...]
    settings: dict[str, tuple[str, str, int]]

    def kind(self, kind: str) -> Iterator[Document]:
        """Yield the objects of a kind."""
        return (each for each in self.documents if each.content.get("kind") == kind)

    def number(self, name: str, otherwise: float) -> float:
        """Return a setting that is a number of seconds."""
        try:
            return float(self.settings[name][0])
        except (KeyError, ValueError):
            return otherwise


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the manifests below ``kubernetes/``, if there are some."""
    folder = directory / "kubernetes"
    documents: list[Document] = []
    for path in sorted(folder.rglob("*.yaml")):
        name = path.relative_to(directory).as_posix()
        try:
            documents += read_documents(path, name)
        except (yaml.YAMLError, OSError, UnicodeError) as error:
            mark = getattr(error, "problem_mark", None)
            yield Finding(
                "kubernetes-yaml",
                "error",
                name,
                mark.line + 1 if mark else None,
                f"it cannot be read: {getattr(error, 'problem', None) or error}.",
                "Mend it, or write it anew with fluxlit build --kubernetes --force.",
            )
    seen = Seen(project, tuple(documents), _settings(folder, directory))
    for rule in _RULES:
        yield from rule(seen)


def _settings(folder: Path, directory: Path) -> dict[str, tuple[str, str, int]]:
    found = {}
    for path in (folder / "base" / "settings.env", folder / "overlays" / "production" / "settings.env"):
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found[name] = (value, path.relative_to(directory).as_posix(), number)
    return found


def _at(id_: str, severity: Severity, document: Document, keys: tuple[Any, ...], message: str, remedy: str) -> Finding:
    return Finding(f"kubernetes-{id_}", severity, document.file, document.line(*keys), message, remedy)


def _grace(seen: Seen) -> Iterator[Finding]:
    for each in seen.kind("Deployment"):
        keys = (*_POD, "terminationGracePeriodSeconds")
        pre_stop = each.number(*_WEB, "lifecycle", "preStop", "sleep", "seconds") or 0
        delay = seen.number("FLUXLIT_GATEWAY_DRAIN_DELAY_S", seen.project.drain_delay_s)
        graceful = seen.number("FLUXLIT_UVICORN_GRACEFUL_SHUTDOWN_TIMEOUT_S", seen.project.graceful_timeout_s)
        api = seen.number("FLUXLIT_API_SHUTDOWN_TIMEOUT_S", seen.project.api_end_s)
        given, needed = each.number(*keys) or 30, pre_stop + delay + graceful + api + WORKERS_STOP_S
        if given < needed:
            yield _at(
                "grace",
                "error",
                each,
                keys,
                f"Kubernetes kills after {given:g} s, but preStop ({pre_stop:g} s), drain delay ({delay:g} s), open "
                f"requests ({graceful:g} s), the API's lifespan ({api:g} s) and the end of the workers "
                f"({WORKERS_STOP_S:g} s) take {needed:g} s.",
                f"Set terminationGracePeriodSeconds to {needed:g} or lower the times.",
            )
        if not pre_stop and not delay:
            yield _at(
                "prestop",
                "warning",
                each,
                (*_WEB, "lifecycle"),
                "a replica stops accepting before the edges know that it leaves, so a roll-out loses requests.",
                "Add lifecycle.preStop.sleep.seconds: 10.",
            )


def _probes(seen: Seen) -> Iterator[Finding]:
    wanted = {"startupProbe": "readyz", "readinessProbe": "readyz", "livenessProbe": "healthz"}
    for each in seen.kind("Deployment"):
        for probe, end in wanted.items():
            path = each.at(*_WEB, probe, "httpGet", "path")
            if each.at(*_WEB, probe) is None:
                remedy = f"Add one on {seen.project.api_path}/{end}."
                yield _at("probe", "warning", each, (*_WEB, "name"), f"there is no {probe}.", remedy)
            elif probe == "livenessProbe" and str(path).endswith("readyz"):
                message = "the liveness probe asks for readiness: a UI that is down restarts the API as well."
                yield _at("liveness", "error", each, (*_WEB, probe), message, f"Ask {seen.project.api_path}/healthz.")
            elif path is not None and not str(path).endswith(f"{seen.project.api_path}/{end}"):
                message = f"the {probe} asks {path}, which FluxLit does not know as a probe."
                yield _at("probe", "error", each, (*_WEB, probe), message, f"Ask {seen.project.api_path}/{end}.")


def _writable(seen: Seen) -> Iterator[Finding]:
    for each in seen.kind("Deployment"):
        mounted = [mount.get("mountPath") for _, mount in each.tables(*_WEB, "volumeMounts")]
        if each.at(*_WEB, "securityContext", "readOnlyRootFilesystem") and "/tmp" not in mounted:  # noqa: S108
            message = "the root is read-only and nothing is mounted at /tmp, where sockets and uploads go."
            yield _at("tmp", "error", each, (*_WEB, "volumeMounts"), message, "Mount an emptyDir at /tmp.")


def _images(seen: Seen) -> Iterator[Finding]:
    for each in seen.kind("Kustomization"):
        for index, image in each.tables("images"):
            keys = ("images", index, "newName")
            if str(image.get("newName", "")).startswith(f"{PLACEHOLDER_REGISTRY}/"):
                remedy = "Set image in [build.kubernetes] of the project file and build again."
                yield _at("image", "error", each, keys, f"{image['newName']} is a placeholder.", remedy)


def _secrets(seen: Seen) -> Iterator[Finding]:
    for name, (value, file, line) in seen.settings.items():
        if _SECRET.search(name) or _SECRET.search(value):
            yield Finding(
                "kubernetes-secret",
                "error",
                file,
                line,
                f"{name} is a secret, and this file is visible to all who read the repository.",
                "Take it out, put a new one into the Secret, and revoke the old one.",
            )
    for each in seen.kind("Deployment"):
        for index, variable in each.tables(*_WEB, "env"):
            if _SECRET.search(str(variable.get("name"))) and variable.get("value"):
                message = f"{variable['name']} is a secret, written in clear."
                yield _at("secret", "error", each, (*_WEB, "env", index, "name"), message, "Use a secretKeyRef.")


def _ports(seen: Seen) -> Iterator[Finding]:
    port = seen.number("FLUXLIT_GATEWAY_PORT", seen.project.port)
    for each in seen.kind("Deployment"):
        found = each.at(*_WEB, "ports", 0, "containerPort")
        if found is not None and found != port:
            keys, remedy = (*_WEB, "ports", 0, "containerPort"), "Make both the same."
            yield _at("port", "error", each, keys, f"the container listens on {port:g}, not on {found}.", remedy)


def _routes(seen: Seen) -> Iterator[Finding]:
    root = seen.settings.get("FLUXLIT_ROOT_PATH", (seen.project.root_path, "", 0))[0] or "/"
    for each in (*seen.kind("HTTPRoute"), *seen.kind("Ingress")):
        annotations = each.at("metadata", "annotations")
        names = annotations if isinstance(annotations, dict) else ()
        if any(str(name).startswith("nginx.ingress.kubernetes.io/") for name in names):
            message = "these annotations are for ingress-nginx, which gets no security fixes any more."
            remedy = "Use the Gateway API, or another controller and its own settings."
            yield _at("ingress-nginx", "warning", each, ("metadata", "annotations"), message, remedy)
        last = len(each.items("spec", "rules")) - 1
        paths = [each.at("spec", "rules", last, *keys) for keys in _PATHS]
        found = next((path for path in paths if path), None)
        if found and found != root:
            message = f"the route takes {found}, but FLUXLIT_ROOT_PATH is {root}."
            yield _at("path", "error", each, ("spec", "rules"), message, "Make both the same.")


_PATHS = (("matches", 0, "path", "value"), ("http", "paths", 0, "path"))


def _trust(seen: Seen) -> Iterator[Finding]:
    value, file, line = seen.settings.get("FLUXLIT_FORWARDED_ALLOW_IPS", ("", "", 0))
    remedy = "Name the network of the edge's pods in trusted_proxies of [build.kubernetes], and build again."
    networks = {each.strip() for each in value.split(",")}
    if "*" in networks or not any(seen.kind("NetworkPolicy")):
        message = "every pod of the cluster can connect, and its forwarding headers are accepted."
        remedy += " Add a NetworkPolicy that lets only the edge connect."
        if value and seen.documents:
            yield Finding("kubernetes-trust", "error", file, line, message, remedy)
    elif networks.issuperset(PRIVATE_NETWORKS):
        message = "forwarding headers are accepted from every private network, and only the NetworkPolicy limits them."
        yield Finding("kubernetes-trust", "warning", file, line, message, remedy)


_RULES: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    _grace,
    _probes,
    _writable,
    _images,
    _secrets,
    _ports,
    _routes,
    _trust,
)
