"""Checks of the files of platforms, also after manual changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from fluxlit_deploy.description import WORKERS_STOP_S, Project
from fluxlit_deploy.finding import Finding
from fluxlit_deploy.kubernetes.image import PLACEHOLDER_REGISTRY
from fluxlit_deploy.platforms.facts import CLOUD_RUN_S, Facts, LocatedValue, read, seconds

_FILES = ("platform/*/*.service", "platform/*/*.socket", "platform/*/*.toml", "platform/*/*.yaml")
# Where these platforms look for them.
_MOVED = ("fly.toml", "render.yaml")
_SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|(redis|rediss)://[^/@]*:[^/@$]+@", re.IGNORECASE)
_PLACEHOLDER = "REPLACE"


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the files below ``platform/``, and where platforms expect them."""
    paths = {path for pattern in (*_FILES, *_MOVED) for path in directory.glob(pattern)}
    for path in sorted(paths):
        name = path.relative_to(directory).as_posix()
        try:
            found = list(read(path, name))
        except (OSError, ValueError, yaml.YAMLError) as error:
            mark = getattr(error, "problem_mark", None)
            message = f"it cannot be read: {getattr(error, 'problem', None) or error}."
            remedy = "Mend it, or write it anew with fluxlit build --platform ... --force."
            yield Finding("platform-syntax", "error", name, mark.line + 1 if mark else None, message, remedy)
            continue
        for facts in found:
            for rule in _RULES:
                yield from rule(project, facts)


def _error(id_: str, facts: Facts, at: LocatedValue, message: str, remedy: str) -> Finding:
    return Finding(f"platform-{id_}", "error", facts.file, at.line, message, remedy)


def _seconds(facts: Facts, name: str, otherwise: float) -> float:
    said = facts.variables.get(f"FLUXLIT_{name}")
    given = seconds(said.value) if said is not None else None
    return otherwise if given is None else given


def _grace(project: Project, facts: Facts) -> Iterator[Finding]:
    given = seconds(facts.kill_s.value) if facts.kill_s is not None else None
    if facts.kill_s is None or given is None:
        return
    # What Cloud Run leaves goes to those who visit; workers that are cut off have nothing to lose by then.
    ends = 0.0 if (given, facts.kill_s.line) == (CLOUD_RUN_S, None) else WORKERS_STOP_S
    needed = (
        _seconds(facts, "GATEWAY_DRAIN_DELAY_S", project.drain_delay_s)
        + _seconds(facts, "UVICORN_GRACEFUL_SHUTDOWN_TIMEOUT_S", project.graceful_timeout_s)
        + _seconds(facts, "API_SHUTDOWN_TIMEOUT_S", project.api_end_s)
        + ends
    )
    if given < needed:
        message = f"the platform kills after {given:g} s, but a shutdown may take {needed:g} s by the settings."
        yield _error("grace", facts, facts.kill_s, message, "Let it wait longer, or lower the times of the shutdown.")


def _ports(project: Project, facts: Facts) -> Iterator[Finding]:
    said = facts.variables.get("FLUXLIT_GATEWAY_PORT")
    port = str(project.port if said is None or said.value is None else said.value)
    for each in facts.ports:
        if str(each.value) not in (port, "http1"):
            message = f"the platform connects to port {each.value}, but the application listens on {port}."
            yield _error("port", facts, each, message, "Make both the same.")


def _probes(project: Project, facts: Facts) -> Iterator[Finding]:
    for what, each in facts.probes:
        end = "healthz" if what == "alive" else "readyz"
        if what == "alive" and str(each.value).endswith("/readyz"):
            message = "the liveness probe asks for readiness: a UI that is down restarts the API as well."
            yield _error("liveness", facts, each, message, f"Ask {project.api_path}/{end}.")
        elif not str(each.value).endswith((f"{project.api_path}/{end}", f"{project.api_path}/healthz")):
            message = f"the platform asks {each.value}, which FluxLit does not know as a probe."
            yield _error("probe", facts, each, message, f"Ask {project.api_path}/{end}.")


def _commands(project: Project, facts: Facts) -> Iterator[Finding]:
    right = f"Start fluxlit run {project.target}."
    for each in facts.commands:
        words = [Path(word).name for word in str(each.value).lstrip("-@:+!").split()]
        if words[:2] == ["fluxlit", "dev"]:
            message = "fluxlit dev is for development: it reloads, and shows errors to visitors."
            yield _error("command", facts, each, message, right)
        elif words[:2] == ["fluxlit", "run"] and len(words) > 2 and not words[2].startswith("-"):
            target = str(each.value).split()[2]
            if target.removeprefix("./") != project.target.removeprefix("./"):
                message = f"the unit starts {target}, but the project's target is {project.target}."
                yield _error("command", facts, each, message, right)


def _trust(_project: Project, facts: Facts) -> Iterator[Finding]:
    said = facts.variables.get("FLUXLIT_FORWARDED_ALLOW_IPS")
    if said is not None and any(part.strip() in ("*", "0.0.0.0/0", "::/0") for part in str(said.value).split(",")):
        message = "the forwarding headers of every client are trusted, so it could forge who it is."
        yield _error("trust", facts, said, message, "Name the network of the platform's proxy.")


def _secrets(_project: Project, facts: Facts) -> Iterator[Finding]:
    remedy = "Take it out, put a new one where the platform keeps secrets, and revoke the old one."
    for name, said in facts.variables.items():
        if said.value and (_SECRET.search(name) or _SECRET.search(str(said.value))):
            message = f"{name} is a secret, and this file is visible to all who read the repository."
            yield _error("secret", facts, said, message, remedy)
    for said in facts.secrets:
        if said.value != _PLACEHOLDER:
            message = "a secret is written in clear, and this file is visible to all who read the repository."
            yield _error("secret", facts, said, message, remedy)


def _images(_project: Project, facts: Facts) -> Iterator[Finding]:
    for each in facts.images:
        image = str(each.value)
        if image.startswith(f"{PLACEHOLDER_REGISTRY}/"):
            remedy = "Set image in [build.kubernetes] of the project file and build again."
            yield _error("image", facts, each, f"{image} is a placeholder.", remedy)
        elif "@" not in image and image.rpartition("/")[2].partition(":")[2] in ("", "latest"):
            message = "the image has no version, so a roll-back would not bring the old one back."
            yield _error("image", facts, each, message, "Name a tag other than latest, or a digest.")


_RULES: tuple[Callable[[Project, Facts], Iterator[Finding]], ...] = (
    _grace,
    _ports,
    _probes,
    _commands,
    _trust,
    _secrets,
    _images,
)
