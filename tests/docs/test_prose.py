"""The check of prose finds what it should, where it is, and passes plain English."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.check_prose import ROOT, Measure, check


def findings(folder: Path, name: str, text: str) -> list[str]:
    """Check a file of this name and text."""
    path = folder / Path(name).name
    path.write_text(text, encoding="utf-8")
    return list(check(path, name=name))


VAGUE = ["somebody", "nobody", "everybody", "anybody", "whoever", "whom", "whose", "whatever", "told", "tell", "tells"]


@pytest.mark.parametrize("word", VAGUE)
def test_the_budget_of_vague_words_is_zero(word: str, tmp_path: Path) -> None:
    [found] = findings(tmp_path, "page.md", f"# Title\n\nThe server\n{word.title()} is there.\n")
    assert found.startswith(f'page.md:4: "{word.title()}" -> write "')


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('"""Serve whatever comes."""\n', 1),
        ('"""Serve.\n\nServe\nwhatever comes.\n"""\n', 4),
        ("x = 1\n# For whatever\n# comes.\n", 2),
        ("x = 1  # for whatever comes\n", 1),
        ("class A:\n    x: int = 1\n    '''What for,\n    whatever it is.'''\n", 4),
        ('print("Serves whatever comes.")\n', 1),
        ('print(f"Serves {1} whatever comes.")\n', 1),
        ('x = 1\nprint(\n    "Serves "\n    f"{x} or whatever comes."\n)\n', 4),
        ("print(f\"{len('Serves whatever comes')}\")\n", 1),
    ],
)
def test_python(text: str, line: int, tmp_path: Path) -> None:
    [found] = findings(tmp_path, "module.py", text)
    assert found.startswith(f'module.py:{line}: "whatever"')


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("page.md", "```python\nwhatever = 1\n```\n\n`whatever` [whatever](whatever.md)\n", 5),
        ("page.html", "<p class='whatever'>\nWhatever &amp; more</p>", 2),
        ("page.html", "<style>\nwhatever { }\n/* Whatever */</style>", 3),
        ("page.html", '<img\nalt="Whatever it is">', 2),
        ("style.css", ".whatever { color: red }\n/* For\n whatever */", 3),
        ("script.js", "const whatever = 1;\n// Whatever", 2),
        ("script.js", 'whatever();\nalert("Do whatever you want");', 2),
        ("file.toml", "whatever = 1\n# Whatever", 2),
        ("file.toml", 'description = "Serves whatever comes."', 1),
        ("file.yaml.jinja", "whatever: 1  # whatever", 1),
        ("app.py.template", "$service_import\n# Whatever", 2),
        ("Dockerfile", "RUN whatever\n# Whatever", 2),
    ],
)
def test_other_files(name: str, text: str, line: int, tmp_path: Path) -> None:
    [found] = findings(tmp_path, name, text)
    assert found.lower().startswith(f'{name}:{line}: "whatever"'.lower())


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("It removes the Host field.", "header, headers"),
        ("It removes the `X-Request-Id` field.", "header, headers"),
        ("It removes each field of the request.", "headers of the request, of the response"),
        ("It understands no other coding.", "Transfer-Encoding, Content-Encoding"),
        ("The value must be a text that is not empty.", "a string"),
        ("Each value is a text.", "a string"),
        ("The answer has no body.", "response"),
        ("It answers with 503.", "responses; responds with"),
        ("It answers within a second.", None),
        ("The log says so.", "reports, states, sends, logs, shows"),
        ("The worker hears of it.", "receive, be notified of"),
        ("The gate refuses it.", "authentication middleware, access policy"),
        ("A member is started again.", "worker, backend"),
        ("It is for nobody.", "the role: no client may, no user can"),
        ("It serves what is\nasked for.", "the request, the argument, the requested page"),
    ],
)
def test_terms(text: str, write: str | None, tmp_path: Path) -> None:
    found = findings(tmp_path, "page.md", text)
    if write is None:
        assert found == []
    else:
        assert any(line.endswith(f'-> write "{write}"') for line in found)


@pytest.mark.parametrize(
    "text",
    [
        "A form has a field for the name, and the front end checks each field of the form.",
        "A field in the response is a JSON field; two observations of a gauge.",
        "The front page is in front of the others.",
        "A dataclass field with a default; the field of engineering.",
        "Run it as `whatever`, as user nobody, in /home/nobody, or as nobody:nogroup.",
        "A text file, a text area, the text of the page, two texts.",
        "The server answers, and the answer to your question is yes.",
        "The first member of the set; members of the workspace. There is room for two.",
        "The keyboard of the dashboard, the shell, the box.",
        "Attempts, turns, promises, claims, notices, tabs and sites are words like others.",
    ],
)
def test_legitimate_uses_pass(text: str, tmp_path: Path) -> None:
    assert findings(tmp_path, "page.md", text) == []


def test_code_is_not_prose(tmp_path: Path) -> None:
    text = "whose = {'whatever': tells}\n\n\ndef whoever(told: str) -> None:\n    print('nobody')\n"
    assert findings(tmp_path, "module.py", text) == []


def test_the_first_line_of_a_docstring_is_short(tmp_path: Path) -> None:
    def module(length: int) -> str:
        return f'class A:\n    """{"x" * length}\n\n    {"y" * 100}\n    """\n'

    assert findings(tmp_path, "module.py", module(72)) == []
    assert findings(tmp_path, "module.py", module(73)) == [
        f'module.py:2: "{"x" * 73}" -> write "a first line of at most 72 characters"'
    ]


def test_talk_of_the_test_suite_is_kept_from_users_only(tmp_path: Path) -> None:
    text = "The suite follows this page.\n"
    assert len(findings(tmp_path, "docs/how-to/page.md", text)) == 1
    assert findings(tmp_path, "docs/contributing/page.md", text) == []


def test_private_names_are_found_in_the_distributions(tmp_path: Path) -> None:
    found = findings(tmp_path, "packages/one/src/one/keeper.py", "class Judged: ...\n")
    assert [line.partition(": ")[2] for line in found] == [
        '"Judged" -> write "AuthResult"',
        '"keeper" -> write "session authenticator"',
    ]
    assert findings(tmp_path, "benchmarks/module.py", "class Judged: ...\n") == []


def test_the_command(tmp_path: Path) -> None:
    def run(path: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "scripts/check_prose.py", str(path)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    page = tmp_path / "page.md"
    page.write_text("The response has no body.\n")
    assert run(page).returncode == 0
    page.write_text("The client is told.\n")
    done = run(page)
    assert done.returncode == 1
    assert done.stdout == f'{page}:1: "told" -> write "report, send, receive, log, notify"\n'
    assert run(tmp_path / "missing.md").returncode == 2


def test_measure() -> None:
    measure = Measure()
    measure.add('"""Two words."""\n\n# somebody is told\nx = """\na\n"""\n\n\ndef f():\n    """Three more words."""\n')
    assert (measure.code, measure.docstrings, measure.comments, measure.vague, measure.long) == (4, 5, 3, 2, 0)
