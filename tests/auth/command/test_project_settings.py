"""The settings of a project, as the command reads them."""

from pathlib import Path

import pytest

from fluxlit_auth.command.project_settings import read_project_settings
from fluxlit_auth.errors import AuthConfigError


def test_settings_that_are_wrong_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLUXLIT_GATEWAY_PORT", "many")
    with pytest.raises(AuthConfigError, match=r"FLUXLIT_GATEWAY_PORT.*many"):
        read_project_settings(None, None)
