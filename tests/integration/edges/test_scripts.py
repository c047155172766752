"""The scripts notice what is broken and go through all the stacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.edges.compose import FOLDER, STACKS, load
from tests.integration.edges.conftest import Applications, upstream
from tests.integration.edges.engines import refused_upload, run_edge, smoke_test
from tests.integration.edges.test_configuration import MATRIX

DOCKER = """#!/usr/bin/env bash
echo "docker $*" >>"$LOG"
[[ "$*" == *"$BROKEN"*" up "* ]] && exit 17
exit 0
"""
SMOKE_TEST = """#!/usr/bin/env bash
echo "smoke $BASE_URL '$PUBLIC_PREFIX' $INSECURE" >>"$LOG"
[[ $BASE_URL != *:8082 ]]
"""


def careless(text: str) -> str:
    """An nginx as many people have it: little of what FluxLit needs."""
    for line in (
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header X-Forwarded-Host $http_host;",
        'proxy_set_header X-Forwarded-Port "";',
        "client_max_body_size 256m;",
    ):
        text = text.replace(line, "")
    return text.replace("$remote_addr;", "$proxy_add_x_forwarded_for;").replace("return 308", "return 404; #")


def buffering(text: str) -> str:
    """A Traefik that waits for the end of every response."""
    return text.replace("[closing-slash,", "[buffer, closing-slash,").replace(
        "  middlewares:\n", "  middlewares:\n    buffer: {buffering: {maxResponseBodyBytes: 1000000000}}\n"
    )


def failures(report: str) -> set[str]:
    """The checks of the smoke test that failed."""
    return {line.split("  ")[1].partition(" (")[0] for line in report.splitlines() if line.startswith("FAIL")}


@pytest.mark.parametrize(
    ("name", "damage", "noticed"),
    [
        (
            "strip-prefix",
            careless,
            {
                "the bare prefix leads to the application",
                "WebSocket of the page",
                "WebSocket of the API",
                "no WebSocket for a foreign site",
                "upload to the API",
                "upload to a page",
                'a call as "Try it out" makes it',
                "forged forwarding headers have no effect",
            },
        ),
        ("traefik", buffering, {"events arrive one by one"}),
    ],
)
def test_the_smoke_test_notices_what_an_edge_breaks(
    applications: Applications, tmp_path: Path, name: str, damage: Callable[[str], str], noticed: set[str]
) -> None:
    stack = load(name)
    with run_edge(stack, tmp_path, upstream(applications(stack.application)), damage=damage) as edge:
        done = smoke_test(edge)

    assert done.returncode == 1
    failed = failures(done.stdout)
    assert failed == noticed
    assert done.stdout.splitlines()[-1] == f"{len(failed)} failed"


@pytest.mark.parametrize(
    ("name", "removing", "forwarding"),
    [
        ("caddy", "handle_path", "handle"),
        ("traefik", ", strip-prefix]", "]"),
        ("haproxy", 'http-request replace-path "${PUBLIC_PREFIX}(/.*)" "\\1"', ""),
    ],
)
def test_every_edge_may_forward_the_whole_path(
    applications: Applications, tmp_path: Path, name: str, removing: str, forwarding: str
) -> None:
    def keep_prefix(text: str) -> str:
        assert removing in text
        return text.replace(removing, forwarding)

    stack = load(name)
    with run_edge(stack, tmp_path, upstream(applications(stack.application)), damage=keep_prefix) as edge:
        done = smoke_test(edge)

    assert done.returncode == 0, done.stdout


def test_haproxy_may_end_tls(applications: Applications, tmp_path: Path) -> None:
    subprocess.run([FOLDER / "make-certs.sh", tmp_path], check=True, stdout=subprocess.DEVNULL)
    pem = tmp_path / "site.pem"
    pem.write_bytes((tmp_path / "edge.crt").read_bytes() + (tmp_path / "edge.key").read_bytes())

    def secured(text: str) -> str:
        return text.replace(':${EDGE_PORT}"', f':${{EDGE_PORT}}" ssl crt {pem} alpn h2,http/1.1')

    stack = replace(load("haproxy"), scheme="https")
    with run_edge(stack, tmp_path / "edge", upstream(applications(stack.application)), damage=secured) as edge:
        done = smoke_test(edge)
        after_uploads = [refused_upload(edge, tmp_path)[1] for _ in range(8)]

    assert failures(done.stdout) == set(), done.stdout
    assert "ok    HTTP/2" in done.stdout
    assert after_uploads == ["200"] * 8


def test_the_smoke_test_ends_where_nothing_answers() -> None:
    settings = {"BASE_URL": "http://127.0.0.1:9", "WAIT_S": "0"}
    done = subprocess.run(
        [FOLDER / "smoke-test.sh"], env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert "FAIL  health (status 000)" in done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The scripts beside a Docker and a smoke test that only record calls."""
    for name, text in {"docker": DOCKER, "smoke-test.sh": SMOKE_TEST}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    shutil.copy(FOLDER / "run-all-proxy-smokes.sh", tmp_path)
    return tmp_path


def run_all(folder: Path, *names: str, broken: str = "none") -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script; its result and what it has called."""
    log = folder / "log"
    settings = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "LOG": str(log), "BROKEN": broken}
    command = [str(folder / "run-all-proxy-smokes.sh"), *names]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False)
    return done, log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_all_stacks_are_started_checked_and_taken_down(folder: Path) -> None:
    done, calls = run_all(folder)

    ups = [re.search(r"docker-compose\.([\w-]+)\.yml up -d --build$", call) for call in calls if " up " in call]
    assert [match[1] if match else "strip-prefix" for match in ups] == list(STACKS)
    assert sum(" down --volumes" in call for call in calls) == len(STACKS)
    assert [call for call in calls if call.startswith("smoke")] == [
        f"smoke {scheme}://127.0.0.1:{port} '{prefix}' 1" for _, scheme, port, prefix in MATRIX.values()
    ]
    # One of them is broken here, and the others are checked all the same.
    assert done.returncode == 1
    assert done.stdout.splitlines()[-len(STACKS) :] == [
        f"{'FAIL' if name == 'root' else 'ok  '}  {name}" for name in STACKS
    ]
    assert sum(" logs " in call for call in calls) == 1


def test_some_stacks_can_be_named(folder: Path) -> None:
    done, calls = run_all(folder, "caddy", "https")

    assert done.returncode == 0, done.stdout
    assert [call for call in calls if call.startswith("smoke")] == [
        "smoke https://127.0.0.1:8444 '/myapp' 1",
        "smoke http://127.0.0.1:8084 '/myapp' 1",
    ]


def test_a_stack_that_does_not_start_is_taken_down_and_told(folder: Path) -> None:
    done, calls = run_all(folder, "caddy", broken="caddy")

    assert done.returncode == 1
    assert [re.split(r"\.yml ", call)[-1].split()[0] for call in calls] == ["up", "logs", "down"]
    assert "FAIL  caddy" in done.stdout


def test_a_name_that_does_not_exist_is_an_error(folder: Path) -> None:
    done, calls = run_all(folder, "apache")

    assert done.returncode == 1
    assert calls == []
    assert "no stack of that name: apache" in done.stderr
