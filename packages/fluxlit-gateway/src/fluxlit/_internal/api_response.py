"""Responses of the API as pages receive them: errors that name the cause."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import httpx

from fluxlit._internal.tracebacks import FAULT_HEADER


class ApiResponse(httpx.Response):
    """A response with errors that name the call, the cause and the request."""

    @property
    def failure(self) -> str:
        """The response in words.

        In development ``GET /orders answered 500: RuntimeError: boom (app.py:8)``.
        """
        if fault := self.headers.get(FAULT_HEADER):
            detail = f": {unquote(fault)}"
        else:
            reason = f" {self.reason_phrase}" if self.reason_phrase else ""
            request_id = self.headers.get("x-request-id")
            detail = f"{reason} (request id {request_id})" if request_id else reason
        path = self.extensions.get("fluxlit_path", self.request.url.path)
        return f"{self.request.method} {path} answered {self.status_code}{detail}"

    def raise_for_status(self) -> ApiResponse:
        """Raise `httpx.HTTPStatusError` unless the status is 2xx."""
        try:
            super().raise_for_status()
        except httpx.HTTPStatusError as error:
            if not self.is_error:
                raise
            raise httpx.HTTPStatusError(self.failure, request=error.request, response=self) from None
        return self

    def json(self, **kwargs: Any) -> Any:
        """Parse the body; an error without JSON raises what it is.

        Raises:
            httpx.HTTPStatusError: the response is an error, and its body is not JSON.
        """
        try:
            return super().json(**kwargs)
        except ValueError:
            if not self.is_error:
                raise
            raise httpx.HTTPStatusError(self.failure, request=self.request, response=self) from None


class ApiResponseTransport(httpx.BaseTransport):
    """Makes each response of another transport an `ApiResponse`.

    Args:
        inner: the transport.
        mount: path of the API, which messages leave out.
    """

    def __init__(self, inner: httpx.BaseTransport, mount: str) -> None:
        self._inner = inner
        self._mount = mount

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        response = self._inner.handle_request(request)
        path = request.url.path.removeprefix(self._mount) or "/"
        return ApiResponse(
            response.status_code,
            headers=response.headers,
            stream=response.stream,
            extensions={**response.extensions, "fluxlit_path": path},
        )

    def close(self) -> None:
        """Close the other transport."""
        self._inner.close()
