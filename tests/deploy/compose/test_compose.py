"""Generated Compose files are valid, restricted and without secrets."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.compose.plan import IMAGES
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.options import EDGES, PATH_MODES, Edge, PathMode
from tests.deploy.compose.reader import SECRETS, ComposeError, generated, load, problems

MATRIX = list(itertools.product(EDGES, PATH_MODES, (False, True)))
TLS = BuildTable(edge={"tls": True, "certificate": "certs/edge.crt", "key": "/srv/edge.key"})


def compose(edge: Edge | None = None, mode: PathMode = "root", *profiles: str, **more: Any) -> dict[str, Any]:
    """A Compose file, read."""
    root_path = "" if mode == "root" else "/apps/portal"
    return load(generated(edge, mode, root_path=root_path, **more)["compose.yaml"], SECRETS, *profiles)


@pytest.mark.parametrize(("edge", "mode", "tls"), MATRIX)
def test_it_is_valid_and_every_container_is_restricted(edge: Edge, mode: PathMode, tls: bool) -> None:
    found = compose(edge, mode, "replicas", build=TLS if tls else None)

    assert set(found["services"]) == {"app", "app-2", "edge", "redis"}
    for name, each in found["services"].items():
        assert each["read_only"] is True, name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert each["cap_drop"] == ["ALL"], name
        assert each.get("cap_add", []) == (["NET_BIND_SERVICE"] if edge == "caddy" and name == "edge" else [])
        assert each["restart"] == "unless-stopped", name
        assert each["logging"]["options"]["max-size"] == "10m", name
        assert each["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert set(each["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name
        # The image of FluxLit has a user of its own; the others get one here.
        assert "user" in each or name.startswith("app"), name
        assert each["image"].partition(":")[2] not in {"", "latest"}, name


@pytest.mark.parametrize("edge", EDGES)
def test_only_the_edge_can_be_reached(edge: Edge) -> None:
    found = compose(edge)

    assert [name for name, each in found["services"].items() if "ports" in each] == ["edge"]
    assert {name: each["networks"] for name, each in found["services"].items()} == {
        "app": ["edge", "store"],
        "edge": {"edge": {"ipv4_address": "172.30.85.254"}},
        "redis": ["store"],
    }
    assert found["networks"]["store"] == {"internal": True}
    [network] = found["networks"]["edge"]["ipam"]["config"]
    trusted = found["services"]["app"]["environment"]["FLUXLIT_FORWARDED_ALLOW_IPS"]
    assert trusted == found["services"]["edge"]["networks"]["edge"]["ipv4_address"]
    assert IPv4Address(trusted) in IPv4Network(network["subnet"])


@pytest.mark.parametrize("edge", EDGES)
def test_every_file_that_the_edge_sees_is_written(edge: Edge) -> None:
    files = generated(edge)
    mounted = load(files["compose.yaml"], SECRETS)["services"]["edge"]["volumes"]

    assert {each.split(":")[0].removeprefix("./") for each in mounted} == set(files) - {"compose.yaml"}
    assert {each.split(":")[1] for each in mounted} == set(IMAGES[edge].files.values())
    assert all(each.endswith(":ro") for each in mounted)


def test_it_starts_in_order() -> None:
    services = compose("nginx", "root", "replicas")["services"]

    healthy = {"condition": "service_healthy"}
    assert services["edge"]["depends_on"] == {"app": healthy, "app-2": healthy | {"required": False}}
    assert services["app"]["depends_on"] == services["app-2"]["depends_on"] == {"redis": healthy}


def test_the_second_replica_comes_by_its_profile() -> None:
    alone, both = compose()["services"], compose(None, "root", "replicas")["services"]

    assert "app-2" not in alone
    assert both["app-2"] == both["app"] | {"profiles": ["replicas"]}


def test_redis_keeps_what_it_has_acknowledged() -> None:
    redis = compose()["services"]["redis"]

    assert "--appendonly yes --appendfsync always" in redis["command"][-1]
    assert "--maxmemory-policy noeviction" in redis["command"][-1]
    assert redis["volumes"] == ["sessions:/data"]


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_a_missing_secret_stops_compose(missing: str) -> None:
    text = generated()["compose.yaml"]

    with pytest.raises(ComposeError, match=f"required variable {missing} is missing a value: Put it into .env"):
        load(text, {name: value for name, value in SECRETS.items() if name != missing})
    assert not any(value in text for value in SECRETS.values())


def test_the_times_follow_the_settings() -> None:
    app = compose(gateway_drain_delay_s=5.0, uvicorn_graceful_shutdown_timeout_s=60.0, streamlit_start_timeout_s=100.0)

    assert app["services"]["app"]["stop_grace_period"] == "85s"
    assert app["services"]["app"]["healthcheck"]["start_period"] == "130s"


def test_the_size_follows_the_workers() -> None:
    limits = compose(streamlit_workers=4)["services"]["app"]["deploy"]["resources"]["limits"]

    assert (limits["cpus"], limits["memory"]) == ("5", f"{2 * (192 + 4 * 320)}M")


def test_certificates_of_the_machine_reach_the_edge() -> None:
    nginx = generated("nginx", build=TLS)
    volumes = load(nginx["compose.yaml"], SECRETS)["services"]["edge"]["volumes"]
    haproxy = generated("haproxy", build=BuildTable(edge={"tls": True, "certificate": "/srv/both.pem"}))

    assert volumes[-2:] == ["./certs/edge.crt:/certificates/edge.crt:ro", "/srv/edge.key:/certificates/edge.key:ro"]
    assert "ssl_certificate     /certificates/edge.crt;" in nginx["edge/compose/nginx/site.conf"]
    assert '"${EDGE_PORT:-8443}:8443"' in nginx["compose.yaml"]
    assert "/srv/both.pem:/certificates/edge.pem:ro" in haproxy["compose.yaml"]
    assert "crt /certificates/edge.pem" in haproxy["edge/compose/haproxy/haproxy.cfg"]
    assert "edge.key" not in haproxy["compose.yaml"]


def test_caddy_keeps_the_certificates_that_it_gets() -> None:
    files = generated("caddy", build=BuildTable(edge={"tls": True, "host": "portal.example.com"}))
    found = load(files["compose.yaml"], SECRETS)

    assert found["services"]["edge"]["ports"] == ["80:80", "443:443", "443:443/udp"]
    assert "certificates:/data" in found["services"]["edge"]["volumes"]
    assert "certificates" in found["volumes"]
    assert not any(each.startswith("/data") for each in found["services"]["edge"]["tmpfs"])


def test_a_private_index_gets_its_credentials_while_building() -> None:
    build = BuildTable(index_url="https://packages.example.com/simple")
    found = load(generated(build=build)["compose.yaml"], SECRETS | {"NETRC": "/home/ada/.netrc"})

    assert found["services"]["app"]["build"]["secrets"] == ["netrc"]
    assert found["secrets"] == {"netrc": {"file": "/home/ada/.netrc"}}


def test_a_finished_image_is_not_built() -> None:
    app = compose(build=BuildTable(compose={"image": "registry.example.com/portal:1.4.2"}))["services"]["app"]

    assert app["image"] == "registry.example.com/portal:1.4.2"
    assert "build" not in app


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"prt": 1}, "unknown key prt; did you mean port?"),
        ({"port": 0}, "port must be a port from 1 to 65535, not 0"),
        ({"port": True}, "port must be a port"),
        ({"image": "registry.example.com/portal"}, "may be another image tomorrow"),
        ({"image": 5}, "image must be a string, not 5"),
        ({"subnet": "172.30.85.0/30"}, "no IPv4 network of /29 or larger"),
        ({"subnet": "172.30.85.9/24"}, "no IPv4 network"),
        ({"subnet": "fd00::/64"}, "no IPv4 network"),
    ],
)
def test_what_does_not_fit_is_refused(table: dict[str, Any], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        generated(build=BuildTable(compose=table))


@pytest.mark.parametrize(
    ("mode", "root_path", "message"),
    [
        ("full", "", "needs a prefix, but root_path is empty"),
        ("strip", "", "needs a prefix"),
        ("root", "/p", 'is "/p"'),
    ],
)
def test_a_path_mode_that_does_not_fit_is_refused(mode: PathMode, root_path: str, message: str) -> None:
    with pytest.raises(DeployError, match=message):
        generated("traefik", mode, root_path=root_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("services", "app", "read_onyl"), True, "read_onyl"),
        (("services", "app", "healthcheck", "interval"), 5, "services/app/healthcheck/interval"),
        (("services", "edge", "depends_on", "ap"), {"condition": "service_healthy"}, "edge: no service ap"),
        (("services", "redis", "networks"), ["sotre"], "redis: no network sotre"),
        (("services", "redis", "volumes"), ["session:/data"], "redis: no volume session"),
    ],
)
def test_the_schema_notices_a_mistake(path: tuple[str, ...], value: object, message: str) -> None:
    found = compose()
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    assert message in "".join(problems(found))
