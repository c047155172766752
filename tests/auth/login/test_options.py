"""Options of a login: contradictions are refused at once."""

from typing import Any

import httpx
import pytest

from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from fluxlit_auth.errors import AuthConfigError
from tests.auth.browser import context, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"oidc_issuer": ""}, "FLUXLIT_OIDC_ISSUER"),
        ({"oidc_client_id": ""}, "FLUXLIT_OIDC_CLIENT_ID"),
        ({"oidc_client_secret": ""}, "FLUXLIT_OIDC_CLIENT_SECRET"),
        ({"oidc_issuer": "http://login.example.com"}, "https"),
        ({"oidc_algorithms": ("HS256",)}, "HS256"),
        ({"oidc_algorithms": ("none",)}, "none"),
        ({"oidc_client_key_file": "/does/not/exist"}, "cannot be read"),
        ({"login_idle_timeout_s": 90.0, "login_absolute_timeout_s": 60.0}, "login_idle_timeout_s"),
        ({"session_store": "nosuch://host"}, "no session store for this URL"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    hostile: HostileProvider, clock: Clock, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AuthConfigError, match=message):
        replica(hostile, clock, **changes)


def test_arguments_in_code_are_weaker_than_settings(hostile: HostileProvider) -> None:
    transport = httpx.ASGITransport(app=hostile)
    oidc = OIDC(issuer="https://code.test", client_id="code", client_secret="code", transport=transport)
    oidc.bind(context(Settings(oidc_client_id="settings")))
    with pytest.raises(AuthConfigError, match="code_challenge"):
        OIDC(
            issuer="https://code.test", client_id="a", client_secret="b", authorization_params={"code_challenge": "x"}
        ).bind(context(Settings()))
