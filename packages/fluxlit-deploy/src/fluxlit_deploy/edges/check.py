"""Checks of the configuration of an edge, also after manual changes.

Whether a program understands its configuration, only the program can say (`nginx -t`, `caddy validate`,
`haproxy -c`). What is looked at here is what it understands all too well: settings with which pages do not work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fluxlit_deploy.description import Project
from fluxlit_deploy.edges.configuration import FILES
from fluxlit_deploy.edges.options import edge_plan
from fluxlit_deploy.finding import Finding, Severity
from fluxlit_deploy.options import EDGES, Edge, Options

FOLDERS = ("edge", "edge/compose")

# FluxLit pings every half minute; below that an edge cuts idle pages.
_LEAST_SILENCE_S = 60
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "": 1}


@dataclass(frozen=True)
class Rule:
    """One thing that a file must say, or must not.

    Attributes:
        id: of the finding.
        file: name of the file.
        pattern: regular expression for one line.
        wanted: some line must match; else none may.
        message: what is wrong.
        remedy: what to do.
        severity: of the finding.
    """

    id: str
    file: str
    pattern: str
    wanted: bool
    message: str
    remedy: str
    severity: Severity = "error"


_NO_WEBSOCKET = "without it no WebSocket gets through, and pages stay empty."
_NO_HOST = "FluxLit would not know under which name browsers know it, and refuse their WebSockets."
_FORGED = "clients could send this header themselves and forge who they are."
_BUFFERED = "streamed responses, such as events and long downloads, would wait for their end."

_RULES: dict[Edge, tuple[Rule, ...]] = {
    "nginx": (
        Rule("websocket", "fluxlit.conf", r"proxy_http_version\s+1\.1;", True, _NO_WEBSOCKET,
             "Add proxy_http_version 1.1;"),
        Rule("websocket", "fluxlit.conf", r"proxy_set_header\s+Upgrade\s+\$http_upgrade;", True, _NO_WEBSOCKET,
             "Add proxy_set_header Upgrade $http_upgrade;"),
        Rule("websocket", "fluxlit.conf", r"proxy_set_header\s+Connection\s+\$connection_upgrade;", True,
             _NO_WEBSOCKET, "Add proxy_set_header Connection $connection_upgrade;"),
        Rule("host", "fluxlit.conf", r"proxy_set_header\s+Host\s+\$http_host;", True, _NO_HOST,
             "Add proxy_set_header Host $http_host;"),
        Rule("forged", "fluxlit.conf", r"proxy_set_header\s+X-Forwarded-For\s+", True, _FORGED,
             "Add proxy_set_header X-Forwarded-For $remote_addr;"),
        Rule("forged", "fluxlit.conf", r"\$proxy_add_x_forwarded_for", False, _FORGED,
             "Use $remote_addr, unless another trusted proxy is in front of this one.", "warning"),
        Rule("buffered", "fluxlit.conf", r"proxy_buffering\s+off;", True, _BUFFERED, "Add proxy_buffering off;"),
        Rule("include", "site.conf", r"include\s+\S*fluxlit\.conf;", True,
             "what FluxLit needs is in fluxlit.conf, and nothing includes that.", "Add include fluxlit.conf;"),
    ),
    "caddy": (
        Rule("buffered", "Caddyfile", r"flush_interval\s+-1$", True, _BUFFERED, "Add flush_interval -1."),
        Rule("host", "Caddyfile", r"header_up\s+Host\b", False, _NO_HOST, "Take it out: Caddy passes the name on."),
        Rule("forged", "Caddyfile", r"header_up\s+-Forwarded$", True, _FORGED, "Add header_up -Forwarded."),
        Rule("forged", "Caddyfile", r"trusted_proxies", False, _FORGED,
             "Take it out, unless another trusted proxy is in front of this one.", "warning"),
    ),
    "traefik": (
        Rule("upload-time", "traefik.yml", r"readTimeout:\s*0s?$", True,
             "every upload that takes longer than a minute would end in the middle.", "Set readTimeout: 0s."),
        Rule("host", "dynamic.yml", r"passHostHeader:\s*false", False, _NO_HOST, "Take it out."),
        Rule("forged", "dynamic.yml", r"Forwarded:\s*\"\"", True, _FORGED, 'Add Forwarded: "" to the headers.'),
        Rule("forged", "traefik.yml", r"insecure:\s*true", False, _FORGED, "Take insecure out, and name trustedIPs."),
        Rule("buffered", "dynamic.yml", r"flushInterval:\s*-1", True, _BUFFERED, "Set flushInterval: -1ns."),
    ),
    "haproxy": (
        Rule("forged", "haproxy.cfg", r"http-request del-header X-Forwarded- -m beg", True, _FORGED,
             "Add http-request del-header X-Forwarded- -m beg."),
        Rule("forged", "haproxy.cfg", r"http-request set-header X-Forwarded-For %\[src\]", True,
             "FluxLit would take every visitor for HAProxy.", "Add http-request set-header X-Forwarded-For %[src]."),
        Rule("host", "haproxy.cfg", r"http-request set-header Host\b", False, _NO_HOST, "Take it out."),
        Rule("buffered", "haproxy.cfg", r"option http-buffer-request", False, _BUFFERED, "Take it out.", "warning"),
    ),
}  # fmt: skip

_SILENCE: dict[Edge, tuple[str, str]] = {
    "nginx": ("fluxlit.conf", r"proxy_(?:read|send)_timeout\s+(\d+)(\w*);"),
    "haproxy": ("haproxy.cfg", r"timeout (?:tunnel|client|server)\s+(\d+)(\w*)$"),
    "caddy": ("Caddyfile", r"(?:read_timeout|write_timeout|stream_timeout)\s+(\d+)(\w*)$"),
    "traefik": ("traefik.yml", r"(?:writeTimeout|idleTimeout):\s*(\d+)(\w*)$"),
}
_BODY: dict[Edge, tuple[str, str]] = {
    "nginx": ("fluxlit.conf", r"client_max_body_size\s+(\d+)m;"),
    "caddy": ("Caddyfile", r"max_size\s+(\d+)Mi?B$"),
    "traefik": ("dynamic.yml", r"maxRequestBodyBytes:\s*(\d+)(?:\d{6})$"),
}
_PREFIX: dict[Edge, tuple[str, str]] = {
    "nginx": ("site.conf", r"location\s+(/[^\s{]*)\s*\{"),
    "caddy": ("Caddyfile", r"handle(?:_path)?\s+(/\S*)/\*\s*\{"),
    "traefik": ("dynamic.yml", r"rule:.*PathPrefix\(`([^`]*)`\)"),
    "haproxy": ("haproxy.cfg", r"path_beg\s+\"([^\"]*)\""),
}


@dataclass(frozen=True)
class Seen:
    """The files of one edge.

    Attributes:
        project: the application.
        engine: which edge.
        folder: as findings name it.
        lines: the lines of each file.
    """

    project: Project
    engine: Edge
    folder: str
    lines: dict[str, list[str]]

    def matches(self, file: str, pattern: str) -> Iterator[tuple[int, re.Match[str]]]:
        """Yield the lines that match, comments left out."""
        for number, line in enumerate(self.lines[file], 1):
            bare = line.strip()
            if not bare.startswith("#") and (match := re.search(pattern, bare)):
                yield number, match

    def found(self, id_: str, severity: Severity, file: str, line: int | None, message: str, remedy: str) -> Finding:
        """Say something about a line."""
        return Finding(f"edge-{id_}", severity, f"{self.folder}/{file}", line, message, remedy)


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the edges below ``edge/``; where there are none, none is missed."""
    for folder in FOLDERS:
        for engine in EDGES:
            place = directory / folder / engine
            if place.is_dir():
                yield from _check(project, engine, place, f"{folder}/{engine}")


def _check(project: Project, engine: Edge, place: Path, folder: str) -> Iterator[Finding]:
    texts: dict[str, list[str]] = {}
    for file in FILES[engine]:
        try:
            texts[file] = (place / file).read_text("utf-8").splitlines()
        except (OSError, UnicodeError) as error:
            message = f"it cannot be read: {getattr(error, 'strerror', None) or error}."
            remedy = f"Write it anew with fluxlit build --edge {engine} --force."
            yield Finding("edge-file", "error", f"{folder}/{file}", None, message, remedy)
    if len(texts) == len(FILES[engine]):
        for rule in _CHECKS:
            yield from rule(Seen(project, engine, folder, texts))


def _said(seen: Seen) -> Iterator[Finding]:
    for rule in _RULES[seen.engine]:
        lines = [number for number, _ in seen.matches(rule.file, rule.pattern)]
        if rule.wanted and not lines:
            yield seen.found(rule.id, rule.severity, rule.file, None, rule.message, rule.remedy)
        if not rule.wanted:
            for line in lines:
                yield seen.found(rule.id, rule.severity, rule.file, line, rule.message, rule.remedy)


def _silence(seen: Seen) -> Iterator[Finding]:
    file, pattern = _SILENCE[seen.engine]
    for line, match in seen.matches(file, pattern):
        seconds = int(match[1]) * _UNITS.get(match[2], 1)
        if seen.engine == "haproxy" and not match[2]:
            seconds /= 1000  # HAProxy counts in milliseconds
        if 0 < seconds < _LEAST_SILENCE_S:
            message = f"{match[0].strip(';')}: pages that are idle for {seconds:g} s are cut off."
            yield seen.found("silence", "error", file, line, message, "Allow an hour, at least a minute.")


def _uploads(seen: Seen) -> Iterator[Finding]:
    if seen.engine not in _BODY:
        return
    file, pattern = _BODY[seen.engine]
    limit = edge_plan(_without_edge_table(seen.project), Options(edge=seen.engine)).upload_mb
    for line, match in seen.matches(file, pattern):
        if int(match[1]) < limit:
            message = f"uploads end at {match[1]} MB, with an error of the edge; Streamlit would take {limit} MB."
            yield seen.found("upload", "error", file, line, message, f"Allow at least {limit} MB.")


def _prefixes(seen: Seen) -> Iterator[Finding]:
    file, pattern = _PREFIX[seen.engine]
    for line, match in seen.matches(file, pattern):
        found = match[1].rstrip("/")
        if found != seen.project.root_path:
            message = f"the edge takes {found or '/'}, but root_path is {seen.project.root_path or 'empty'}."
            yield seen.found("prefix", "error", file, line, message, "Make both the same.")


def _upstreams(seen: Seen) -> Iterator[Finding]:
    if not seen.folder.startswith("edge/compose/"):
        return
    for file in seen.lines:
        for line, match in seen.matches(file, r".*"):
            for address, port in re.findall(r"\b(app(?:-2)?:(\d+))\b", match[0]):
                if int(port) != seen.project.port:
                    message = f"the edge asks {address}, but the application listens on {seen.project.port}."
                    yield seen.found("port", "error", file, line, message, f"Write {seen.project.port}.")


def _balanced(seen: Seen) -> Iterator[Finding]:
    if seen.engine not in {"nginx", "caddy"}:
        return
    for file, lines in seen.lines.items():
        open_: list[int] = []
        for number, line in enumerate(lines, 1):
            bare = re.sub(r"(^|\s)#.*|\{[\w?.$<>:|-]+\}|'[^']*'|\"[^\"]*\"", "", line)
            for brace in re.findall(r"[{}]", bare):
                if brace == "{":
                    open_.append(number)
                elif open_:
                    open_.pop()
                else:
                    yield seen.found("brace", "error", file, number, "this } closes nothing.", "Take it out.")
        for number in open_:
            yield seen.found("brace", "error", file, number, "this { is not closed.", "Close it.")


def _without_edge_table(project: Project) -> Project:
    """Return the project without ``[build.edge]``, which may be wrong."""
    return replace(project, build=replace(project.build, edge={}))


_CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    _said,
    _silence,
    _uploads,
    _prefixes,
    _upstreams,
    _balanced,
)
