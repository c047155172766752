"""What fonts show, read by fontTools, which shares no code with FluxLit."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

from fontTools.ttLib import TTFont

Place = tuple[int, int]
Segment = tuple[Place, Place, Place]


def opened(file: bytes) -> TTFont:
    return TTFont(io.BytesIO(file))


def curves(font: TTFont, name: str) -> list[list[Segment]]:
    """The curves of a glyph: what a contour draws, however many points say so, and wherever it begins.

    Coordinates are doubled, so that points half-way between two others are whole. A straight line is a curve whose
    control point is its beginning.
    """
    glyph = font["glyf"][name]
    if glyph.numberOfContours <= 0:
        return []
    places, ends, flags = glyph.getCoordinates(font["glyf"])
    first, found = 0, []
    for end in ends:
        found.append(
            drawn([(2 * places[at][0], 2 * places[at][1], bool(flags[at] & 1)) for at in range(first, end + 1)])
        )
        first = end + 1
    return [contour for contour in found if contour]


def drawn(points: list[tuple[int, int, bool]]) -> list[Segment]:
    """The segments of one contour that have a length, from the least on."""
    whole: list[tuple[int, int, bool]] = []
    for before, point in pairwise([points[-1], *points]):
        if not before[2] and not point[2]:
            whole.append(((before[0] + point[0]) // 2, (before[1] + point[1]) // 2, True))
        whole.append(point)
    begin = next((at for at, point in enumerate(whole) if point[2]), 0)
    whole = [*whole[begin:], *whole[: begin + 1]]
    segments, at = [], 0
    while at < len(whole) - 1:
        start, control = whole[at][:2], whole[at + 1]
        end = control[:2] if control[2] else whole[at + 2][:2]
        at += 1 if control[2] else 2
        middle = start if control[2] or control[:2] == end else control[:2]
        if not start == middle == end:
            segments.append((start, middle, end))
    least = segments.index(min(segments)) if segments else 0
    return segments[least:] + segments[:least]


def names_to_glyphs(font: TTFont) -> dict[tuple[int, ...], int]:
    """The ligatures: numbers of glyphs in a row, and the glyph that stands for them."""
    number: Any = font.getReverseGlyphMap()
    return {
        tuple(number[part] for part in [first, *ligature.Component]): number[ligature.LigGlyph]
        for lookup in font["GSUB"].table.LookupList.Lookup
        for table in lookup.SubTable
        for first, ligatures in getattr(table, "ExtSubTable", table).ligatures.items()
        for ligature in ligatures
    }
