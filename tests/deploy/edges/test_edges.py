"""Every combination is accepted by the program that reads it."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import edge_files
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File
from fluxlit_deploy.options import EDGES, PATH_MODES, Edge, Options, PathMode
from scripts.write_stacks import FOLDER, stack_files
from tests.integration.edges.engines import NGINX_CONF, program
from tests.support.ports import free_port
from tests.support.processes import background

MATRIX = list(itertools.product(EDGES, PATH_MODES, (False, True), (False, True)))


def files_of(engine: Edge, mode: PathMode | None, table: dict[str, Any], **settings: Any) -> dict[str, str]:
    project = Project("portal", "Portal", "app:app", build=BuildTable(edge=table), settings=settings)
    found: tuple[File, ...] = edge_files(project, Options(edge=engine, path_mode=mode))
    assert {file.path.parts[:2] for file in found} == {("edge", engine)}
    return {file.path.name: file.text for file in found}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([FOLDER / "make-certs.sh", folder], check=True, stdout=subprocess.DEVNULL)
    (folder / "edge.pem").write_bytes((folder / "edge.crt").read_bytes() + (folder / "edge.key").read_bytes())
    return folder


def accepts(engine: Edge, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let the program itself read the files."""
    environ = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    if engine == "nginx":
        text = NGINX_CONF.format(root=folder, user="user root;" if os.geteuid() == 0 else "")
        (folder / "nginx.conf").write_text(text.replace("conf.d/*.conf", "site.conf"))
        command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-t"]
    elif engine == "caddy":
        command = ["caddy", "validate", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    else:
        command = ["haproxy", "-c", "-f", str(folder / "haproxy.cfg")]
    command[0] = program(command[0])
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("engine", "mode", "tls", "several"), [case for case in MATRIX if case[0] != "traefik"])
def test_the_program_accepts_its_configuration(
    engine: Edge, mode: PathMode, tls: bool, several: bool, certificates: Path, tmp_path: Path
) -> None:
    table: dict[str, Any] = {"port": free_port(), "affinity": several}
    if several:
        table |= {"upstreams": ["127.0.0.1:8001", "127.0.0.1:8002"], "host": "portal.test"}
    if tls:
        pem = certificates / ("edge.pem" if engine == "haproxy" else "edge.crt")
        table |= {"tls": True, "certificate": str(pem), "key": str(certificates / "edge.key")}
    for name, text in files_of(engine, mode, table, root_path="" if mode == "root" else "/apps/my.app").items():
        (tmp_path / name).write_text(text)

    done = accepts(engine, tmp_path)

    assert done.returncode == 0, done.stderr
    assert not re.search(r"\bwarn", done.stdout + done.stderr, re.IGNORECASE), done.stderr


@pytest.mark.parametrize("mode", PATH_MODES)
def test_traefik_starts_without_a_complaint(mode: PathMode, tmp_path: Path) -> None:
    port = free_port()
    replicas = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    table = {"port": port, "affinity": True, "upstreams": replicas}
    for name, text in files_of("traefik", mode, table, root_path="" if mode == "root" else "/apps/p").items():
        (tmp_path / name).write_text(text)

    with background([program("traefik"), "--configFile=traefik.yml"], cwd=tmp_path, environ=os.environ) as traefik:
        deadline = time.monotonic() + 60
        # The route exists, and both replicas fail their health check: 503. Without a route it would be 404.
        while status(f"http://127.0.0.1:{port}{'' if mode == 'root' else '/apps/p'}/") != "503":
            assert time.monotonic() < deadline, "".join(traefik.output)
            time.sleep(0.05)

    assert "error" not in "".join(line for line in traefik.output if "ERR" in line and "Health check" not in line)


def status(url: str) -> str:
    command = ["curl", "--silent", "--noproxy", "*", "--output", os.devnull, "--write-out", "%{http_code}", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout


@pytest.mark.parametrize("path", sorted(stack_files()))
def test_the_stacks_come_from_the_same_templates(path: str) -> None:
    assert (FOLDER / path).read_text() == stack_files()[path], "run python scripts/write_stacks.py"


def test_every_edge_of_the_stacks_is_generated() -> None:
    folders = {path.split("/")[0] for path in stack_files()}
    there = {str(path.relative_to(FOLDER)) for name in folders for path in (FOLDER / name).iterdir()}

    assert there == set(stack_files())


def test_uploads_may_be_as_large_as_streamlit_takes() -> None:
    limit = {"server.maxUploadSize": 1000}

    assert "client_max_body_size 1056m;" in files_of("nginx", None, {}, streamlit_options=limit)["fluxlit.conf"]
    assert "max_size 1056MiB" in files_of("caddy", None, {}, streamlit_options=limit)["Caddyfile"]


def test_caddy_gets_certificates_itself() -> None:
    text = files_of("caddy", None, {"tls": True, "host": "portal.example.com"})["Caddyfile"]

    assert "\nportal.example.com {\n" in text
    assert "auto_https off" not in text
    assert "\ttls " not in text


@pytest.mark.parametrize(
    ("table", "mode", "settings", "message"),
    [
        ({}, "strip", {}, "needs a prefix, but root_path is empty"),
        ({}, "root", {"root_path": "/p"}, 'root_path is "/p"'),
        ({"upstreams": []}, None, {}, "upstreams must be a list of addresses"),
        ({"upstreams": ["http://a:1/"]}, None, {}, "upstreams must be a list of addresses"),
        ({"upstreams": ["a:1; evil"]}, None, {}, "upstreams must be a list of addresses"),
        ({"port": 0}, None, {}, "port must be a port"),
        ({"host": "a b"}, None, {}, "host must be a host name"),
        ({"tls": True, "certificate": "x;y"}, None, {}, "certificate must be the path of a file"),
        ({"certificate": "/x"}, None, {}, "of no use without tls"),
        ({"afinity": True}, None, {}, "did you mean affinity"),
    ],
)
def test_what_does_not_fit_is_refused(table: dict[str, Any], mode: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        files_of("nginx", mode, table, **settings)
