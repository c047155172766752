"""Streamlit's font of icons, without what no browser uses: a third of what a first page loads is this one font.

What goes: the names of glyphs, which only tools for fonts show; the character maps that repeat a part of the full
one; distances that follow from the outlines; and points of these that change nothing (`fluxlit.frontend.outlines`).
Every icon stays, by its name and by its code, with the same curves. The font has the Apache License, which allows that.

The text fonts have the Open Font License with a reserved name, which makes any change of them another font, so they
are sent as they are. Nor is a part of them sent first: text that a chart draws does not wait for the rest, and marks
between letters of two parts lose their kerning.

The result has an address of its own, with a hash of its own content: a browser may keep it for ever, as it may keep
the original under the original's. `fluxlit.frontend.page` has the browser take it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass

from fluxlit.frontend.files import IMMUTABLE, Asset, Files
from fluxlit.frontend.outlines import simplified
from fluxlit.frontend.shelf import Shelf
from fluxlit.frontend.woff2 import Font, FontError

MEDIA = "/static/media/"
ORIGINAL = re.compile(rf"{MEDIA}(MaterialSymbols-[A-Za-z]+)\.[A-Za-z0-9_-]{{8}}\.woff2\Z")
LEAN = re.compile(rf"{MEDIA}MaterialSymbols-[A-Za-z]+\.[0-9a-f]{{8}}\.woff2\Z")
LEVEL = "lean1"
"""Which rules made it; another number when they change."""

METRICS_AT = 34
WIDTHS_ALONE = 1
POST_WITHOUT_NAMES = 0x00030000
FULL_MAP = 12


@dataclass(frozen=True)
class LeanFont:
    """The font as it is sent.

    Attributes:
        asset: what it is, with its address.
        body: its bytes.
    """

    asset: Asset
    body: bytes


class Icons:
    """The font of icons of one front end, and its lean form as soon as that is made.

    Args:
        files: the front end.
        shelf: where the lean form is kept.
    """

    def __init__(self, files: Files, shelf: Shelf) -> None:
        self._shelf = shelf
        self._found: LeanFont | None = None
        fonts = [
            file for file in (files.folder / MEDIA[1:]).glob("MaterialSymbols-*") if ORIGINAL.match(MEDIA + file.name)
        ]
        self.original = Asset.of(MEDIA + fonts[0].name, fonts[0]) if len(fonts) == 1 else None

    def find(self) -> LeanFont | None:
        """The lean form, if it is there."""
        if self._found is None and self.original is not None:
            body = self._shelf.get(self._name(self.original))
            self._found = lean_font(self.original, body) if body else None
        return self._found

    def make(self) -> None:
        """Make the lean form, unless it is there; a font that is not understood is left as it is.

        Raises:
            OSError: the font cannot be read, or the result not be kept.
        """
        if self.original is None or self._shelf.get(self._name(self.original)) is not None:
            return
        file = self.original.file.read_bytes()
        try:
            body = without_ballast(file)
        except FontError:
            body = b""
        # Nothing says that there is nothing to gain.
        self._shelf.put(self._name(self.original), body if len(body) < len(file) else b"")

    @staticmethod
    def _name(original: Asset) -> str:
        return f"{original.path[1:].replace('/', '-')}.{original.tag}.{LEVEL}"


def lean_font(original: Asset, body: bytes) -> LeanFont:
    """What is known of a lean form."""
    digest = hashlib.sha256(body).hexdigest()[:8]
    name = ORIGINAL.sub(rf"{MEDIA}\1.{digest}.woff2", original.path)
    asset = Asset(name, original.file, original.content_type, f"{digest}-{len(body):x}", IMMUTABLE)
    return LeanFont(asset, body)


def without_ballast(file: bytes) -> bytes:
    """A font without names of glyphs, repeated character maps and needless points.

    Raises:
        FontError: it is not a font of the expected kind.
    """
    font = Font.read(file)
    glyphs = font.table(b"glyf")
    if not glyphs.transformed:
        raise FontError("The glyphs are not transformed.")
    glyphs.data, edges = simplified(glyphs.data)
    names = font.table(b"post")
    names.replace(struct.pack(">I", POST_WITHOUT_NAMES) + names.data[4:32])
    metrics = font.table(b"hmtx")
    count = struct.unpack_from(">H", font.table(b"hhea").data, METRICS_AT)[0]
    if not metrics.transformed and (widths := widths_alone(metrics.data, count, edges)):
        metrics.data, metrics.version = widths, WIDTHS_ALONE
    characters = font.table(b"cmap")
    characters.replace(full_map_alone(characters.data))
    return font.write()


def widths_alone(table: bytes, count: int, edges: list[int]) -> bytes:
    """An hmtx table without the left side bearings, which are the left edges (WOFF 2.0, section 5.4).

    Args:
        table: the table.
        count: how many glyphs have a width of their own in it.
        edges: the left edge of each glyph.

    Returns:
        The table transformed; empty if a bearing is anything else.
    """
    if len(table) != 2 * count + 2 * len(edges):
        return b""
    pairs = struct.unpack(f">{'Hh' * count}{len(edges) - count}h", table)
    if [*pairs[1 : 2 * count : 2], *pairs[2 * count :]] != edges:
        return b""
    return bytes([0b11]) + struct.pack(f">{count}H", *pairs[0 : 2 * count : 2])


def full_map_alone(table: bytes) -> bytes:
    """A cmap table with those subtables alone that map every character (OpenType, cmap: format 12).

    Raises:
        FontError: there is none, or the other subtables are of encodings that it does not replace.
    """
    count = struct.unpack_from(">H", table, 2)[0]
    records = [struct.unpack_from(">HHI", table, 4 + 8 * number) for number in range(count)]
    full = [record for record in records if struct.unpack_from(">H", table, record[2])[0] == FULL_MAP]
    length = struct.unpack_from(">I", table, full[0][2] + 4)[0] if full else 0
    bodies = {table[at : at + length] for _, _, at in full}
    if len(bodies) != 1 or not {platform for platform, _, _ in records} <= {platform for platform, _, _ in full}:
        raise FontError("The character maps are not those of one full map and parts of it.")
    at = 4 + 8 * len(full)
    heads = b"".join(struct.pack(">HHI", platform, encoding, at) for platform, encoding, _ in full)
    return struct.pack(">HH", 0, len(full)) + heads + bodies.pop()
