"""Screenshots of real pages for the documentation, light and dark.

A picture carries the digest of the code that it shows. When that code changes, the test that shows the page takes the
picture anew and fails, so that it is looked at and committed.
"""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page

from tests.support.processes import ROOT

IMAGES = ROOT / "docs" / "images"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
COLOURS = 128  # flat areas and letters need no more, and a third of the bytes
_DIGEST = "Sources"
_HAS_SCHEME = """scheme => {
    const page = document.querySelector('[data-testid=stApp]') || document.body
    const [red, green, blue] = getComputedStyle(page).backgroundColor.match(/\\d+/g).map(Number)
    return (red + green + blue < 384) === (scheme === 'dark')
}"""


@dataclass
class Album:
    """The pictures that one test takes."""

    renewed: list[str] = field(default_factory=list)

    def take(self, page: Page, name: str, sources: Iterable[Path], *, moving: bool = False) -> None:
        """Show the page light and dark, and take the pictures that are too old.

        Args:
            page: what the visitor sees.
            name: of the files, without scheme and suffix.
            sources: files and folders with the code of that page.
            moving: do not wait until the page stands still, which it does not.
        """
        current = digest(sources)
        page.mouse.move(0, 0)  # nothing is pointed at
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(_HAS_SCHEME, arg=scheme)
            path = IMAGES / f"{name}-{scheme}.png"
            if digest_in(path) != current:
                save(page.screenshot() if moving else still(page), path, current)
                self.renewed.append(path.name)
        page.emulate_media(color_scheme="light")

    def check(self) -> None:
        """Fail if a picture was taken anew."""
        if self.renewed:
            pytest.fail(f"Older than the code and taken anew, to look at and commit: {', '.join(self.renewed)}")


def digest(sources: Iterable[Path]) -> str:
    """Return what a picture depends on."""
    total = hashlib.sha256()
    for source in sources:
        files = [source] if source.is_file() else sorted(each for each in source.rglob("*") if each.is_file())
        for each in files:
            if each.suffix in {".py", ".toml"}:
                total.update(each.read_bytes())
    return total.hexdigest()


def digest_in(path: Path) -> str:
    """Return the digest in a picture; empty if there is none."""
    if not path.exists():
        return ""
    with Image.open(path) as image:
        return str(image.info.get(_DIGEST, ""))


def still(page: Page) -> bytes:
    """Return a screenshot once nothing moves any more."""
    deadline = time.monotonic() + 60
    last = page.screenshot(animations="disabled")
    while (now := page.screenshot(animations="disabled")) != last:
        assert time.monotonic() < deadline, "the page does not stand still"
        last = now
    return now


def save(png: bytes, path: Path, current: str) -> None:
    """Write a small PNG with the digest of its sources."""
    notes = PngInfo()
    notes.add_text(_DIGEST, current)
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(path, optimize=True, pnginfo=notes)
