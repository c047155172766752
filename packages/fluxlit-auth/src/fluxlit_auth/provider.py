"""A provider: its metadata and its keys, fetched when they are needed and kept up to date.

Nothing is fetched when the application starts. A provider that is down then is asked again by the next login.
"""

from __future__ import annotations

import time

from fluxlit_auth.keys import RemoteKeys
from fluxlit_auth.metadata import Metadata, configuration_url, read_metadata
from fluxlit_auth.refreshed import Ages, Clock, Refreshed
from fluxlit_auth.web import Web, checked_url


class Provider:
    """An OpenID provider.

    Args:
        issuer: its name, exactly as in its metadata and tokens.
        web: the way there.
        known: its metadata, for one that publishes none.
        ages: how old metadata and keys may become.
        clock: monotonic seconds.

    Attributes:
        issuer: its name.
        keys: those that sign its tokens.

    Raises:
        AuthConfigError: the issuer is no URL over TLS, or of this machine.
    """

    def __init__(
        self,
        issuer: str,
        web: Web,
        known: Metadata | None = None,
        ages: Ages | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.issuer = checked_url(issuer, "oidc_issuer", plain=True)
        self._web, self._known = web, known
        self._metadata = Refreshed(self._fetch, ages, clock)
        self.keys = RemoteKeys(self._jwks_uri, web, ages, clock)

    async def metadata(self) -> Metadata:
        """What it says about itself.

        Raises:
            ProviderUnavailable: it cannot be asked, or what answers is not this provider.
        """
        return self._known or await self._metadata.get()

    async def _fetch(self) -> Metadata:
        document = await self._web.document(configuration_url(self.issuer), f"the metadata of {self.issuer}")
        return read_metadata(document, self.issuer)

    async def _jwks_uri(self) -> str:
        return (await self.metadata()).jwks_uri
