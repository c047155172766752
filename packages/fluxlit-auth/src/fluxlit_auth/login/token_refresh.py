"""Token refresh: once for each session, on however many replicas.

A rotating refresh token may be used once: if two replicas used the same one, the provider would take it for stolen
and end the login. So the replica that refreshes first marks the session by a versioned write that only one can win.
The others serve the old token while it is valid, and wait for the new one after that.

New tokens are stored before they are used. A refresh continues when the client that caused it disconnects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from fluxlit_auth.errors import AuthConfigError, ClientRefused, GrantRefused, ProviderUnavailable, TokenRefused
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.login_session import CHANGED, ENDED, SHORT_HANDLE, Changed, Ended, Login, LoginSession
from fluxlit_auth.login.oauth_client import Tokens
from fluxlit_auth.login.user_claims import login_of, userinfo_claims, verified_claims
from fluxlit_auth.metadata import Metadata
from fluxlit_sessions import SessionStoreUnavailable

logger = logging.getLogger("fluxlit_auth")

AHEAD_S = 60.0
"""A token that expires within this time is refreshed by the next request."""

TURN_S = 30.0
"""Time that a replica has for one refresh; longer than the token endpoint may take to respond."""

PAUSE_S = 15.0
"""Time after a failed refresh during which the provider is not asked again for the same session."""

POLL_S = 0.1
WRITES = 5

LOGIN_FACTS = ("sid", "auth_time", "acr", "amr")
"""Claims about the login and not about the user; a refreshed ID token may omit them (section 12.2)."""


async def refresh(context: LoginContext, session: LoginSession) -> LoginSession | Ended:
    """Return the session with a valid token, refreshed if it expires soon.

    Raises:
        ProviderUnavailable: the token has expired and cannot be refreshed at the moment.
        SessionStoreUnavailable: the store does not respond.
    """
    now = context.clock()
    if not _is_due(session.login, now):
        return session
    if session.turn_ends > now:
        return await _without_turn(context, session)
    claimed = await context.sessions.write(session, session.login, turn_ends=now + TURN_S)
    if claimed is ENDED:
        return ENDED
    if claimed is not CHANGED:
        # Shielded: a client that disconnects must not cancel a refresh that has used up the refresh token.
        task = asyncio.create_task(_with_turn(context, claimed))
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)
    newer = await context.sessions.read(session.ticket, touch=False)
    if newer is ENDED or not _is_due(newer.login, now):
        return newer
    return await _without_turn(context, newer)


def _is_due(login: Login, now: float) -> bool:
    expiring = login.token_ends is not None and login.token_ends - now < AHEAD_S
    return login.refresh_token is not None and (expiring or login.claims_stale)


def _is_valid(login: Login, now: float) -> bool:
    return login.token_ends is None or now < login.token_ends


def _retrieve(task: asyncio.Task[LoginSession | Ended]) -> None:
    """Mark the exception as retrieved when the client has gone."""
    if not task.cancelled():
        task.exception()


async def _without_turn(context: LoginContext, session: LoginSession) -> LoginSession | Ended:
    """Serve the old token while it is valid, then wait for the other."""
    if _is_valid(session.login, context.clock()):
        return session
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TURN_S
    while loop.time() < deadline:
        await asyncio.sleep(POLL_S)
        newer = await context.sessions.read(session.ticket, touch=False)
        if newer is ENDED or _is_valid(newer.login, context.clock()):
            return newer
        if newer.turn_ends - context.clock() <= PAUSE_S:
            break  # the other replica has given up
    raise ProviderUnavailable("the tokens have expired and another replica could not refresh them")


async def _with_turn(context: LoginContext, session: LoginSession) -> LoginSession | Ended:
    try:
        renewed = await _refreshed_login(context, session.login)
    except (GrantRefused, TokenRefused) as refused:
        logger.info("Token refresh refused: session=%s reason=%s", session.handle[:SHORT_HANDLE], refused)
        await context.sessions.end_now([session.handle], "token refresh refused")
        return ENDED
    except (ProviderUnavailable, AuthConfigError, ClientRefused) as error:
        # Our own misconfiguration affects every login, an outage passes; neither is the user's fault.
        level = logging.WARNING if isinstance(error, ProviderUnavailable) else logging.ERROR
        logger.log(level, "Token refresh failed: session=%s reason=%s", session.handle[:SHORT_HANDLE], error)
        return await _postpone(context, session, error)
    return await _store(context, session, renewed)


async def _refreshed_login(context: LoginContext, login: Login) -> Login:
    assert login.refresh_token is not None
    metadata = await context.provider.metadata()
    tokens = await context.client.refresh(metadata, login.refresh_token)
    stale = False
    try:
        id_claims, userinfo = await _refreshed_claims(context, metadata, tokens, login)
    except ProviderUnavailable as error:
        # The refresh token is used up, so the new tokens must not be lost. The claims are fetched again soon.
        logger.warning("Claims could not be fetched after a token refresh: %s", error)
        stale, id_claims, userinfo = True, login.id_claims, login.userinfo
    renewed = login_of(context, id_claims, userinfo, tokens)
    if renewed.subject != login.subject:
        raise TokenRefused("sub", "the refreshed claims describe another user")
    return replace(
        renewed,
        claims_stale=stale,
        id_token=tokens.id_token or login.id_token,
        refresh_token=tokens.refresh_token or login.refresh_token,
    )


async def _refreshed_claims(
    context: LoginContext, metadata: Metadata, tokens: Tokens, login: Login
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the claims of ID token and UserInfo as they are now.

    Each replaces the former claims as a whole: a role that is absent has been taken away. What remains are the facts of
    the login itself, and `LoginOptions.kept_claims`.
    """
    kept = context.options.kept_claims
    id_claims = login.id_claims
    if tokens.id_token is not None:  # optional in a refresh (OpenID Connect Core section 12.2)
        fresh = await verified_claims(context, metadata, tokens, subject=login.subject)
        id_claims = _kept(login.id_claims, (*LOGIN_FACTS, *kept)) | fresh
    userinfo = await userinfo_claims(context, metadata, tokens, id_claims, had_some=bool(login.userinfo))
    return id_claims, _kept(login.userinfo, kept) | userinfo


def _kept(claims: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: claims[name] for name in names if name in claims}


async def _store(context: LoginContext, session: LoginSession, renewed: Login) -> LoginSession | Ended:
    """Store new tokens, with retries: the old ones may be dead by now."""
    turn_ends = context.clock() + PAUSE_S if renewed.claims_stale else 0.0
    for attempt in range(WRITES):
        try:
            stored = await context.sessions.write(session, renewed, turn_ends=turn_ends)
        except SessionStoreUnavailable:
            if attempt == WRITES - 1:
                raise
            await asyncio.sleep(POLL_S * 2**attempt)
        else:
            return stored if stored is not CHANGED else await _stored_earlier(context, session, renewed)
    raise AssertionError


async def _stored_earlier(context: LoginContext, session: LoginSession, renewed: Login) -> LoginSession | Ended:
    """Return the session if only the response of the store was lost."""
    found = await context.sessions.read(session.ticket, touch=False)
    if found is ENDED or found.login.access_token == renewed.access_token:
        return found
    await context.sessions.end_now([session.handle], "its tokens were refreshed twice")
    return ENDED


async def _postpone(context: LoginContext, session: LoginSession, error: Exception) -> LoginSession | Ended:
    """Pause refreshes of this session; serve the old token meanwhile."""
    waiting: LoginSession | Ended | Changed
    waiting = await context.sessions.write(session, session.login, turn_ends=context.clock() + PAUSE_S)
    if waiting is CHANGED:  # by a replica that took the turn when ours was over
        waiting = await context.sessions.read(session.ticket, touch=False)
    if waiting is not ENDED and not _is_valid(waiting.login, context.clock()):
        raise ProviderUnavailable("the tokens have expired and cannot be refreshed") from error
    return waiting
