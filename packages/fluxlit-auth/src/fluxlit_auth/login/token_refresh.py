"""Token refresh: once for each session, on however many replicas.

A rotating refresh token may be used once: if two replicas used the same one, the provider would take it for stolen
and end the login. So the replica that refreshes first marks the session by a versioned write that only one can win.
The others serve the old token while it is valid, and wait for the new one after that.

New tokens are stored before they are used. A refresh continues when the client that caused it disconnects.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from fluxlit_auth.errors import AuthConfigError, GrantRefused, ProviderUnavailable, TokenRefused
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.login_session import Login, LoginSession
from fluxlit_auth.login.user_claims import login_of, verified_claims
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


async def refresh(context: LoginContext, session: LoginSession) -> LoginSession | None:
    """Return the session with a valid token, refreshed if it expires soon; `None` if the session has ended.

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
    if claimed is not None:
        # Shielded: a client that disconnects must not cancel a refresh that has used up the refresh token.
        task = asyncio.create_task(_with_turn(context, claimed))
        task.add_done_callback(_retrieve)
        return await asyncio.shield(task)
    newer = await context.sessions.read(session.ticket, touch=False)
    if newer is None or not _is_due(newer.login, now):
        return newer
    return await _without_turn(context, newer)


def _is_due(login: Login, now: float) -> bool:
    return login.refresh_token is not None and login.token_ends is not None and login.token_ends - now < AHEAD_S


def _is_valid(login: Login, now: float) -> bool:
    return login.token_ends is None or now < login.token_ends


def _retrieve(task: asyncio.Task[LoginSession | None]) -> None:
    """Mark the exception of a refresh as retrieved, also when its client has disconnected."""
    if not task.cancelled():
        task.exception()


async def _without_turn(context: LoginContext, session: LoginSession) -> LoginSession | None:
    """Serve the old token while it is valid, then wait for the replica that refreshes."""
    if _is_valid(session.login, context.clock()):
        return session
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TURN_S
    while loop.time() < deadline:
        await asyncio.sleep(POLL_S)
        newer = await context.sessions.read(session.ticket, touch=False)
        if newer is None or _is_valid(newer.login, context.clock()):
            return newer
        if newer.turn_ends - context.clock() <= PAUSE_S:
            break  # the other replica has given up
    raise ProviderUnavailable("the tokens have expired and another replica could not refresh them")


async def _with_turn(context: LoginContext, session: LoginSession) -> LoginSession | None:
    try:
        renewed = await _refreshed_login(context, session.login)
    except (GrantRefused, TokenRefused) as refused:
        logger.info("login session %s could not be refreshed: %s", session.handle, refused)
        await context.sessions.end([session.handle], "its tokens could not be renewed")
        return None
    except (ProviderUnavailable, AuthConfigError) as error:
        logger.warning("login session %s could not be refreshed: %s", session.handle, error)
        return await _postpone(context, session, error)
    return await _store(context, session, renewed)


async def _refreshed_login(context: LoginContext, login: Login) -> Login:
    assert login.refresh_token is not None
    metadata = await context.provider.metadata()
    tokens = await context.client.refresh(metadata, login.refresh_token)
    renewed = replace(
        login,
        id_token=tokens.id_token or login.id_token,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token or login.refresh_token,
        token_ends=None if tokens.expires_in is None else context.clock() + tokens.expires_in,
    )
    if tokens.id_token is None:  # optional in a refresh (OpenID Connect Core section 12.2)
        return renewed
    claims = await verified_claims(context, metadata, tokens, subject=login.subject)
    fresh = login_of(context, {**login.claims, **claims}, tokens)
    return replace(renewed, name=fresh.name, email=fresh.email, roles=fresh.roles, claims=fresh.claims)


async def _store(context: LoginContext, session: LoginSession, renewed: Login) -> LoginSession | None:
    """Store new tokens. The old ones may be dead by now, so a store that fails is asked again."""
    for attempt in range(WRITES):
        try:
            stored = await context.sessions.write(session, renewed)
        except SessionStoreUnavailable:
            if attempt == WRITES - 1:
                raise
            await asyncio.sleep(POLL_S * 2**attempt)
        else:
            return stored or await _stored_earlier(context, session, renewed)
    raise AssertionError


async def _stored_earlier(context: LoginContext, session: LoginSession, renewed: Login) -> LoginSession | None:
    """The stored session if it holds the new tokens: then only the store's response was lost."""
    found = await context.sessions.read(session.ticket, touch=False)
    if found is not None and found.login.access_token == renewed.access_token:
        return found
    await context.sessions.end([session.handle], "its tokens could not be renewed")
    return None


async def _postpone(
    context: LoginContext, session: LoginSession, error: ProviderUnavailable | AuthConfigError
) -> LoginSession:
    """Keep all replicas from asking a provider that is down; serve the old token while it is valid."""
    now = context.clock()
    waiting = await context.sessions.write(session, session.login, turn_ends=now + PAUSE_S)
    if not _is_valid(session.login, now):
        raise ProviderUnavailable("the tokens have expired and cannot be refreshed") from error
    return waiting or session
