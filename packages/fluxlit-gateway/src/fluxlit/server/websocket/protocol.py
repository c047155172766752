"""The public side of WebSockets: uvicorn's protocol, held to the letter of RFC 6455.

`fluxlit run` serves with it, as with that of `front` for HTTP.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from fluxlit._internal.websocket_frames import CloseAnywhere


class Server(CloseAnywhere, ServerProtocol):
    """The library's server, which tells a client of another version the one that it speaks (RFC 6455 section 4.4)."""

    def accept(self, request: Request) -> Response:
        """Answer a handshake."""
        response = super().accept(request)
        if response.status_code == 400 and request.headers.get_all("Sec-WebSocket-Version") != ["13"]:
            response.headers["Sec-WebSocket-Version"] = "13"
            return replace(response, status_code=426, reason_phrase="Upgrade Required")
        return response


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, with the last word given to what came before an error.

    * A Close frame between fragments is a clean close (Autobahn case 7.1.5).
    * Messages that arrived before a broken frame are delivered.
    * Invalid UTF-8 ends the connection with 1007 without a traceback in the log.
    * A peer that reads nothing is cut off in the end; a transport that is only closed waits for it (asyncio's rule).
    * A connection that ends without a Close frame is reported as 1006, not as 1005 (RFC 6455 section 7.1.5).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = self.conn
        self.conn = Server(
            extensions=offered.available_extensions, max_size=self.config.ws_max_size, logger=offered.logger
        )
        self._application = self.app
        self.app = self._run

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._application(scope, receive, send)
        finally:
            self._give_up_soon()
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # By a refusal, which uvicorn would report as a fault of the application.

    def _give_up_soon(self) -> None:
        if self.transport.get_write_buffer_size():
            self.loop.call_later(self.close_timeout, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Give up a peer that answers no ping, also if it reads nothing either."""
        super().keepalive_timeout()
        self._give_up_soon()

    def data_received(self, data: bytes) -> None:
        """Take what has arrived, then look whether it broke the rules."""
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None and not self.close_sent:
            self.handle_parser_exception()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application how the connection ended."""
        if self.handshake_complete and self.conn.close_rcvd is None:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        """Hand over one message, and read no more until the application asks for it."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        else:
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA, "invalid UTF-8")
                self.handle_parser_exception()
                return
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
