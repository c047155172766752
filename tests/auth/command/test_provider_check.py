"""The doctor's check of a provider: constants, scopes, credentials."""

import tomllib
from dataclasses import replace
from importlib import import_module
from typing import Any

import httpx
import pytest

from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from fluxlit_auth.command.provider_check import check
from fluxlit_auth.login.presets import PRESETS
from tests.auth.browser import context
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider
from tests.auth.providers import CLIENT, SCRIPTS, SECRET, Provider
from tests.support.processes import ROOT


class Subject:
    """What the doctor passes."""

    def __init__(self, transport: httpx.AsyncBaseTransport, **settings: Any) -> None:
        self._oidc = OIDC(transport=transport)
        known = {"oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        self._oidc.bind(context(Settings(**(known | settings))))

    def authenticators(self) -> list[object]:
        return [self._oidc, object()]


def github(**changed: str) -> Provider:
    preset, script = PRESETS["github"], SCRIPTS["github"]
    live = {name: script.metadata[name] for name in ("issuer", "authorization_endpoint", "token_endpoint")} | changed
    return Provider(replace(script, more={**script.more, preset.metadata_url: live}), ended=True)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_provider_is_as_this_version_knows_it(preset: str) -> None:
    provider = github() if preset == "github" else Provider(SCRIPTS[preset], ended=True)
    found = check(Subject(provider.transport, **provider.script.settings, oidc_preset=preset))
    assert found == ("pass", f"{provider.script.metadata['issuer']} accepts the client's credentials", "")


def test_a_provider_that_has_changed_is_reported_with_the_source_of_what_is_known() -> None:
    provider = github(token_endpoint="https://github.com/elsewhere")
    found = check(Subject(provider.transport, oidc_preset="github"))
    assert found is not None
    assert found[0] == "warn"
    assert "token_endpoint 'https://github.com/elsewhere'" in found[1]
    assert PRESETS["github"].source in found[1]
    assert PRESETS["github"].checked in found[1]


@pytest.mark.parametrize(
    ("preset", "changes", "detail"),
    [
        ("okta", {"scopes_supported": ["openid", "profile", "email", "offline_access"]}, "offer the scope groups"),
        ("keycloak", {"require_pushed_authorization_requests": True}, "requires pushed"),
    ],
)
def test_settings_that_the_metadata_contradict(preset: str, changes: dict[str, Any], detail: str) -> None:
    script = SCRIPTS[preset]
    provider = Provider(replace(script, metadata={**script.metadata, **changes}), ended=True)
    found = check(Subject(provider.transport, **script.settings, oidc_preset=preset, oidc_pushed_requests="off"))
    assert found is not None
    assert detail in found[1]


def test_a_well_known_provider_without_its_preset() -> None:
    script = SCRIPTS["cognito"]
    found = check(Subject(Provider(script, ended=True).transport, **script.settings))
    assert found is not None
    assert (found[0], "oidc_preset to cognito" in found[2]) == ("warn", True)


@pytest.mark.parametrize("host", SCRIPTS)
def test_every_provider_with_addresses_of_its_own_is_recognised(host: str) -> None:
    script = SCRIPTS[host]
    found = check(Subject(Provider(script, ended=True).transport, oidc_issuer=script.metadata["issuer"]))
    assert found is not None
    assert (f"oidc_preset to {host}" in found[2]) == bool(PRESETS[host].hosts)


def test_a_secret_that_has_expired(clock: Clock) -> None:
    hostile = HostileProvider(clock=clock)
    found = check(Subject(httpx.ASGITransport(app=hostile), oidc_issuer=hostile.issuer))
    assert found is not None
    assert (found[0], "refuses the client's credentials (invalid_client)" in found[1]) == ("fail", True)


def test_a_provider_that_is_away_is_reported_by_another_check(clock: Clock) -> None:
    hostile = HostileProvider(clock=clock)
    hostile.failing["openid-configuration"] = 500
    assert check(Subject(httpx.ASGITransport(app=hostile), oidc_issuer=hostile.issuer)) is None


def test_the_doctor_finds_it() -> None:
    project = tomllib.loads((ROOT / "packages" / "fluxlit-auth" / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["entry-points"]["fluxlit.checks"]["provider"].partition(":")
    assert getattr(import_module(module), name) is check
