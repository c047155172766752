"""Checks of manifests that were edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.kubernetes import check
from tests.deploy.kubernetes.conftest import Write, project

DEPLOYMENT = "kubernetes/base/deployment.yaml"
PRODUCTION = "kubernetes/overlays/production"
IMAGE = "registry.test/portal:1.4.2"
TABLE = {"image": IMAGE, "trusted_proxies": ["10.244.0.0/16"]}


def findings(folder: Path) -> list[tuple[str, str, int | None]]:
    return [(each.id, each.file, each.line) for each in check(project(root_path="/portal"), folder)]


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize("redis", ["url", "operator"])
@pytest.mark.parametrize("route", ["gateway", "ingress"])
def test_what_is_generated_is_fine(redis: str, route: str, write: Write) -> None:
    assert findings(write(TABLE | {"redis": redis, "route": route}, root_path="/portal")) == []


def test_nothing_is_missed_where_there_are_no_manifests(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


def test_a_placeholder_is_pointed_at(write: Write) -> None:
    assert {each[0] for each in findings(write(TABLE | {"image": ""}, root_path="/portal"))} == {"kubernetes-image"}


@pytest.mark.parametrize(
    ("file", "old", "new", "id_", "at"),
    [
        (DEPLOYMENT, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30", "grace", "termination"),
        ("kubernetes/base/settings.env", "TIMEOUT_S=30", "TIMEOUT_S=300", "grace", ""),
        ("kubernetes/base/settings.env", "API_SHUTDOWN_TIMEOUT_S=10", "API_SHUTDOWN_TIMEOUT_S=11", "grace", ""),
        (DEPLOYMENT, "healthz", "readyz", "liveness", "livenessProbe"),
        (DEPLOYMENT, "path: /api/healthz", "path: /", "probe", "livenessProbe"),
        (DEPLOYMENT, "livenessProbe:", "oldProbe:", "probe", "- name: web"),
        (DEPLOYMENT, "sleep:", "exec:", "prestop", "lifecycle"),
        (DEPLOYMENT, "mountPath: /tmp", "mountPath: /data", "tmp", "volumeMounts"),
        (DEPLOYMENT, "containerPort: 8000", "containerPort: 8080", "port", "containerPort"),
        (f"{PRODUCTION}/settings.env", "FLUXLIT_ENABLE", "FLUXLIT_SECRET_KEY=x\nFLUXLIT_ENABLE", "secret", "SECRET"),
        (f"{PRODUCTION}/httproute.yaml", "value: /portal", "value: /other", "path", "rules:"),
        (f"{PRODUCTION}/httproute.yaml", "metadata:", "metadata:\n  annotations: {nginx.ingress.kubernetes.io/a: b}",
         "ingress-nginx", "annotations"),
        (DEPLOYMENT, "    spec:", "    spec: [", "yaml", ""),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(file: str, old: str, new: str, id_: str, at: str, write: Write) -> None:
    folder = write(TABLE, root_path="/portal")
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))

    found = [each for each in findings(folder) if each[0] == f"kubernetes-{id_}"]

    assert found
    if at:
        assert found[0][1:] == (file, line_of(path, at))


@pytest.mark.parametrize("networks", ["*", "10.244.0.0/16"])
def test_trust_without_a_policy_is_an_error(networks: str, write: Write) -> None:
    folder = write(TABLE | {"redis": "none"}, root_path="/portal")
    path = folder / "kubernetes/base/settings.env"
    path.write_text(path.read_text().replace("10.244.0.0/16", networks))

    (folder / "kubernetes/base/networkpolicy.yaml").write_text("")

    assert [each[0] for each in findings(folder)] == ["kubernetes-trust"]


def test_trust_in_every_private_network_is_pointed_at(write: Write) -> None:
    [found] = check(project(root_path="/portal"), write({"image": IMAGE}, root_path="/portal"))

    assert (found.id, found.severity) == ("kubernetes-trust", "warning")
    assert "trusted_proxies" in found.remedy
