"""The outlines of a font's glyphs in the transformed form of WOFF 2.0 (https://www.w3.org/TR/WOFF2/, section 5.1).

A static font that was cut out of a variable one carries points that only the variations needed: they lie upon their
neighbours, or exactly where TrueType would put a point by itself. Without them every outline is the same curve.

Four rules, each exact in integers, none of which rounds or measures:

* Two equal points of the curve in a row are one.
* Two equal control points in a row, between two points of the curve, are two straight lines that meet there: one point
  of the curve. Beside another control point they are not, for with them a point that is implied would go.
* A control point that lies on an end of its curve makes that curve a straight line, which needs none.
* A point half-way between two control points is implied (OpenType, glyf table: "simple glyph description").

Where a contour begins would make no difference to its curves either, but Chromium unites overlapping contours by an
algorithm that rounds, and six hundred icons change visibly. So a contour begins where it did. By the four rules, shades
at the edges of seventy icons change, by a few pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from fluxlit.frontend.woff2 import FontError

HEADER = struct.Struct(">4H7I")
Point = tuple[int, int, bool]
"""x, y, and whether it is on the curve."""


@dataclass
class Streams:
    """The parts of a transformed glyf table.

    Attributes:
        head: the four numbers that begin it.
        contours: how many contours each glyph has.
        points: how many points each contour has.
        flags: one byte for each point.
        glyphs: coordinates, and after each glyph the length of its instructions.
        composites: empty; fonts with composite glyphs are not taken.
        boxes: which glyphs have a box of their own, and those.
        instructions: empty likewise.
        rest: a bitmap of overlaps.
    """

    head: tuple[int, ...]
    contours: bytes
    points: bytes
    flags: bytes
    glyphs: bytes
    composites: bytes
    boxes: bytes
    instructions: bytes
    rest: bytes

    @classmethod
    def read(cls, data: bytes) -> Streams:
        """Take a table apart.

        Raises:
            FontError: it has composite glyphs or instructions, which are not looked at here, or it is damaged.
        """
        head = HEADER.unpack_from(data)
        parts, at = [], HEADER.size
        for size in head[4:]:
            parts.append(data[at : at + size])
            at += size
        contours, points, flags, glyphs, composites, boxes, instructions = parts
        found = cls(head[:4], contours, points, flags, glyphs, composites, boxes, instructions, data[at:])
        if found.composites or found.instructions or at > len(data):
            raise FontError("The glyphs are composed, have instructions, or are damaged.")
        return found

    @property
    def boxed(self) -> bool:
        """Some glyphs have a box that is not that of their points."""
        return any(self.boxes)

    def write(self) -> bytes:
        """Put the table together."""
        parts = (self.contours, self.points, self.flags, self.glyphs, self.composites, self.boxes, self.instructions)
        return HEADER.pack(*self.head, *map(len, parts)) + b"".join(parts) + self.rest


def simplified(data: bytes) -> tuple[bytes, list[int]]:
    """A transformed glyf table with the same outlines and no point more than they need.

    Returns:
        The table, and the left edge of each glyph; no edges where the font says itself how far glyphs reach.

    Raises:
        FontError: the table is not of the kind that this module can read.
    """
    try:
        streams = Streams.read(data)
        points, flags, glyphs = bytearray(), bytearray(), bytearray()
        edges: list[int] = []
        for glyph in outlines(streams):
            edges.append(min((x for contour in glyph for x, _, _ in contour), default=0))
            x = y = 0
            for contour in map(lean, glyph):
                points += short(len(contour))
                for px, py, on in contour:
                    encode(px - x, py - y, on, flags, glyphs)
                    x, y = px, py
            if glyph:
                glyphs += short(0)
    except (struct.error, IndexError) as error:
        raise FontError(f"The glyphs are damaged: {error}") from error
    streams.points, streams.flags, streams.glyphs = bytes(points), bytes(flags), bytes(glyphs)
    return streams.write(), [] if streams.boxed else edges


def outlines(streams: Streams) -> Iterator[list[list[Point]]]:
    """The contours of each glyph."""
    counts = struct.unpack(f">{streams.head[2]}h", streams.contours)
    points_at = flags_at = glyphs_at = 0
    for count in counts:
        glyph = []
        x = y = 0
        for _ in range(count):
            length, points_at = read_short(streams.points, points_at)
            contour = []
            for flag in streams.flags[flags_at : flags_at + length]:
                dx, dy, glyphs_at = decode(flag & 0x7F, streams.glyphs, glyphs_at)
                x, y = x + dx, y + dy
                contour.append((x, y, flag < 0x80))
            flags_at += length
            glyph.append(contour)
        if count:
            instructions, glyphs_at = read_short(streams.glyphs, glyphs_at)
            if instructions:
                raise FontError("The glyphs have instructions.")
        yield glyph


def lean(contour: list[Point]) -> list[Point]:
    """A contour without the points that change nothing, by the rules above."""
    points = list(contour)
    again = True
    while again and len(points) > 2:
        again, at = False, 0
        while at < len(points) and len(points) > 2:
            before, point, after = points[at - 1], points[at], points[(at + 1) % len(points)]
            if needless(before, point, after):
                del points[at]
                again = True
            elif len(points) > 3 and bends_at_once(points[at - 2], before, point, after):
                points[at] = (*point[:2], True)
                del points[at - 1]
                again = True
            else:
                at += 1
    first = next((points.index(point) for point in contour if point in points), 0)
    return points[first:] + points[:first]


def needless(before: Point, point: Point, after: Point) -> bool:
    """Whether a point can go without any other change."""
    if point[2]:
        if before[2]:
            return before[:2] == point[:2]
        return not after[2] and before[0] + after[0] == 2 * point[0] and before[1] + after[1] == 2 * point[1]
    return before[2] and after[2] and point[:2] in (before[:2], after[:2])


def bends_at_once(first: Point, second: Point, third: Point, last: Point) -> bool:
    """Whether two control points between points of the curve are one corner."""
    return first[2] and last[2] and not second[2] and not third[2] and second[:2] == third[:2]


def decode(flag: int, data: bytes, at: int) -> tuple[int, int, int]:
    """The distance from one point to the next, and where the next one is (section 5.2)."""
    if flag < 10:
        return 0, signed(flag, ((flag & 14) << 7) + data[at]), at + 1
    if flag < 20:
        return signed(flag, ((flag - 10 & 14) << 7) + data[at]), 0, at + 1
    if flag < 84:
        high, low = flag - 20, data[at]
        x, y = 1 + (high & 0x30) + (low >> 4), 1 + ((high & 0x0C) << 2) + (low & 0x0F)
        return signed(flag, x), signed(flag >> 1, y), at + 1
    if flag < 120:
        high = flag - 84
        x, y = 1 + (high // 12 << 8) + data[at], 1 + (high % 12 >> 2 << 8) + data[at + 1]
        return signed(flag, x), signed(flag >> 1, y), at + 2
    if flag < 124:
        x, y = (data[at] << 4) + (data[at + 1] >> 4), ((data[at + 1] & 0x0F) << 8) + data[at + 2]
        return signed(flag, x), signed(flag >> 1, y), at + 3
    x, y = (data[at] << 8) + data[at + 1], (data[at + 2] << 8) + data[at + 3]
    return signed(flag, x), signed(flag >> 1, y), at + 4


def encode(dx: int, dy: int, on: bool, flags: bytearray, data: bytearray) -> None:  # noqa: FBT001
    """Add the distance to a point, in the shortest of the forms of section 5.2."""
    x, y, curve = abs(dx), abs(dy), 0 if on else 0x80
    signs = (dx >= 0) + 2 * (dy >= 0)
    if dx == 0 and y < 1280:
        flags.append(curve + ((y & 0xF00) >> 7) + (dy >= 0))
        data.append(y & 0xFF)
    elif dy == 0 and x < 1280:
        flags.append(curve + 10 + ((x & 0xF00) >> 7) + (dx >= 0))
        data.append(x & 0xFF)
    elif x < 65 and y < 65:
        flags.append(curve + 20 + (x - 1 & 0x30) + ((y - 1 & 0x30) >> 2) + signs)
        data.append((x - 1 & 0xF) << 4 | y - 1 & 0xF)
    elif x < 769 and y < 769:
        flags.append(curve + 84 + 12 * (x - 1 >> 8) + (y - 1 >> 8 << 2) + signs)
        data += bytes([x - 1 & 0xFF, y - 1 & 0xFF])
    elif x < 4096 and y < 4096:
        flags.append(curve + 120 + signs)
        data += bytes([x >> 4, (x & 0xF) << 4 | y >> 8, y & 0xFF])
    else:
        flags.append(curve + 124 + signs)
        data += struct.pack(">HH", x, y)


def signed(flag: int, value: int) -> int:
    """A value with the sign that the lowest bit of a flag gives it."""
    return value if flag & 1 else -value


def read_short(data: bytes, at: int) -> tuple[int, int]:
    """A number in 255UInt16 (section 4.1), and where it ends."""
    code = data[at]
    if code == 253:
        return (data[at + 1] << 8) + data[at + 2], at + 3
    if code >= 254:
        return data[at + 1] + (506 if code == 254 else 253), at + 2
    return code, at + 1


def short(value: int) -> bytes:
    """A number in 255UInt16."""
    if value < 253:
        return bytes([value])
    if value < 506:
        return bytes([255, value - 253])
    if value < 762:
        return bytes([254, value - 506])
    return bytes([253]) + struct.pack(">H", value)
