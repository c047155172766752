"""Each configuration on the page about providers makes a valid login."""

import tomllib

import pytest

from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from fluxlit_auth.login.presets import PRESETS
from tests.auth.browser import context
from tests.docs.markdown import Block, blocks
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "how-to" / "login-providers.md").read_text(encoding="utf-8")
FILES = [block for block in blocks(PAGE) if block.language == "toml"]


@pytest.mark.parametrize("block", FILES, ids=lambda block: block.attributes["title"].partition("/")[0])
def test_the_file_is_enough_for_a_login(block: Block) -> None:
    written = tomllib.loads(block.source)
    assert written["oidc_preset"] == block.attributes["title"].partition("/")[0]
    oidc = OIDC.from_settings()
    oidc.bind(context(Settings(**written, oidc_client_secret="a secret of the client that is long enough")))
    preset = PRESETS[written["oidc_preset"]]
    assert oidc.issuer == (None if preset.known else written.get("oidc_issuer", preset.issuer))


def test_every_preset_has_a_section() -> None:
    assert {block.attributes["title"].partition("/")[0] for block in FILES} == set(PRESETS)
