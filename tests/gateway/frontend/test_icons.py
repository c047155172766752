"""The lean font of icons: every icon is there and looks the same."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxlit.frontend import Files, Shelf
from fluxlit.frontend.icons import Icons, without_ballast
from fluxlit.frontend.outlines import Point, simplified
from fluxlit.frontend.outlines import lean as lean_contour
from fluxlit.frontend.woff2 import Font, FontError
from tests.gateway.frontend.font import curves, drawn, names_to_glyphs, opened


@pytest.fixture(scope="module")
def files() -> Files:
    found = Files.of_streamlit()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def original(files: Files) -> bytes:
    asset = Icons(files, Shelf([], None)).original
    assert asset is not None
    return asset.file.read_bytes()


@pytest.fixture(scope="module")
def lean(original: bytes) -> bytes:
    return without_ballast(original)


def test_a_seventh_of_the_file_goes(original: bytes, lean: bytes) -> None:
    assert len(lean) < 0.87 * len(original)


def test_every_glyph_has_the_same_curves(original: bytes, lean: bytes) -> None:
    before, after = opened(original), opened(lean)
    names, numbers = before.getGlyphOrder(), after.getGlyphOrder()
    assert len(names) == len(numbers) > 4000
    different = [
        name for name, number in zip(names, numbers, strict=True) if curves(before, name) != curves(after, number)
    ]
    assert different == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_no_contour_changes_its_curves(points: list[Point]) -> None:
    """Few places and many points: every rule applies, and every case in which it must not."""
    left = lean_contour(points)
    assert len(left) <= len(points)
    doubled = [[(2 * x, 2 * y, on) for x, y, on in each] for each in (points, left)]
    before, after = map(drawn, doubled)
    assert sorted(before) == sorted(after)


def test_every_icon_is_found_by_its_name_and_by_its_code(original: bytes, lean: bytes) -> None:
    before, after = opened(original), opened(lean)
    assert names_to_glyphs(after) == names_to_glyphs(before)
    codes = [{code: font.getGlyphID(name) for code, name in font.getBestCmap().items()} for font in (before, after)]
    assert codes[0] == codes[1]
    assert len(codes[0]) > 4000


def test_nothing_else_is_changed(original: bytes, lean: bytes) -> None:
    before, after = Font.read(original), Font.read(lean)
    assert [table.tag for table in before.tables] == [table.tag for table in after.tables]
    changed = [table.tag for table in before.tables if table.data != after.table(table.tag).data]
    assert sorted(changed) == [b"cmap", b"glyf", b"hmtx", b"post"]
    measures = [[font["hmtx"][name] for name in font.getGlyphOrder()] for font in (opened(original), opened(lean))]
    assert measures[0] == measures[1]
    assert after.table(b"post").data[4:32] == before.table(b"post").data[4:32]


def test_a_font_that_is_put_together_again_is_the_same(original: bytes) -> None:
    before = Font.read(original)
    assert Font.read(before.write()) == before


def test_damage_is_an_error_that_says_so(original: bytes) -> None:
    for length in (0, 3, 20, 48, 100, 5000, len(original) - 100):
        with pytest.raises(FontError):
            without_ballast(original[:length])
    with pytest.raises(FontError, match="no single font"):
        without_ballast(b"wOFF" + original[4:])


def test_whatever_stands_in_the_glyphs_ends(original: bytes) -> None:
    """Bytes that no font tool has written: they are taken or refused, and nothing else happens."""
    chance = random.Random(20)
    whole = Font.read(original).table(b"glyf").data
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.randrange(44)] = chance.randrange(256)
        try:
            assert simplified(bytes(data[: chance.choice([len(data), 50_000])]))[0]
        except FontError:
            continue


def test_other_fonts_are_not_touched(files: Files) -> None:
    """Their license would make another font of them."""
    text = next((files.folder / "static" / "media").glob("SourceSansVF-Upright*")).read_bytes()
    assert Font.read(text).write()[:4] == b"wOF2"
    with pytest.raises(FontError):
        without_ballast(text[: len(text) // 2])


def test_it_is_made_once_and_found_by_others(files: Files, tmp_path: Path) -> None:
    shelf = Shelf([tmp_path], tmp_path)
    maker, other = Icons(files, shelf), Icons(files, shelf)
    assert other.find() is None
    maker.make()
    (kept,) = tmp_path.iterdir()
    made = kept.stat().st_mtime_ns
    maker.make()
    assert kept.stat().st_mtime_ns == made
    found = other.find()
    assert found is not None
    assert found.asset.path.startswith("/static/media/MaterialSymbols-")
    assert found.asset.path not in files.assets()


def test_a_font_that_is_not_understood_is_left_alone(tmp_path: Path) -> None:
    media = tmp_path / "front" / "static" / "media"
    media.mkdir(parents=True)
    (media / "MaterialSymbols-Rounded.nEdyypZU.woff2").write_bytes(b"something new")
    (tmp_path / "shelf").mkdir()
    shelf = Shelf([tmp_path / "shelf"], tmp_path / "shelf")
    icons = Icons(Files(tmp_path / "front", "9.0"), shelf)
    icons.make()
    assert icons.find() is None
    (kept,) = (tmp_path / "shelf").iterdir()
    assert shelf.get(kept.name) == b"", "what is known is not looked at again"
