"""System pages take over title, icon and colours of the application."""

from __future__ import annotations

import re
from string import Template
from typing import Any

import pytest

from fluxlit._internal.system_page import DARK, DEFAULT, LIGHT, PAGE, Look, colours, faults, look_of


def test_a_page_names_the_application_and_escapes_all() -> None:
    page = Look("Tea & <b>", "🫖").render("Access <denied>", "No & no.", content="<p>raw</p>", request_id="<id>")
    assert "<title>Access &lt;denied&gt; - Tea &amp; &lt;b&gt;</title>" in page
    assert "<header>🫖 Tea &amp; &lt;b&gt;</header>" in page
    assert "<h1>Access &lt;denied&gt;</h1><p>No &amp; no.</p><p>raw</p>" in page
    assert "Request &lt;id&gt;" in page
    assert "<script" not in page


def test_without_an_application_it_is_plain() -> None:
    page = look_of({}).render("One moment", "Wait.", retry_s=2)
    assert "<header></header>" in page  # which is not shown
    assert '<a href="/tea/">Start page</a>' in Look(start="/tea/").render("Error", "No.")
    assert "},2000)})()</script>" in page
    assert look_of({PAGE: "something else"}) == Look()


def test_both_themes_are_there_unless_the_application_has_one() -> None:
    assert 'content="light dark"' in Look().render("a", "b")
    assert "prefers-color-scheme:dark" in Look().render("a", "b")
    page = Look(light=DARK, dark=DARK).render("a", "b")
    assert "prefers-color-scheme" not in page
    assert f"--background:{DARK['background']}" in page


@pytest.mark.parametrize(
    ("theme", "light", "dark"),
    [
        ({}, {}, {}),
        ({"primaryColor": "#abc"}, {"primary": "#abc"}, {"primary": "#abc"}),
        ({"light": {"primaryColor": "teal"}, "dark": {"textColor": "#000"}}, {"primary": "teal"}, {"text": "#000"}),
        (
            {"primaryColor": "rgb(1,2,3)", "dark": {"textColor": "red"}},
            {"primary": "rgb(1,2,3)"},
            {"primary": "rgb(1,2,3)", "text": "red"},
        ),
    ],
)
def test_colours_of_both_themes(theme: dict[str, Any], light: dict[str, str], dark: dict[str, str]) -> None:
    assert colours(theme) == ({**LIGHT, **light}, {**DARK, **dark})


@pytest.mark.parametrize(
    ("theme", "only"),
    [
        ({"base": "dark"}, DARK),
        ({"base": "light", "textColor": "#111"}, {**LIGHT, "text": "#111"}),
        ({"backgroundColor": "#fed"}, {**LIGHT, "background": "#fed"}),
    ],
)
def test_a_base_or_a_common_colour_leaves_one_theme(theme: dict[str, Any], only: dict[str, str]) -> None:
    assert colours(theme) == (only, only)


@pytest.mark.parametrize("value", ["red;}body{display:none", "url(//x)", "</style><script>", "#12", 3, None, ["red"]])
def test_what_is_no_colour_does_not_get_into_the_style(value: Any) -> None:
    light, dark = colours({"primaryColor": value, "dark": {"textColor": value}, "light": "no table"})
    assert (light, dark) == (LIGHT, DARK)
    style = "".join(re.findall(r"<style>(.*?)</style>", Look("x", "", light, dark).render("a", "b"), re.DOTALL))
    assert "--primary" in style
    assert "//x" not in style


OWN = "<html><head>$head</head><body title='$heading'>${application}: $detail costs 5 $$\n$content</body></html>"


def test_a_template_gets_escaped_text_and_the_parts_of_the_page() -> None:
    page = Look("A & B", template=Template(OWN)).render("Say '<hi>'", "1 < 2", content="<p>x</p>", request_id="r1")
    assert "<body title='Say &#x27;&lt;hi&gt;&#x27;'>A &amp; B: 1 &lt; 2 costs 5 $\n<p>x</p>" in page
    assert "Request r1" in page
    assert "--background:" in page


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DEFAULT.template, []),
        (OWN, []),
        (OWN.replace("$$", "$"), [(1, "a single $ is no placeholder; write $$ for a dollar sign")]),
        (f"{OWN}\n$detial\nx", [(3, "there is no $detial; the placeholders are $head, ")]),
        ("<html>\n$head $heading\n$content\n", [(3, "$detail is missing")]),
        ("", [(1, "$head is missing"), (1, "$heading is missing"), (1, "$detail is missing"), (1, "$content is")]),
    ],
)
def test_what_is_wrong_with_a_template_has_a_line(text: str, found: list[tuple[int, str]]) -> None:
    shown = list(faults(text))
    assert [line for line, _ in shown] == [line for line, _ in found]
    assert all(problem.startswith(begin) for (_, problem), (_, begin) in zip(shown, found, strict=True))
