"""Streamlit's page, changed so that browsers take the lean font of icons.

The font is named by a rule of the page's style sheet. A second rule would not do: browsers load the fonts of both. A
second style sheet with an address of its own would not do either: where replicas take turns, one that has not made it
yet would answer 404, and the page would have no style at all. So the style sheet stands in the page, and its rule
names the lean font first and the original second, which browsers take where the first is not to be had. The page as
a whole is compressed, and sent anew only when it has changed.
"""

from __future__ import annotations

import re

from fluxlit.frontend.files import Files
from fluxlit.frontend.icons import LeanFont

STYLESHEET = re.compile(r'<link rel="stylesheet"[^>]* href="\./(static/css/[^"/]+\.css)"[^>]*>')
SOURCE = 'url(../media/{})format("woff2")'
FOREIGN = re.compile(r"""url\((?!data:|\./static/)|@import|</""")


def with_lean_icons(files: Files, lean: LeanFont) -> str:
    """The page with its style sheet in it; empty if page or style sheet are not as expected.

    Args:
        files: the front end.
        lean: the font.
    """
    page = files.shell.read_text(encoding="utf-8")
    links = list(STYLESHEET.finditer(page))
    if len(links) != 1:
        return ""
    style = (files.folder / links[0].group(1)).read_text(encoding="utf-8")
    original = SOURCE.format(lean.asset.file.name)
    if style.count(original) != 1:
        return ""
    style = style.replace(original, f"{SOURCE.format(lean.asset.path.rpartition('/')[2])},{original}")
    style = style.replace("url(../", "url(./static/")
    if FOREIGN.search(style):
        return ""
    return f"{page[: links[0].start()]}<style>{style}</style>{page[links[0].end() :]}"
