"""`Provider`: metadata and keys of an OpenID provider, fetched on demand.

Nothing is fetched when the application starts. A provider that is down then is asked again by the next login.
"""

from __future__ import annotations

import time

from fluxlit_auth.cache import CachedValue, CacheLifetimes, Clock
from fluxlit_auth.http_client import HttpClient, checked_url
from fluxlit_auth.keys import RemoteKeys
from fluxlit_auth.metadata import Metadata, configuration_url, parse_metadata


class Provider:
    """An OpenID provider.

    Args:
        issuer: its identifier, exactly as in its metadata and tokens.
        web: HTTP client.
        known: its metadata, if it publishes none.
        lifetimes: of cached metadata and keys.
        clock: monotonic seconds.

    Attributes:
        issuer: its identifier.
        keys: verify its tokens.

    Raises:
        AuthConfigError: the issuer is no https:// URL, and not on this machine.
    """

    def __init__(
        self,
        issuer: str,
        web: HttpClient,
        known: Metadata | None = None,
        lifetimes: CacheLifetimes | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.issuer = checked_url(issuer, "oidc_issuer", plain=True)
        self._web, self._known = web, known
        self._metadata = CachedValue(self._fetch, lifetimes, clock)
        self.keys = RemoteKeys(self._jwks_uri, web, lifetimes, clock)

    async def metadata(self) -> Metadata:
        """Return its metadata.

        Raises:
            ProviderUnavailable: they cannot be fetched, or belong to another provider.
        """
        return self._known or await self._metadata.get()

    async def _fetch(self) -> Metadata:
        document = await self._web.document(configuration_url(self.issuer), f"the metadata of {self.issuer}")
        return parse_metadata(document, self.issuer)

    async def _jwks_uri(self) -> str:
        return (await self.metadata()).jwks_uri
