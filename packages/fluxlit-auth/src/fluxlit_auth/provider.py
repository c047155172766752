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
        metadata_url: where its metadata are; empty for the usual place. In a private network also without TLS.
        lifetimes: of cached metadata and keys.
        clock: monotonic seconds.

    Attributes:
        issuer: its identifier.
        metadata_url: where its metadata are; empty for the usual place.
        keys: verify its tokens.

    Raises:
        AuthConfigError: an address is no https:// URL, and not on this machine or in a private network.
    """

    def __init__(
        self,
        issuer: str,
        web: HttpClient,
        known: Metadata | None = None,
        lifetimes: CacheLifetimes | None = None,
        clock: Clock = time.monotonic,
        metadata_url: str = "",
    ) -> None:
        self.issuer = checked_url(issuer, "oidc_issuer", plain=True)
        self._web, self._known = web, known
        self.metadata_url = metadata_url and checked_url(metadata_url, "oidc_metadata_url", plain=True, private=True)
        self._metadata = CachedValue(self._fetch, lifetimes, clock)
        self.keys = RemoteKeys(self._jwks_uri, web, lifetimes, clock)

    async def metadata(self) -> Metadata:
        """Return its metadata.

        Raises:
            ProviderUnavailable: they cannot be fetched, or belong to another provider.
        """
        return self._known or await self._metadata.get()

    async def _fetch(self) -> Metadata:
        url = self.metadata_url or configuration_url(self.issuer)
        document = await self._web.document(url, f"the metadata of {self.issuer}")
        return parse_metadata(document, self.issuer, self.metadata_url)

    async def _jwks_uri(self) -> str:
        return (await self.metadata()).jwks_uri
