"""Manifests and charts are valid, clean, reproducible and the same."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxlit.observability.metrics import CATALOGUE
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.kubernetes import manifest_files
from fluxlit_deploy.options import Options
from tests.deploy.kubernetes import helm, kustomize, linters, schemas
from tests.deploy.kubernetes.conftest import Write, generated, project
from tests.support.pairwise import pairwise
from tests.support.processes import ROOT

DIGEST = "sha256:" + "ab" * 32

# Each decision once at least with each other.
MATRIX = [
    {"route": route, "redis": redis, "affinity": affinity, "sessions_per_replica": sessions, "root_path": root}
    for route, redis, affinity, sessions, root in pairwise(
        case
        for case in itertools.product(
            ("gateway", "ingress"),
            ("url", "operator", "none"),
            ("none", "traefik", "haproxy", "envoy-gateway", "istio"),
            (0, 200),
            ("", "/apps/portal"),
        )
        if (case[2], case[0]) not in {("haproxy", "gateway"), ("envoy-gateway", "ingress")}
    )
]


def table_of(case: dict[str, Any]) -> dict[str, Any]:
    metrics = "pod-monitor" if case["sessions_per_replica"] else "none"
    table = {key: value for key, value in case.items() if key != "root_path"}
    return table | {"image": f"registry.test/p@{DIGEST}", "metrics": metrics}


def production(folder: Path) -> list[dict[str, Any]]:
    return kustomize.build(folder / "kubernetes" / "overlays" / "production")


@pytest.mark.parametrize("case", MATRIX, ids=lambda case: "-".join(str(value) for value in case.values()))
def test_every_combination_is_valid_and_clean(case: dict[str, Any], write: Write) -> None:
    folder = write(table_of(case), root_path=case["root_path"])

    objects = {name: kustomize.build(folder / "kubernetes/overlays" / name) for name in ("dev", "production")}
    objects["chart"] = helm.template(folder / "helm/portal")
    for version, (name, found) in itertools.product(schemas.newest_minors(), objects.items()):
        assert [problem for each in found for problem in schemas.problems(each, version)] == [], name
    for name in ("production", "chart"):
        assert linters.findings(linters.KUBE_LINTER, objects[name]) == []
        assert linters.findings(linters.KUBE_SCORE, objects[name]) == []


def test_a_schema_notices_a_mistake(write: Write) -> None:
    [deployment] = kustomize.select(production(write()), "Deployment")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 5

    for version in schemas.newest_minors():
        assert "terminationGracePeriod" in "".join(schemas.problems(deployment, version))


@pytest.mark.parametrize("metrics", ["none", "annotations", "pod-monitor"])
def test_kustomize_and_helm_make_the_same_objects(metrics: str, write: Write) -> None:
    table: dict[str, str | int] = {"redis": "operator", "affinity": "traefik", "metrics": metrics}
    table |= {"sessions_per_replica": 50, "sessions_metric": "fluxlit_sessions" if metrics != "none" else "own"}
    folder = write(table, root_path="/apps/portal")

    ours = {(each["kind"], each["metadata"]["name"]): each for each in production(folder)}
    chart = {(each["kind"], each["metadata"]["name"]): each for each in helm.template(folder / "helm/portal")}
    for found in (ours, chart):
        for each in found.values():
            each["metadata"].pop("namespace", None)
    [settings] = [key for key in ours if key[0] == "ConfigMap" and key[1] != "portal-redis"]
    assert ours.pop(settings)["data"] == chart.pop(("ConfigMap", "portal"))["data"]
    del ours["Namespace", "portal"]  # Helm leaves it to --create-namespace
    # Kustomize's second policy is a rule of the chart's only one.
    rule = ours.pop(("NetworkPolicy", "portal-to-redis"))["spec"]["egress"]
    ours["NetworkPolicy", "portal"]["spec"]["egress"] += rule
    pods = chart["Deployment", "portal"]["spec"]["template"]
    del pods["metadata"]["annotations"]["checksum/settings"]
    pods["metadata"] = {name: value for name, value in pods["metadata"].items() if value}
    ours["Deployment", "portal"]["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"] = (
        "portal"
    )

    assert ours == chart


def test_the_grace_period_follows_the_settings(write: Write) -> None:
    folder = write(
        {"pre_stop_s": 7},
        gateway_drain_delay_s=3.5,
        uvicorn_graceful_shutdown_timeout_s=45.0,
        api_shutdown_timeout_s=6.0,
    )

    [deployment] = kustomize.select(production(folder), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert pod["terminationGracePeriodSeconds"] == 72  # 7 + 3.5 + 45 + 6 + 10, rounded up
    [chart] = kustomize.select(
        helm.template(
            folder / "helm/portal",
            {"drain": {"preStopSeconds": 1, "delaySeconds": 2, "gracefulSeconds": 3, "apiSeconds": 4}},
        ),
        "Deployment",
    )
    assert chart["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 20


def test_a_changed_setting_rolls_out(write: Write) -> None:
    def reference(folder: Path) -> tuple[Any, Any]:
        [ours] = kustomize.select(production(folder), "Deployment")
        [chart] = kustomize.select(helm.template(folder / "helm/portal"), "Deployment")
        pods = chart["spec"]["template"]
        return ours["spec"]["template"]["spec"]["containers"][0]["envFrom"][0], pods["metadata"]["annotations"]

    before = reference(write())
    after = reference(write(uvicorn_graceful_shutdown_timeout_s=29.0))

    assert before[0] != after[0]
    assert before[1] != after[1]


def test_production_takes_its_secrets_from_the_secret_only(write: Write) -> None:
    folder = write({"redis": "operator"}, session_store="redis://cache:6379/0")

    [deployment] = kustomize.select(production(folder), "Deployment")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "portal"}} in container["envFrom"]
    texts = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "FLUXLIT_SECRET_KEY=" not in texts.replace("--from-literal=FLUXLIT_SECRET_KEY=", "")
    [dev] = kustomize.select(kustomize.build(folder / "kubernetes/overlays/dev"), "ConfigMap")
    assert dev["data"]["FLUXLIT_SESSION_STORE"] == "memory://"


@pytest.mark.parametrize("path_mode", ["full", "strip"])
def test_a_route_keeps_or_removes_the_prefix(path_mode: Any, write: Write) -> None:
    folder = write({"host": "apps.test"}, path_mode, root_path="/apps/portal")

    [route] = kustomize.select(production(folder), "HTTPRoute")
    last = route["spec"]["rules"][-1]
    assert last["matches"] == [{"path": {"type": "PathPrefix", "value": "/apps/portal"}}]
    kinds = [each["type"] for each in last["filters"]]
    assert kinds == ["RequestHeaderModifier", *(["URLRewrite"] if path_mode == "strip" else [])]
    assert {"Forwarded", "Remote-User"} < set(last["filters"][0]["requestHeaderModifier"]["remove"])
    [settings] = kustomize.select(production(folder), "ConfigMap")
    assert settings["data"]["FLUXLIT_PUBLIC_BASE_URL"] == "https://apps.test/apps/portal"


def test_only_the_application_reaches_redis_and_by_tls(write: Write) -> None:
    found = production(write({"redis": "operator"}))

    [policy] = kustomize.select(found, "NetworkPolicy", "portal-redis")
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "portal-redis"}}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy["spec"]
    [rule] = policy["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "portal"}}}]
    [redis] = kustomize.select(found, "Redis")
    assert redis["spec"]["TLS"]["secret"] == {"secretName": "portal-redis-tls"}
    [container] = kustomize.containers(found)
    [store] = [each["value"] for each in container["env"] if each["name"] == "FLUXLIT_SESSION_STORE"]
    assert store.startswith("rediss://")
    assert store.endswith("&ssl_ca_certs=/etc/redis-tls/ca.crt")
    assert {"name": "redis-tls", "mountPath": "/etc/redis-tls", "readOnly": True} in container["volumeMounts"]


def test_a_login_gets_its_secret_and_the_port_of_its_provider() -> None:
    issuer = {
        "oidc_issuer": "https://login.example.com:8443/realms/staff",
        "oidc_metadata_url": "http://keycloak.auth.svc:8080/realms/staff/.well-known/openid-configuration",
    }
    subject = replace(project({"egress_ports": [5432, 443]}, **issuer), login=True)

    files = {str(each.path): each.text for each in manifest_files(subject, Options())}

    assert "FLUXLIT_OIDC_CLIENT_SECRET" in files["kubernetes/README.md"]
    policy = yaml.safe_load(files["kubernetes/base/networkpolicy.yaml"])
    ports = [port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 443, 5432, 8080, 8443]
    assert "FLUXLIT_OIDC_CLIENT_SECRET" not in "".join(each.text for each in generated())


def test_trusted_proxies_are_what_the_table_names(write: Write) -> None:
    folder = write({"trusted_proxies": ["10.244.0.0/16", "fd00::/48"]})

    for found in (production(folder), helm.template(folder / "helm/portal")):
        [settings] = kustomize.select(found, "ConfigMap")
        assert settings["data"]["FLUXLIT_FORWARDED_ALLOW_IPS"] == "10.244.0.0/16,fd00::/48"


def test_metrics_are_for_prometheus_alone_and_off_by_default(write: Write) -> None:
    plain = production(write())
    assert [each for container in kustomize.containers(plain) for each in container["ports"][1:]] == []

    found = production(write({"metrics": "annotations", "metrics_port": 9200, "monitoring_namespace": "watch"}))
    [deployment], [settings] = kustomize.select(found, "Deployment"), kustomize.select(found, "ConfigMap")
    assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9200"
    assert settings["data"]["FLUXLIT_ADMIN_PORT"] == "9200"
    [policy] = kustomize.select(found, "NetworkPolicy", "portal")
    [edge, prometheus] = policy["spec"]["ingress"]
    assert [port["port"] for port in edge["ports"]] == ["http"]
    assert [port["port"] for port in prometheus["ports"]] == ["metrics"]
    assert "watch" in str(prometheus["from"])


def test_the_autoscaler_asks_for_a_metric_that_there_is(write: Write) -> None:
    found = production(write({"metrics": "pod-monitor", "sessions_per_replica": 50}))

    [autoscaler] = kustomize.select(found, "HorizontalPodAutoscaler")
    asked = [each["pods"]["metric"]["name"] for each in autoscaler["spec"]["metrics"] if each["type"] == "Pods"]
    assert [metric.name for metric in CATALOGUE if metric.name in asked] == asked == ["fluxlit_sessions"]


@pytest.mark.parametrize("workers", [1, 4, "auto"])
def test_resources_grow_with_the_workers(workers: Any, write: Write) -> None:
    [container] = kustomize.containers(production(write(streamlit_workers=workers)))

    processes = 3 if workers == "auto" else 1 + workers
    assert container["resources"]["limits"]["cpu"] == str(processes)
    assert container["resources"]["requests"]["cpu"] == f"{250 * processes}m"


def test_the_files_are_the_same_every_time() -> None:
    assert generated({"redis": "operator"}) == generated({"redis": "operator"})


def test_yamllint_is_content(write: Write) -> None:
    folder = write({"redis": "operator", "affinity": "envoy-gateway"}, "strip", root_path="/portal")
    rules = "{extends: default, rules: {document-start: disable, line-length: {max: 120}}}"

    command: list[str | Path] = [sys.executable, "-m", "yamllint", "--strict", "-d", rules, folder / "kubernetes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("table", "settings", "path_mode", "message"),
    [
        ({"grace_period_s": 30}, {}, None, r"grace_period_s = 30 is too short. 10 s preStop.* make 60 s"),
        ({"replicas": 1}, {}, None, "each roll-out and each drained node is an outage"),
        ({"replicas": 20}, {}, None, "max_replicas, 10, is below replicas, 20"),
        ({"replicas": True}, {}, None, "replicas must be a whole number"),
        ({"image": "portal"}, {}, None, "may be another image tomorrow"),
        ({"image": "Not An Image"}, {}, None, "is no image"),
        ({"host": "https://x.test/"}, {}, None, "is no host name: write it without scheme"),
        ({"gateway": "My Gateway"}, {}, None, "is no name in Kubernetes"),
        ({"rute": "ingress"}, {}, None, "unknown key rute; did you mean route"),
        ({"route": "nginx"}, {}, None, "route must be one of gateway, ingress, not 'nginx'"),
        ({"host": 5}, {}, None, "host must be a string"),
        ({"sessions_metric": "a b"}, {}, None, "no name of a metric"),
        ({"sessions_per_replica": 50}, {}, None, "fluxlit_sessions, which is not collected"),
        ({"metrics": "pod-monitor", "metrics_port": 8000}, {}, None, "is the application's own port"),
        ({"metrics": "service-monitor"}, {}, None, "metrics must be one of none, annotations, pod-monitor"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, {}, None, "trusted_proxies must be a list of networks"),
        ({"trusted_proxies": "10.0.0.0/8"}, {}, None, "trusted_proxies must be a list of networks"),
        ({"egress_ports": [0]}, {}, None, "egress_ports must be a list of ports"),
        ({"affinity": "haproxy"}, {}, None, 'set route = "ingress"'),
        ({"affinity": "envoy-gateway", "route": "ingress"}, {}, None, 'set route = "gateway"'),
        ({"redis": "none"}, {"session_store": "sqlite:///s.db"}, None, "2 replicas do not share"),
        ({}, {}, "strip", "needs a prefix, but root_path is empty"),
        ({}, {"root_path": "/p"}, "root", 'root_path is "/p"'),
        ({"route": "ingress"}, {"root_path": "/p"}, "strip", "not possible with a plain Ingress"),
    ],
)
def test_what_does_not_go_together_is_refused(
    table: dict[str, Any], settings: dict[str, Any], path_mode: Any, message: str
) -> None:
    with pytest.raises(DeployError, match=message):
        generated(table, path_mode, **settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": {"tag": "latest"}}, "latest"),
        ({"image": {"tag": "", "digest": ""}}, "must say which image"),
        ({"settings": {"FLUXLIT_SECRET_KEY": "x"}}, "FLUXLIT_SECRET_KEY"),
        ({"settings": {"FLUXLIT_GATEWAY_DRAIN_DELAY_S": "60"}}, "FLUXLIT_GATEWAY_DRAIN_DELAY_S"),
        ({"route": {"type": "nginx"}}, "nginx"),
        ({"autoscaling": {"minReplicas": 1}}, "minimum"),
        ({"replicaCount": 3}, "replicaCount"),
    ],
)
def test_the_chart_refuses_wrong_values(changes: dict[str, Any], message: str, write: Write) -> None:
    with pytest.raises(helm.ChartError, match=message):
        helm.template(write() / "helm/portal", changes)
