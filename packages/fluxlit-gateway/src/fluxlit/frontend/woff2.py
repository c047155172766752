"""WOFF 2.0 files, taken apart and put together again (https://www.w3.org/TR/WOFF2/)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import brotli

SIGNATURE = b"wOF2"
HEADER = struct.Struct(">4sIIHHIIHHIIIII")
KNOWN_TAGS = (
    b"cmap head hhea hmtx maxp name OS/2 post cvt_ fpgm glyf loca prep CFF_ VORG EBDT EBLC gasp hdmx kern LTSH PCLT "
    b"VDMX vhea vmtx BASE GDEF GPOS GSUB EBSC JSTF MATH CBDT CBLC COLR CPAL SVG_ sbix acnt avar bdat bloc bsln cvar "
    b"fdsc feat fmtx fvar gvar hsty just lcar mort morx opbd prop trak Zapf Silf Glat Gloc Feat Sill"
)
TAGS = [tag.replace(b"_", b" ") for tag in KNOWN_TAGS.split()]
OTHER_TAG = 63
NULL_TRANSFORM_OF_GLYPHS = 3
SFNT_HEADER, SFNT_RECORD = 12, 16


class FontError(ValueError):
    """A font is not what this module can read."""


@dataclass
class Table:
    """One table.

    Attributes:
        tag: its name.
        version: which transformation it is in (section 5).
        length: bytes of the table before the transformation.
        data: its bytes, transformed.
    """

    tag: bytes
    version: int
    length: int
    data: bytes

    @property
    def transformed(self) -> bool:
        """Its bytes are not those of the table; for glyphs the transformation has number 0."""
        return self.version != (NULL_TRANSFORM_OF_GLYPHS if self.tag in (b"glyf", b"loca") else 0)

    def replace(self, data: bytes) -> None:
        """Take other bytes, of a table that is not transformed."""
        self.data, self.length = data, len(data)


@dataclass
class Font:
    """One font.

    Attributes:
        flavor: what kind of font (section 4.1).
        tables: in their order.
        version: major and minor.
    """

    flavor: int
    tables: list[Table]
    version: tuple[int, int] = (0, 0)

    def table(self, tag: bytes) -> Table:
        """One table.

        Raises:
            FontError: there is none.
        """
        for table in self.tables:
            if table.tag == tag:
                return table
        raise FontError(f"There is no table {tag!r}.")

    @classmethod
    def read(cls, file: bytes) -> Font:
        """Take a file apart; extended metadata and private data are left out.

        Raises:
            FontError: it is no font, a collection of several, or damaged.
        """
        try:
            return cls._read(file)
        except (struct.error, IndexError, brotli.error) as error:
            raise FontError(f"The font is damaged: {error}") from error

    @classmethod
    def _read(cls, file: bytes) -> Font:
        signature, flavor, _, count, _, _, compressed, major, minor, *_ = HEADER.unpack_from(file)
        if signature != SIGNATURE or flavor == int.from_bytes(b"ttcf"):
            raise FontError("This is no single font in WOFF 2.0.")
        at, tables = HEADER.size, []
        for _ in range(count):
            flags = file[at]
            at += 1
            tag = file[at : at + 4] if flags & 0x3F == OTHER_TAG else TAGS[flags & 0x3F]
            at += 4 if flags & 0x3F == OTHER_TAG else 0
            length, at = read_base128(file, at)
            table = Table(tag, flags >> 6, length, b"")
            size, at = read_base128(file, at) if table.transformed else (length, at)
            tables.append((table, size))
        data = brotli.decompress(file[at : at + compressed])
        if len(data) != sum(size for _, size in tables):
            raise FontError("The font is damaged: its tables are not as long as it says.")
        at = 0
        for table, size in tables:
            table.data = data[at : at + size]
            at += size
        return cls(flavor, [table for table, _ in tables], (major, minor))

    def write(self) -> bytes:
        """The font as a file, compressed as well as it can be."""
        entries = b"".join(self._entry(table) for table in self.tables)
        body = brotli.compress(
            b"".join(table.data for table in self.tables), mode=brotli.MODE_FONT, quality=11, lgwin=22
        )
        size = HEADER.size + len(entries) + len(body)
        padding = -size % 4
        whole = SFNT_HEADER + sum(SFNT_RECORD + (table.length + 3) // 4 * 4 for table in self.tables)
        header = HEADER.pack(
            SIGNATURE, self.flavor, size + padding, len(self.tables), 0, whole, len(body), *self.version, 0, 0, 0, 0, 0
        )
        return b"".join((header, entries, body, bytes(padding)))

    @staticmethod
    def _entry(table: Table) -> bytes:
        known = TAGS.index(table.tag) if table.tag in TAGS else OTHER_TAG
        entry = bytes([table.version << 6 | known]) + (table.tag if known == OTHER_TAG else b"")
        return entry + base128(table.length) + (base128(len(table.data)) if table.transformed else b"")


def read_base128(data: bytes, at: int) -> tuple[int, int]:
    """A number in UIntBase128 (section 4.1), and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def base128(value: int) -> bytes:
    """A number in UIntBase128."""
    found = [value & 0x7F]
    while value := value >> 7:
        found.append(value & 0x7F | 0x80)
    return bytes(reversed(found))
