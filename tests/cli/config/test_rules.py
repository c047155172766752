"""Dangerous combinations: each is found; a good production has none."""

import re
from typing import Any

import pytest

from fluxlit.settings import resolve
from fluxlit_cli.config import rules
from fluxlit_cli.finding import Finding, Status
from tests.support.processes import ROOT

KEY = "9t3wYx0Jd5m2Qe8vKc7zLb1nUa4sGf6h"
PRODUCTION = {
    "gateway_host": "0.0.0.0",
    "public_base_url": "https://portal.example.com",
    "trust_proxy": True,
    "forwarded_allow_ips": ["10.0.0.0/8"],
    "gateway_max_proxy_request_body_bytes": 1000,
    "session_store": "rediss://cache.example.com",
    "secret_key": KEY,
    "hsts_max_age_s": 3600,
}

# id -> what changes in a sensible production, in the environment.
CASES: dict[str, dict[str, str]] = {
    "trust-everyone": {"FORWARDED_ALLOW_IPS": "*"},
    "allow-list-unused": {"TRUST_PROXY": "no", "FORWARDED_ALLOW_IPS": "10.0.0.1"},
    "trust-wide-network": {"FORWARDED_ALLOW_IPS": "8.0.0.0/8"},
    "public-url-missing": {"PUBLIC_BASE_URL": "-", "HSTS_MAX_AGE_S": "0"},
    "mount-without-public-url": {
        "PUBLIC_BASE_URL": "-",
        "ROOT_PATH": "/x",
        "GATEWAY_HOST": "127.0.0.1",
        "HSTS_MAX_AGE_S": "0",
    },
    "login-over-http": {"PUBLIC_BASE_URL": "http://portal.example.com", "HSTS_MAX_AGE_S": "0"},
    "public-http": {"PUBLIC_BASE_URL": "http://portal.example.com", "HSTS_MAX_AGE_S": "0"},
    "weak-secret-key": {"SECRET_KEY": "please-changeme-9t3wYx0Jd5m2Qe8v"},
    "secret-in-code": {},
    "secret-in-project-file": {},
    "secret-on-command-line": {},
    "sessions-unencrypted": {"SECRET_KEY": "-"},
    "redis-without-tls": {"SESSION_STORE": "redis://cache.example.com"},
    "security-headers-off": {"ENABLE_SECURITY_HEADERS": "no"},
    "framed-login": {"FRAME_OPTIONS": "-"},
    "hsts-never-sent": {"PUBLIC_BASE_URL": "http://localhost:1", "GATEWAY_HOST": "localhost"},
    "insecure-origin": {"ALLOWED_ORIGINS": "http://other.example.com"},
    "cors-credentials-unused": {"CORS_ALLOW_CREDENTIALS": "1"},
    "streamlit-routes-open": {"STREAMLIT_OPEN_ROUTES": "metrics"},
    "no-body-limit": {"GATEWAY_MAX_PROXY_REQUEST_BODY_BYTES": "0"},
    "short-read-timeout": {"GATEWAY_UPSTREAM_READ_TIMEOUT_S": "2"},
    "no-grace": {"UVICORN_GRACEFUL_SHUTDOWN_TIMEOUT_S": "0"},
    "unsupported-multiworker": {"ALLOW_UNIFIED_UVICORN_MULTIWORKER": "1"},
}
LOGIN = {"login-over-http", "framed-login"}


def found(tmp_path: Any, identifier: str = "", **changed: str) -> list[Finding]:
    """Resolve a production with some variables changed, "-" removed."""
    base = {f"FLUXLIT_{name.upper()}": _text(value) for name, value in PRODUCTION.items()}
    environ = base | {f"FLUXLIT_{name}": value for name, value in changed.items()}
    environ = {name: value for name, value in environ.items() if value != "-"}
    arguments: dict[str, Any] = {"frame_options": ""} if identifier == "framed-login" else {}
    flags: dict[str, Any] = {}
    if identifier.startswith("secret-"):
        del environ["FLUXLIT_SECRET_KEY"]
        match identifier:
            case "secret-in-code":
                arguments["secret_key"] = KEY
            case "secret-on-command-line":
                flags["secret_key"] = KEY
            case _:
                (tmp_path / "fluxlit.toml").write_text(f'secret_key = "{KEY}"')
    resolved = resolve(environ=environ, arguments=arguments, flags=flags, directory=tmp_path)
    return rules.check(resolved.settings, resolved.sources, login=identifier in LOGIN)


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def test_a_sensible_production_has_none(tmp_path: Any) -> None:
    assert found(tmp_path) == []


def test_the_defaults_have_none(tmp_path: Any) -> None:
    resolved = resolve(environ={}, directory=tmp_path)
    assert rules.check(resolved.settings, resolved.sources) == []


@pytest.mark.parametrize("identifier", CASES)
def test_each_is_found_alone(identifier: str, tmp_path: Any) -> None:
    there = found(tmp_path, identifier, **CASES[identifier])
    assert [finding.id for finding in there] == [identifier]
    [finding] = there
    assert finding.detail[-1] in ".)"
    assert finding.remedy.strip()
    assert KEY not in finding.detail + finding.remedy


@pytest.mark.parametrize("password", [KEY, f"/{KEY}", f"#{KEY}", f"?{KEY}", f"[{KEY}", f"[a]{KEY}", f"@{KEY}"])
def test_a_password_in_the_address_of_a_store_is_a_secret_too(password: str, tmp_path: Any) -> None:
    (tmp_path / "fluxlit.toml").write_text(f'session_store = "rediss://u:{password}@cache.example.com"')
    [finding] = found(tmp_path, SESSION_STORE="-")
    assert finding.id == "secret-in-project-file"
    assert KEY not in finding.detail


@pytest.mark.parametrize("password", ["Xk3/9f", "p#ss", "p?ss", "p@ss", "[abc]x", "a]b"])
def test_an_unencoded_password_is_found_whatever_is_in_it(password: str, tmp_path: Any) -> None:
    (tmp_path / "fluxlit.toml").write_text(f'session_store = "redis://u:{password}@[::1]:6379/0"')
    [finding] = found(tmp_path, SESSION_STORE="-")
    assert finding.id == "secret-in-project-file"
    assert password not in finding.detail


@pytest.mark.parametrize(
    ("store", "remedy"),
    [
        ("redis://u:localhost/x@cache.example.com", "rediss://"),
        ("redis+sentinel://localhost,s2.example.com:26379/main", "rediss://"),
        ("valkey://cache.example.com", "valkeys://"),
        ("valkey+cluster://[2001:db8::1]:6379", "valkeys://"),
    ],
)
def test_a_store_without_tls_is_found_by_its_host(store: str, remedy: str, tmp_path: Any) -> None:
    [finding] = found(tmp_path, SESSION_STORE=store)
    assert finding.id == "redis-without-tls"
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    "store",
    [
        "redis://u:p/ss@localhost/0",
        "redis://:[abc]@127.0.0.1:6379",
        "valkey://[::1]:6379",
        "valkeys://cache.example.com",
        "unix:///run/redis.sock",
    ],
)
def test_a_store_near_or_with_tls_has_none(store: str, tmp_path: Any) -> None:
    assert found(tmp_path, SESSION_STORE=store) == []


@pytest.mark.parametrize("setting", ["oidc_client_secret", "tls_key_password"])
def test_every_secret_is_looked_for_in_the_project_file(setting: str, tmp_path: Any) -> None:
    text = f'tls_certificate = "c.pem"\ntls_key = "k.pem"\n{setting} = "{KEY}"\n'
    (tmp_path / "fluxlit.toml").write_text(text)

    [finding] = found(tmp_path)

    assert (finding.id, finding.settings) == ("secret-in-project-file", (setting,))
    assert "fluxlit.toml:3" in finding.detail
    assert KEY not in finding.detail


def test_believing_those_who_connect_to_a_unix_socket_is_none(tmp_path: Any) -> None:
    assert found(tmp_path, GATEWAY_UDS="portal.sock", FORWARDED_ALLOW_IPS="unix") == []


def test_errors_come_first(tmp_path: Any) -> None:
    statuses = [finding.status for finding in found(tmp_path, FORWARDED_ALLOW_IPS="*", SECRET_KEY="-")]
    assert statuses == [Status.FAIL, Status.WARN]


def test_the_documentation_lists_them_all() -> None:
    page = (ROOT / "docs" / "how-to" / "configure.md").read_text(encoding="utf-8")
    source = (ROOT / "packages/fluxlit-cli/src/fluxlit_cli/config/rules.py").read_text(encoding="utf-8")
    ids = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', source)) & (set(re.findall(r"`([a-z-]+)`", page)) | set(CASES))
    assert ids == set(CASES)
    assert set(CASES) - set(re.findall(r"`([a-z-]+)`", page)) == set()
