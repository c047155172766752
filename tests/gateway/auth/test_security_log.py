"""Refusals as events of the log."""

import logging

import pytest

from fluxlit.auth.contract import User
from fluxlit.auth.security_log import NO_CREDENTIALS, NO_ROLE, log_refusal
from tests.gateway.gateway.asking import scope_of

ADA = User(subject="ada", issuer="https://issuer.example", session="handle-of-the-session")


def test_an_event_names_user_address_and_request(caplog: pytest.LogCaptureFixture) -> None:
    scope = scope_of("/_stcore/upload_file/secret-id/1?token=secret")
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        log_refusal(403, NO_ROLE, ADA, scope)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "Access denied (403): the user lacks the role; user 'ada'"
    wanted = {"user": "ada", "issuer": ADA.issuer, "client": "203.0.113.9", "method": "GET", "status": 403}
    assert wanted.items() <= vars(record).items()
    assert not any(secret in str(vars(record)) for secret in ("secret-id", "token", "handle-of-the-session"))


def test_a_request_without_credentials_is_information(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        log_refusal(401, NO_CREDENTIALS, None)
    assert [record.levelname for record in caplog.records] == ["INFO"]
