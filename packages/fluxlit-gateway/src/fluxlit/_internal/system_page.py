"""Pages of FluxLit's own, in the look of the application."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from string import Template
from typing import Any

PAGE = "fluxlit.page"
"""Key of the `Look` in the scope of a request."""

LIGHT = {"background": "#ffffff", "text": "#31333f", "primary": "#ff4b4b", "panel": "#f0f2f6"}
DARK = {"background": "#171614", "text": "#fafafa", "primary": "#ff4b4b", "panel": "#262730"}

# A value of a file is part of a style sheet.
_COLOUR = re.compile(r"#[0-9A-Fa-f]{3,8}|[A-Za-z]{3,24}|(?:rgb|hsl)a?\([0-9.,%/ ]{1,40}\)")
_NAMES = {
    "backgroundColor": "background",
    "textColor": "text",
    "primaryColor": "primary",
    "secondaryBackgroundColor": "panel",
}

PLACEHOLDERS: Mapping[str, bool] = {
    "head": True,
    "application": False,
    "heading": True,
    "detail": True,
    "content": True,
}
"""What a template may contain, and whether it must.

``head`` is elements for `<head>`, among them the script of the restart page, and the colours of the theme as variables.
``content`` is links, buttons and forms. The others are text.
"""

DEFAULT = Template("""<!doctype html>
<html lang="en"><head>$head<style>
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;
font:1rem/1.5 "Source Sans","Source Sans Pro",system-ui,sans-serif;color:var(--text);background:var(--background)}
main{width:100%;max-width:28rem;padding:2rem;border-radius:.75rem;background:var(--panel)}
header{font-weight:600;margin-bottom:1.5rem}header:empty{display:none}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem}p{margin:.75rem 0}
a,button{display:inline-block;margin:.25rem .5rem .25rem 0;padding:.375rem .875rem;border-radius:.5rem;font:inherit;
color:inherit;background:none;border:1px solid currentColor;text-decoration:none;cursor:pointer}
a:hover,button:hover{color:var(--primary)}:focus-visible{outline:3px solid var(--primary);outline-offset:2px}
label{display:block}input:not([type=checkbox]){display:block;width:100%;padding:.5rem;font:inherit;color:inherit;
background:var(--background);border:1px solid currentColor;border-radius:.5rem}
small{opacity:.75;overflow-wrap:anywhere}
</style></head><body><main><header>$application</header><h1>$heading</h1><p>$detail</p>$content</main></body></html>
""")

# Not a refresh, which would begin the page anew each second, also for a screen reader, and end in the browser's own
# error page while nothing listens. A script may not follow a redirect to a login.
_RETRY = """<script>(function again(){{setTimeout(function(){{
fetch(location.href,{{method:"HEAD",redirect:"manual",cache:"no-store",headers:{{accept:"text/html"}}}}).then(
function(answer){{answer.status===503?again():location.reload()}},again)}},{milliseconds})}})()</script>"""

_HEAD = """<meta charset="utf-8">{retry}<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="{scheme}"><title>{title}</title><style>:root{{{light}}}{dark}</style>"""


@dataclass(frozen=True)
class Look:
    """What system pages take over from the application.

    Attributes:
        title: name of the application; empty for none.
        icon: an emoji, or empty.
        light: colours of the light theme.
        dark: those of the dark one; the same as `light` where the application has one theme only.
        template: the page around all that, with `PLACEHOLDERS`.
        start: path of the start page.
    """

    title: str = ""
    icon: str = ""
    light: Mapping[str, str] = field(default_factory=lambda: LIGHT)
    dark: Mapping[str, str] = field(default_factory=lambda: DARK)
    template: Template = DEFAULT
    start: str = "/"

    def render(
        self, heading: str, detail: str, *, content: str = "", retry_s: int | None = None, request_id: str = ""
    ) -> str:
        """Return a page.

        Args:
            heading: in plain text, as is `detail`.
            detail: one paragraph.
            content: HTML below it, not escaped; by default a link to the start page.
            retry_s: seconds after which the browser asks again, until it gets something other than 503.
            request_id: id of the request, for people who ask for help.
        """
        two = self.light != self.dark
        content = content or f'<p><a href="{escape(self.start)}">Start page</a></p>'
        head = _HEAD.format(
            retry="" if retry_s is None else _RETRY.format(milliseconds=retry_s * 1000),
            scheme="light dark" if two else "only light",
            title=escape(f"{heading} - {self.title}" if self.title else heading),
            light=_variables(self.light),
            dark=f"@media(prefers-color-scheme:dark){{:root{{{_variables(self.dark)}}}}}" if two else "",
        )
        return self.template.substitute(
            head=head,
            application=escape(" ".join(filter(None, (self.icon, self.title)))),
            heading=escape(heading),
            detail=escape(detail),
            content=content + (f"<p><small>Request {escape(request_id)}</small></p>" if request_id else ""),
        )


def faults(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with a template, each with its line."""
    found: set[str] = set()
    for match in Template.pattern.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        name = match["named"] or match["braced"]
        if match["invalid"] is not None:
            yield line, "a single $ is no placeholder; write $$ for a dollar sign"
        elif name and name not in PLACEHOLDERS:
            yield line, f"there is no ${name}; the placeholders are {', '.join(f'${each}' for each in PLACEHOLDERS)}"
        elif name:
            found.add(name)
    last = max(len(text.splitlines()), 1)
    for name, required in PLACEHOLDERS.items():
        if required and name not in found:
            yield last, f"${name} is missing"


def look_of(scope: Mapping[str, Any]) -> Look:
    """Return the look for a request."""
    found = scope.get(PAGE)
    return found if isinstance(found, Look) else Look()


def colours(theme: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the light and the dark colours of Streamlit's theme.

    Args:
        theme: the options below ``theme``, with ``light`` and ``dark`` as tables. As in Streamlit, a base or a colour
            of the common theme leaves one theme only.
    """
    light, dark = theme.get("light", {}), theme.get("dark", {})
    own = {name for name in _NAMES if name in theme} - {"primaryColor"}
    alone = "base" in theme or (own and not (light or dark))
    base = DARK if theme.get("base") == "dark" else LIGHT
    if alone:
        only = {**base, **_chosen(theme)}
        return only, only
    return {**LIGHT, **_chosen(theme), **_chosen(light)}, {**DARK, **_chosen(theme), **_chosen(dark)}


def _chosen(theme: Any) -> dict[str, str]:
    given = theme if isinstance(theme, Mapping) else {}
    found = {own: given[name] for name, own in _NAMES.items() if name in given}
    return {own: value for own, value in found.items() if isinstance(value, str) and _COLOUR.fullmatch(value)}


def _variables(colours: Mapping[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())
