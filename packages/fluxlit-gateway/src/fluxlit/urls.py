"""Public URLs of the application, right behind any proxy.

```python
@app.page("/")
def home(st, urls: PublicUrls):
    st.link_button("API", urls.docs)

@app.api.post("/invitations")
def invite(urls: PublicUrls) -> str:
    return urls.page("/welcome", code="x7")
```

`public_base_url` decides where it is set. Otherwise the request decides: its scheme, host and prefix as the
gateway sees them, which trusts an edge only as far as `trust_proxy` allows.
"""

# No postponed annotations: FastAPI reads those of `public_urls` as they stand.

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

import fastapi
from fastapi.requests import HTTPConnection

from fluxlit.settings import Settings

STATE = "fluxlit"
"""Name of the `PublicAddress` in the state of the API's application."""


@dataclass
class PublicAddress:
    """What a server knows of its address without being asked.

    Attributes:
        settings: the effective settings.
        origin: where it listens, such as ``http://127.0.0.1:8000``; empty before it does.
    """

    settings: Settings
    origin: str = ""

    @property
    def base(self) -> str:
        """The address of the listener with the mount, without a request."""
        return (self.origin or _listener(self.settings)) + self.settings.root_path


@dataclass(frozen=True)
class Urls:
    """Absolute addresses of one application.

    Attributes:
        base: address of the UI, without its closing slash.
        api_mount: path of the API below it.
        docs_path: path of the API's documentation below that; `None` if there is none.
    """

    base: str
    api_mount: str = "/api"
    docs_path: str | None = "/docs"

    @property
    def app(self) -> str:
        """Address of the UI."""
        return f"{self.base}/"

    @property
    def api(self) -> str:
        """Address of the API, without a closing slash."""
        return self.base + self.api_mount

    @property
    def docs(self) -> str | None:
        """Address of the API's documentation; `None` if there is none."""
        return self.api + self.docs_path if self.docs_path else None

    @property
    def health(self) -> str:
        """Address of the liveness probe."""
        return f"{self.api}/healthz"

    @property
    def ready(self) -> str:
        """Address of the readiness probe."""
        return f"{self.api}/readyz"

    def page(self, path: str = "/", **query: str) -> str:
        """Address of one page.

        Args:
            path: as it was registered, such as ``/orders``.
            **query: what the page finds in ``st.query_params``.

        Raises:
            ValueError: the path does not begin with a slash.
        """
        if not path.startswith("/"):
            raise ValueError(f'The path of a page begins with a slash: "/{path}".')
        return f"{self.base}{quote(path)}" + (f"?{urlencode(query)}" if query else "")


def public_urls(connection: HTTPConnection) -> Urls:
    """Return the public URLs for a request; a FastAPI dependency."""
    application = connection.app
    known: PublicAddress = getattr(application.state, STATE, None) or PublicAddress(Settings())
    mount = known.settings.api_mount_path
    requested = str(connection.base_url).rstrip("/").removesuffix(mount)
    return Urls(known.settings.public_base_url or requested, mount, application.docs_url)


PublicUrls = Annotated[Urls, fastapi.Depends(public_urls)]
"""Annotation: the addresses, in API routes and in pages."""


def seen_by(headers: Mapping[str, str], settings: Settings, docs_path: str | None) -> Urls:
    """Return the public URLs for the request that opened a page's session.

    Args:
        headers: its headers, with the forwarding headers that the gateway set.
        settings: the effective settings.
        docs_path: path of the API's documentation below its mount.
    """
    base = settings.public_base_url
    if not base:
        scheme, host = headers.get("X-Forwarded-Proto", ""), headers.get("X-Forwarded-Host", "")
        prefix = headers.get("X-Forwarded-Prefix", settings.root_path)
        base = f"{scheme}://{host}{prefix}" if scheme and host else PublicAddress(settings).base
    return Urls(base, settings.api_mount_path, docs_path)


def _listener(settings: Settings) -> str:
    host = f"[{settings.gateway_host}]" if ":" in settings.gateway_host else settings.gateway_host
    scheme = "https" if settings.tls_certificate else "http"
    return f"{scheme}://{host}:{settings.gateway_port}"
