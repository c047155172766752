"""Frame rules of RFC 6455 that the `websockets` library is stricter about."""

from __future__ import annotations

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol


class CloseAnywhere(Protocol):
    """Lets a Close frame stand between the fragments of a message.

    RFC 6455 section 5.4 allows any control frame there; the library calls it an incomplete message.
    """

    def recv_frame(self, frame: Frame) -> None:
        """Take one frame."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)
