"""Checks of edges that were edited."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import check, edge_files
from fluxlit_deploy.options import EDGES, PATH_MODES, Edge, Options, PathMode
from tests.deploy.compose.reader import generated


def project(table: dict[str, Any] | None = None, **settings: Any) -> Project:
    return Project("portal", "Portal", "app:app", build=BuildTable(edge=table or {}), settings=settings)


def findings(folder: Path, subject: Project) -> list[tuple[str, str, int | None]]:
    return [(each.id, each.file, each.line) for each in check(subject, folder)]


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.parametrize(("edge", "mode", "rich"), list(itertools.product(EDGES, PATH_MODES, (False, True))))
def test_what_is_generated_is_fine(edge: Edge, mode: PathMode, rich: bool, tmp_path: Path) -> None:
    root_path = "" if mode == "root" else "/apps/my.app"
    table = {"tls": True, "affinity": True, "host": "a.test", "upstreams": ["a:1", "b:2"]} if rich else {}
    subject = project(table, root_path=root_path, streamlit_options={"server.maxUploadSize": 900})
    write(tmp_path, {str(each.path): each.text for each in edge_files(subject, Options(edge=edge, path_mode=mode))})
    settings: dict[str, Any] = {"root_path": root_path, "streamlit_options": {"server.maxUploadSize": 900}}
    write(tmp_path, generated(edge, mode, **settings))

    assert findings(tmp_path, subject) == []


def test_nothing_is_missed_where_there_is_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path, project()) == []


@pytest.mark.parametrize(
    ("edge", "file", "old", "new", "id_", "at"),
    [
        ("nginx", "fluxlit.conf", "proxy_http_version 1.1;", "", "websocket", ""),
        ("nginx", "fluxlit.conf", "proxy_set_header Upgrade $http_upgrade;", "", "websocket", ""),
        ("nginx", "fluxlit.conf", "Connection $connection_upgrade", 'Connection ""', "websocket", ""),
        ("nginx", "fluxlit.conf", "Host $http_host", "Host $proxy_host", "host", ""),
        ("nginx", "fluxlit.conf", "proxy_set_header X-Forwarded-For $remote_addr;", "", "forged", ""),
        ("nginx", "fluxlit.conf", "For $remote_addr", "For $proxy_add_x_forwarded_for", "forged", "For $proxy_add"),
        ("nginx", "fluxlit.conf", "proxy_buffering off;", "# proxy_buffering off;", "buffered", ""),
        ("nginx", "fluxlit.conf", "client_max_body_size 256m", "client_max_body_size 10m", "upload", "client_max"),
        ("nginx", "fluxlit.conf", "proxy_read_timeout 1h", "proxy_read_timeout 30s", "silence", "proxy_read"),
        ("nginx", "site.conf", "include fluxlit.conf;", "", "include", ""),
        ("nginx", "site.conf", "location /portal/ {", "location /other/ {", "prefix", "/other/"),
        ("nginx", "site.conf", "location /portal/ {", "location /portal/ {{", "brace", "server {"),
        ("nginx", "site.conf", "    }\n}", "    }\n}\n}", "brace", "LAST"),
        ("nginx", "site.conf", "app:8000", "app:9000", "port", "app:9000"),
        ("caddy", "Caddyfile", "flush_interval -1", "flush_interval 1s", "buffered", ""),
        ("caddy", "Caddyfile", "header_up -Forwarded", "header_up Host {upstream_hostport}", "host", "header_up Host"),
        ("caddy", "Caddyfile", "header_up -Forwarded", "", "forged", ""),
        ("caddy", "Caddyfile", "admin off", "trusted_proxies static private_ranges", "forged", "trusted_proxies"),
        ("caddy", "Caddyfile", "max_size 256MiB", "max_size 20MB", "upload", "max_size"),
        ("caddy", "Caddyfile", "dial_timeout 5s", "read_timeout 10s", "silence", "read_timeout"),
        ("caddy", "Caddyfile", "handle_path /portal/*", "handle_path /other/*", "prefix", "handle_path"),
        ("caddy", "Caddyfile", "admin off\n", "admin {\n", "brace", "LAST{"),
        ("caddy", "Caddyfile", "app-2:8000", "app-2:9000", "port", "app-2:9000"),
        ("traefik", "traefik.yml", "readTimeout: 0s", "readTimeout: 60s", "upload-time", ""),
        ("traefik", "traefik.yml", "readTimeout: 0s", "readTimeout: 0s\n        idleTimeout: 20s", "silence",
         "idleTimeout"),
        ("traefik", "traefik.yml", "    address:",
         "    forwardedHeaders:\n      insecure: true\n    address:", "forged", "insecure"),
        ("traefik", "dynamic.yml", "responseForwarding:",
         "passHostHeader: false\n        responseForwarding:", "host", "passHost"),
        ("traefik", "dynamic.yml", 'Forwarded: ""', 'Other: ""', "forged", ""),
        ("traefik", "dynamic.yml", "flushInterval: -1ns", "flushInterval: 100ms", "buffered", ""),
        ("traefik", "dynamic.yml", "PathPrefix(`/portal/`)", "PathPrefix(`/other/`)", "prefix", "PathPrefix(`/other"),
        ("traefik", "dynamic.yml", "http://app:8000", "http://app:9000", "port", "app:9000"),
        ("haproxy", "haproxy.cfg", "http-request del-header X-Forwarded- -m beg", "", "forged", ""),
        ("haproxy", "haproxy.cfg", "http-request set-header X-Forwarded-For %[src]", "", "forged", ""),
        ("haproxy", "haproxy.cfg", "option http-no-delay", "http-request set-header Host app", "host",
         "header Host app"),
        ("haproxy", "haproxy.cfg", "option http-no-delay", "option http-buffer-request", "buffered", "http-buffer"),
        ("haproxy", "haproxy.cfg", "timeout tunnel 1h", "timeout tunnel 30s", "silence", "timeout tunnel"),
        ("haproxy", "haproxy.cfg", "timeout client 1h", "timeout client 5000", "silence", "timeout client"),
        ("haproxy", "haproxy.cfg", 'path_beg "/portal/"', 'path_beg "/other/"', "prefix", "path_beg"),
        ("haproxy", "haproxy.cfg", '"app:8000"', '"app:9000"', "port", "app:9000"),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(
    edge: Edge, file: str, old: str, new: str, id_: str, at: str, tmp_path: Path
) -> None:
    files = generated(edge, root_path="/portal")
    path = f"edge/compose/{edge}/{file}"
    assert old in files[path]
    files[path] = text = files[path].replace(old, new, 1)
    write(tmp_path, files)

    found = [each for each in findings(tmp_path, project(root_path="/portal")) if each[0] == f"edge-{id_}"]

    assert found
    lines = text.splitlines()
    if at == "LAST":
        assert found[0][1:] == (path, len(lines))
    elif at == "LAST{":
        assert found[0][2] is not None
    elif at:
        assert found[0][1:] == (path, next(number for number, line in enumerate(lines, 1) if at in line))


def test_an_edge_without_its_files_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "edge" / "nginx").mkdir(parents=True)
    (tmp_path / "edge" / "nginx" / "site.conf").write_bytes(b"\xff")

    assert findings(tmp_path, project()) == [
        ("edge-file", "edge/nginx/fluxlit.conf", None),
        ("edge-file", "edge/nginx/site.conf", None),
    ]
