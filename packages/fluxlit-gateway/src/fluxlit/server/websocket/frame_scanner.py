"""Follows the frames of a WebSocket by their headers (RFC 6455 5.2).

A tunnel passes bytes on as they came. It needs to know where a frame begins, so that it can insert one of its own, and
it must not pass on what is no frame: two ends that disagree about boundaries read each other's payload as headers.
"""

from __future__ import annotations

from websockets.frames import CloseCode

# What a first byte begins. Everything else is broken: an opcode of no meaning, a reserved bit, a control frame that is
# only a part of a message.
BROKEN, MESSAGE, CONTINUATION, PONG, PING, CLOSE = range(6)

FIN, MASK, COMPRESSED = 0x80, 0x80, 0x40

KINDS = bytearray(256)
for _opcode, _kind in ((1, MESSAGE), (2, MESSAGE), (0, CONTINUATION)):
    KINDS[_opcode] = KINDS[FIN | _opcode] = _kind
for _opcode, _kind in ((8, CLOSE), (9, PING), (10, PONG)):
    KINDS[FIN | _opcode] = _kind

# Where compression was agreed on, the first frame of a message may be marked as compressed (RFC 7692 section 6).
KINDS_WITH_COMPRESSION = bytearray(KINDS)
for _opcode in (1, 2):
    KINDS_WITH_COMPRESSION[COMPRESSED | _opcode] = KINDS_WITH_COMPRESSION[FIN | COMPRESSED | _opcode] = MESSAGE

Fault = tuple[int, str]


class FrameScanner:
    """One direction of a WebSocket.

    The bytes of an incomplete header are held back: at most 9. So what was passed on ends in a payload or at the end of
    a frame, never in a header.

    Args:
        masked: the frames are a client's, which must be masked, else a server's, which must not be (section 5.1).
        limit: bytes of a message in all its fragments, as they are sent; 0 for no limit.
        compression: messages may be compressed.

    Attributes:
        left: bytes of the last frame that have not come yet. At 0 a frame may be inserted.
        over: nothing more is passed on but what is left of a Close frame.
        fault: code and reason for the sender if its frames cannot be followed.
        messages: messages that have begun.
        payload: bytes of their payload.
        pings: Ping frames.
        largest: bytes of the largest frame since it was reset.
        more: another frame of the last message is to come.
    """

    __slots__ = (
        "_held",
        "_kinds",
        "_limit",
        "_mask",
        "_message",
        "_shortest",
        "fault",
        "largest",
        "left",
        "messages",
        "more",
        "over",
        "payload",
        "pings",
    )

    def __init__(self, *, masked: bool, limit: int, compression: bool = False) -> None:
        self._kinds = KINDS_WITH_COMPRESSION if compression else KINDS
        self._mask, self._shortest = (MASK, 6) if masked else (0, 2)
        self._limit = limit or 1 << 63
        self._held = b""
        self._message = 0
        self.left = 0
        self.over = False
        self.fault: Fault | None = None
        self.messages = 0
        self.payload = 0
        self.pings = 0
        self.largest = 0
        self.more = False

    @property
    def unfinished(self) -> int:
        """Bytes of a message that has begun and is not whole; 0 without one."""
        return self._message - self.left if self.left or self.more else 0

    def feed(self, data: bytes) -> bytes:  # noqa: C901  (a call for each frame would cost as much as all of it)
        """Follow what has come; returns what may be passed on."""
        if self._held:
            data = self._held + data
            self._held = b""
        size = len(data)
        at = self.left
        kinds, mask = self._kinds, self._mask
        while at < size:
            if self.over:  # Nothing follows a Close frame (section 5.5.1).
                return self._stop(data, at)
            if at + 2 > size:
                return self._hold(data, at)
            first, length = data[at], data[at + 1] - mask
            kind, begin = kinds[first], at
            if not kind or not 0 <= length < 128 or (length > 125 and kind > CONTINUATION):
                return self._break(data, begin, CloseCode.PROTOCOL_ERROR, "invalid frame header")
            at += self._shortest
            if length > 125:
                wide = 2 if length == 126 else 8
                if begin + 2 + wide > size:
                    return self._hold(data, begin)
                length = int.from_bytes(data[begin + 2 : begin + 2 + wide], "big")
                at += wide
            at += length
            if kind > CONTINUATION:
                self.pings += kind == PING
                self.over = kind == CLOSE
                continue
            if kind == MESSAGE:
                self.messages += 1
                self._message = length
            else:
                self._message += length
            self.more = first < FIN
            if self._message > self._limit:
                return self._break(data, begin, CloseCode.MESSAGE_TOO_BIG, "message too big")
            self.payload += length
            if length > self.largest:  # noqa: PLR1730  (a call for each frame, again)
                self.largest = length
        self.left = at - size
        return data

    def _hold(self, data: bytes, begin: int) -> bytes:
        self._held = data[begin:]
        self.left = 0
        return data[:begin]

    def _break(self, data: bytes, begin: int, code: int, reason: str) -> bytes:
        self.fault = int(code), reason
        self.over = True
        return self._stop(data, begin)

    def _stop(self, data: bytes, at: int) -> bytes:
        self.left = 0
        return data[:at]
