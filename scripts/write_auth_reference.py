"""Write docs/reference/auth.md from docstrings about logins and users."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import fluxlit
import fluxlit_auth
from fluxlit.auth.contract import Authenticator, Described
from fluxlit_auth.command import auth

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "auth.md"

HEAD = """# Logins

<!-- Written by `hatch run types:reference` from the docstrings; do not edit. -->

Guides to their use: [Log users in](../how-to/login.md), [Guard pages and routes](../how-to/login-pages.md),
[Let programs call the API](../how-to/login-machines.md) and
[Run behind a proxy that logs users in](../how-to/login-proxies.md). Settings begin with
[`oidc_`](settings.md#oidc_issuer) and [`login_`](settings.md#login_idle_timeout_s).

"""

OWN = """## An authenticator of your own

`FluxLit(auth=...)` takes any object with the methods of `fluxlit.auth.contract.Authenticator`:

"""

USERS = ("User", "current_user", "require_login", "require_roles", "sign_in", "sign_out")
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)
_ITEM = re.compile(r"^    (\*{0,2}[\w.]+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_CODE = re.compile(r"```python\n.*?```\n?", re.DOTALL)
_MARKED = re.compile(r"``([^`]*)``")


def reference() -> str:
    """Return the whole page."""
    parts = [HEAD, "## Users, in `fluxlit`\n\n"]
    parts += [f"- `{name}`: {_first(getattr(fluxlit, name))}\n" for name in USERS]
    parts += ["- `CurrentUser`, `OptionalUser`: annotate a parameter of a route or a page with one: the user.\n"]
    parts += ["\n### fluxlit.User\n\n", _documented(fluxlit.User)]
    parts += ["## fluxlit_auth\n\n"]
    for name in fluxlit_auth.__all__:
        found = getattr(fluxlit_auth, name)
        if found.__module__ == "fluxlit.auth.contract":
            continue
        parts += [f"### fluxlit_auth.{name}\n\n", _documented(found)]
    parts += [OWN, *(f"- `{name}`: {text}\n" for name, text in _methods(Authenticator))]
    parts += ["\nIt may also say of itself (`Described`):\n\n"]
    parts += [f"- `{name}`: {text}\n" for name, text in _methods(Described)]
    parts += ["\n## fluxlit auth\n\n", *_commands(typer.main.get_command(auth), "fluxlit auth")]
    return "".join(parts).rstrip() + "\n"


def _commands(command: Any, name: str) -> Iterator[str]:
    """Yield the reference of a command, or of all commands of a group."""
    for each, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{name} {each}")
    if not hasattr(command, "commands"):
        yield f"### {name}\n\n{_flow(inspect.cleandoc(command.help or ''))}"
        yield "| argument or option | effect |\n| --- | --- |\n"
        for each in command.params:
            spelled = f"[{each.metavar}]" if each.param_type_name == "argument" else ", ".join(each.opts)
            yield f"| `{spelled}` | {each.help} |\n"
        yield "\n"


def _documented(found: Any) -> str:
    text = _signature(found) + _described(inspect.getdoc(found) or "")
    for name, method in _constructors(found):
        text += f"`{found.__name__}.{name}{_arguments(method)}`\n\n{_described(inspect.getdoc(method) or '')}"
    return text


def _signature(found: Any) -> str:
    if isinstance(found, type) and issubclass(found, Exception):
        return ""
    return f"```text\n{found.__name__}{_arguments(found)}\n```\n\n"


def _arguments(found: Any) -> str:
    """The parameters without their types, which the text explains."""
    parameters = inspect.signature(found).parameters.values()
    hidden = {"web", "clock", "transport"}
    kept = [each.replace(annotation=inspect.Parameter.empty) for each in parameters if each.name not in hidden]
    kept = [each.replace(default=...) if _is_made(each.default) else each for each in kept]
    return str(inspect.Signature(kept)).replace("=Ellipsis", "=...")


def _is_made(default: object) -> bool:
    """A default that is made anew each time, or too long to be read."""
    return "factory" in repr(default) or len(repr(default)) > 60


def _constructors(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, type):
        for name, member in vars(found).items():
            if isinstance(member, classmethod) and not name.startswith("_"):
                yield name, getattr(found, name)


def _methods(protocol: type) -> Iterator[tuple[str, str]]:
    for name, member in vars(protocol).items():
        if inspect.isfunction(member) and not name.startswith("_"):
            yield f"{name}()", _first(member)


def _described(docstring: str) -> str:
    """A docstring of Google's style as Markdown, without its examples."""
    text, *sections = _SECTION.split(_CODE.sub("", docstring))
    parts = [_flow(text)]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        items = [(name, value) for name, value in _ITEM.findall(body) if name not in ("web", "clock", "transport")]
        if title == "Returns":
            parts.append(f"Returns: {' '.join(body.split())}\n\n")
        elif items:
            lines = "".join(f"- `{name}`: {' '.join(value.split())}\n" for name, value in items)
            parts.append(f"{'Raises:' if title == 'Raises' else title + ':'}\n\n{lines}\n")
    return _MARKED.sub(r"`\1`", "".join(parts))


def _flow(text: str) -> str:
    paragraphs = [" ".join(each.split()) for each in text.strip().split("\n\n")]
    return "".join(f"{each}\n\n" for each in paragraphs if each)


def _first(found: Any) -> str:
    return _MARKED.sub(r"`\1`", " ".join((inspect.getdoc(found) or "").split("\n\n")[0].split()))


def main() -> int:
    """Write the page."""
    TARGET.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
