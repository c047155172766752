"""What both ends of a WebSocket add to the `websockets` library."""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

SLICE = 4096
"""Bytes that are parsed at once. A frame takes 6 bytes at least, and each becomes several objects."""

TURN_S = 0.002
"""Seconds after which the event loop has a turn before more is parsed: a flood of small frames takes long."""


class LenientProtocol(Protocol):
    """The library's protocol, with what RFC 6455 allows and an end.

    Both methods touch what the library does not document. Where a name is gone, the library's own behaviour is back:
    a Close frame between fragments is an error, and a closed connection waits for the garbage collector.
    """

    def recv_frame(self, frame: Frame) -> None:
        """Allow a Close frame between fragments (RFC 6455 section 5.4)."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)

    def release(self) -> None:
        """End the parser and forget its errors: both refer to the protocol."""
        parser = getattr(self, "parser", None)
        if parser is not None:
            parser.close()
        for name in ("handshake_exc", "parser_exc"):
            error = getattr(self, name, None)
            while error is not None:
                error.__traceback__ = None
                error = error.__context__ or error.__cause__  # Either refers to frames, too.
