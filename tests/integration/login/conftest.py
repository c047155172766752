"""A certified provider, and an application that logs its users in there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fluxlit.testing import Server
from tests.integration.login.certified import Certified, run_certified
from tests.integration.login.portal import run_portal


@pytest.fixture(scope="session")
def provider() -> Iterator[Certified]:
    with run_certified() as certified:
        yield certified


@pytest.fixture(scope="module")
def portal(provider: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_portal(provider, tmp_path_factory.mktemp("portal")) as server:
        yield server
