"""The check `provider` of `fluxlit doctor`.

What is known here, of a preset or by settings, is compared with the metadata that the provider publishes now, and the
client's credentials are tried. FluxLit's command finds this by the entry-point group ``fluxlit.checks``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fluxlit_auth.errors import AuthConfigError, ClientRefused, GrantRefused, ProviderUnavailable
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.oidc import OIDC
from fluxlit_auth.login.presets import PRESETS
from fluxlit_auth.metadata import Metadata

Examined = tuple[str, str, str]
"""Status, detail and remedy."""

CREDENTIALS = frozenset({"invalid_client", "incorrect_client_credentials"})
"""Error codes about credentials. The others are about the request that tries them."""

# What the metadata of a provider with constants state; they are incomplete, or there were no constants.
COMPARED = ("issuer", "authorization_endpoint", "token_endpoint")


def check(subject: Any) -> Examined | None:
    """The provider accepts the client, and is as this version knows it."""
    logins = [each for each in subject.authenticators() if isinstance(each, OIDC)]
    found = [result for login in logins for result in asyncio.run(_examine(login))]
    worst = sorted(found, key=lambda each: ("fail", "warn", "pass").index(each[0]))
    return worst[0] if worst else None


async def _examine(login: OIDC) -> list[Examined]:
    try:
        return [result async for result in _results(login.context)]
    finally:
        await login.context.http.close()


async def _results(context: LoginContext) -> AsyncIterator[Examined]:
    options = context.options
    if (meant := _meant(options.issuer)) and options.preset is not PRESETS[meant]:
        detail = f"{options.issuer} is a provider that FluxLit has defaults for."
        yield "warn", detail, f"Set oidc_preset to {meant}, or compare docs/how-to/login-providers.md."
    try:
        metadata = await context.provider.metadata()
    except ProviderUnavailable:
        return  # the check `identity-provider` reports it
    async for result in _differences(context, metadata):
        yield result
    try:
        yield await _credentials(context, metadata)
    except (ProviderUnavailable, AuthConfigError) as error:
        yield "fail", f"{error}.", "Correct the setting, or allow the connection."


async def _differences(context: LoginContext, metadata: Metadata) -> AsyncIterator[Examined]:
    options = context.options
    if options.preset.metadata_url:
        for name, value in (await _changed(context, metadata)).items():
            detail = f"{options.issuer} has the {name} {value!r}; this version knows {getattr(metadata, name)!r}, of "
            remedy = "Upgrade fluxlit-auth; if there is no newer release, report this."
            yield "warn", f"{detail}{options.preset.source} on {options.preset.checked}.", remedy
    if metadata.scopes and (unknown := sorted(set(options.scopes) - metadata.scopes)):
        detail = f"{options.issuer} does not offer the scope {', '.join(unknown)}."
        yield "warn", detail, "Create it at the provider, or set oidc_scopes."
    if options.client_auth != "auto" and metadata.auth_methods and options.client_auth not in metadata.auth_methods:
        detail = f"{options.issuer} offers {', '.join(sorted(metadata.auth_methods))}, not {options.client_auth}."
        yield "warn", detail, "Set oidc_client_auth to auto, unless users can sign in."
    if options.pushed_requests == "off" and metadata.par_required:
        detail = f"{options.issuer} requires pushed authorization requests, and oidc_pushed_requests is off."
        yield "fail", detail, "Set oidc_pushed_requests to auto."


async def _changed(context: LoginContext, known: Metadata) -> Mapping[str, object]:
    """Return what the metadata of a provider with constants state now."""
    url, found = context.options.preset.metadata_url, dict[str, object]()
    try:
        document = await context.http.document(url, f"the metadata of {known.issuer}")
    except ProviderUnavailable:
        return found
    for name in COMPARED:
        if (value := document.get(name, getattr(known, name))) != getattr(known, name):
            found[name] = value
    return found


async def _credentials(context: LoginContext, metadata: Metadata) -> Examined:
    """Try the credentials with a refresh token that cannot exist."""
    issuer = context.options.issuer
    remedy = "Correct oidc_client_id and its secret or key, or oidc_client_auth. Secrets expire at many providers."
    try:
        await context.client.refresh(metadata, f"fluxlit-doctor-{secrets.token_urlsafe(16)}")
    except ClientRefused as refused:
        if refused.code in CREDENTIALS:
            return "fail", f"{issuer} refuses the client's credentials ({refused.code}).", remedy
    except GrantRefused:
        return "pass", f"{issuer} accepts the client's credentials", ""
    return "pass", f"{issuer} does not refuse the client's credentials", ""


def _meant(issuer: str) -> str:
    """Return the preset of a well-known provider, empty for any other."""
    host = issuer.partition("://")[2].partition("/")[0]
    return next((name for name, preset in PRESETS.items() if preset.hosts and re.fullmatch(preset.hosts, host)), "")
