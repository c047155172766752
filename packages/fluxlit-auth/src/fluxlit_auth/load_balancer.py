"""Identity header of AWS Application Load Balancers: ``x-amzn-oidc-data``.

It is a non-standard JWT, so it has its own reader
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html):

- Its parts are padded with ``=``, which RFC 7515 forbids, and the signature is over the padded text.
- There is no JWK Set. The key named in its header is fetched as PEM from an address of the region.
- There is no `aud`. Every load balancer of the region signs with the same keys, those of other customers too. The
  load balancer that its header names, `signer`, binds it to this application, so it is always checked.
- Its expiry is in the header as well.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from fluxlit.auth.contract import User
from fluxlit_auth.claims import non_empty_string, numeric_date, strings
from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable, TokenRefused, UnknownKey
from fluxlit_auth.http_client import HttpClient, checked_url
from fluxlit_auth.identity_headers import LEEWAY_S, Headers, IdentityReader, single, user_of
from fluxlit_auth.jws import is_finite

MAX_TOKEN = 16_384
MAX_KEYS = 32
PAUSE_S = 10.0
"""Seconds between two requests for unknown keys: clients can invent names."""

_ARN = re.compile(r"arn:(aws|aws-us-gov):elasticloadbalancing:([a-z0-9-]+):\d{12}:loadbalancer/app/[\w-]+/[0-9a-f]+\Z")
# The key name becomes part of a URL.
_KEY_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")


@dataclass(frozen=True)
class LoadBalancerData:
    """The header of load balancers of one region.

    Attributes:
        load_balancers: ARN of the load balancer, or of several.
        client_id: if given, the OAuth client for which it authenticates users.
        keys_url: URL of the keys, without a key name; by default that of the region in the ARN.
        roles_claim: claim with the roles; a nested claim is written with dots.
        secrets: further headers that the application must not receive.
        cookies: its own cookies.
    """

    load_balancers: str | tuple[str, ...]
    client_id: str | None = None
    keys_url: str | None = None
    roles_claim: str = "groups"
    secrets: tuple[str, ...] = ("x-amzn-oidc-accesstoken", "x-amzn-oidc-identity")
    cookies: tuple[str, ...] = ("AWSELBAuthSessionCookie*",)
    signed: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        checked_url(self.keys, "keys_url", plain=True)

    @property
    def signers(self) -> frozenset[str]:
        """The accepted load balancers."""
        return strings(self.load_balancers, "load_balancers")

    @property
    def keys(self) -> str:
        """The URL of the keys.

        Raises:
            AuthConfigError: it cannot be derived from the ARNs.
        """
        if self.keys_url is not None:
            return self.keys_url.rstrip("/")
        found = {_keys_of(each) for each in self.signers}
        if len(found) > 1:
            raise AuthConfigError("TrustedProxy.aws_alb: all load balancers must be of one region")
        return found.pop()

    @property
    def header_names(self) -> tuple[str, ...]:
        """All headers of the load balancer."""
        return ("x-amzn-oidc-data", *self.secrets)

    def reader(self, web: HttpClient) -> IdentityReader:
        """Return the reader of the header, with the keys of the region."""
        return _DataReader(self, RegionalKeys(self.keys, web))


def _keys_of(arn: str) -> str:
    match = _ARN.match(arn)
    if match is None:
        raise AuthConfigError(
            f"TrustedProxy.aws_alb: {arn!r} is not the ARN of an Application Load Balancer, such as "
            f"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/name/0123456789abcdef. For another "
            f"partition give keys_url as well."
        )
    partition, region = match.groups()
    if partition == "aws":
        return f"https://public-keys.auth.elb.{region}.amazonaws.com"
    return f"https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}"


class RegionalKeys:
    """Public keys by name, each fetched once: a key never changes.

    Args:
        url: URL without the key name.
        web: HTTP client.
        clock: monotonic seconds.
    """

    def __init__(self, url: str, web: HttpClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._web, self._clock = url, web, clock
        self._keys: OrderedDict[str, ECKey] = OrderedDict()
        self._missed = float("-inf")
        self._turn = asyncio.Lock()

    async def get(self, name: str) -> ECKey:
        """Return the key with this name.

        Raises:
            UnknownKey: there is none.
            ProviderUnavailable: it cannot be fetched.
        """
        async with self._turn:
            if name not in self._keys:
                if self._clock() - self._missed < PAUSE_S:
                    raise UnknownKey("its key is unknown")
                self._keys[name] = await self._fetch(name)
            self._keys.move_to_end(name)
            while len(self._keys) > MAX_KEYS:
                self._keys.popitem(last=False)
            return self._keys[name]

    async def _fetch(self, name: str) -> ECKey:
        reply = await self._web.send("GET", f"{self._url}/{name}", "the load balancer's key", headers={"accept": "*/*"})
        try:
            if reply.status == 200:
                return ECKey.import_key(reply.body)
        except (JoseError, ValueError, TypeError):
            raise ProviderUnavailable("the load balancer's key: the response is not a public key") from None
        self._missed = self._clock()
        raise UnknownKey("its key is unknown")


@dataclass(frozen=True)
class _DataReader:
    data: LoadBalancerData
    keys: RegionalKeys

    async def read(self, headers: Headers, now: float) -> User | None:
        token = single(headers, "x-amzn-oidc-data")
        if not token:
            return None
        head, claims, signed, signature = _parts(token)
        name = self._checked(head)
        key = await self.keys.get(name)
        if not JWSRegistry.algorithms["ES256"].verify(signed, signature, key):
            raise TokenRefused("signature", "its signature does not match")
        expires = min(_end(head, now), _end(claims, now))
        issuer = non_empty_string(head.get("iss"))
        if issuer is None or claims.get("iss", issuer) != issuer:
            raise TokenRefused("iss", "it names no issuer, or two")
        return user_of(claims, issuer, expires, self.data.roles_claim)

    def _checked(self, head: Mapping[str, Any]) -> str:
        """Check the unverified header; return the name of the key."""
        if head.get("alg") != "ES256":
            raise TokenRefused("alg", "its signature algorithm is not allowed")
        if head.get("signer") not in self.data.signers:
            raise TokenRefused("signer", "it comes from another load balancer")
        if self.data.client_id is not None and head.get("client") != self.data.client_id:
            raise TokenRefused("client", "it is for another client")
        name = head.get("kid")
        if not isinstance(name, str) or not _KEY_ID.match(name):
            raise TokenRefused("kid", "it does not name its key")
        return name


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any], bytes, bytes]:
    """Return header, claims, signed bytes, and signature."""
    try:
        head, claims, signature = token.split(".") if len(token) <= MAX_TOKEN else []
        parsed = json.loads(_decoded(head)), json.loads(_decoded(claims))
        raw = _decoded(signature)
        signed = f"{head}.{claims}".encode("ascii")
    except (ValueError, RecursionError):  # the errors of base64, JSON and text are all ValueError
        raise TokenRefused("format", "it is not a signed token") from None
    if not all(isinstance(each, dict) and is_finite(each) for each in parsed):
        raise TokenRefused("format", "it is not a signed token")
    return *parsed, signed, raw


def _decoded(part: str) -> bytes:
    text = part.rstrip("=")
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _end(said: Mapping[str, Any], now: float) -> float:
    end = numeric_date(said, "exp")
    if end is None:
        raise TokenRefused("exp", "it has no exp")
    if not now < end + LEEWAY_S:
        raise TokenRefused("exp", "it has expired")
    return end + LEEWAY_S
