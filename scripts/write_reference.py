"""Write docs/reference/settings.md from the declarations of settings."""

import re
from collections.abc import Iterable
from pathlib import Path

from fluxlit.settings import Settings, describe
from fluxlit_cli.options import panel_of

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"

HEAD = """# Settings

<!-- Written by `hatch run types:reference` from the declarations in `fluxlit.settings`; do not edit. -->

Every setting can be set in every layer. The first layer with a value counts:

1. a flag of `fluxlit run` or `fluxlit dev`;
2. an environment variable;
3. `.env` in the project's folder;
4. `fluxlit.toml`, found from the working directory upwards, else `[tool.fluxlit]` in `pyproject.toml`;
5. an argument of `FluxLit(...)`;
6. the default.

In the file and as an argument, a setting has the name below. Its flag and its variable are made from it, as in
`--root-path` and `FLUXLIT_ROOT_PATH`; the few that differ are in the folded table of each group, with the accepted
values. In a variable, write a list with commas or as JSON, and a table as JSON.
"""

MORE = """
<details markdown>
<summary>Flags, variables, values and details</summary>

| setting | flag | variable | value | more |
|---|---|---|---|---|
"""


def groups() -> dict[str, list[str]]:
    """Return the settings by group, as in `--help-all`."""
    found: dict[str, list[str]] = {}
    for setting in describe.SETTINGS:
        found.setdefault(panel_of(setting), []).append(setting)
    return found


def described(setting: str) -> tuple[str, str]:
    """Return the first sentence about a setting, and the others."""
    text = str(Settings.model_fields[setting].description).replace("|", "\\|")
    first, *rest = re.split(r"(?<=[.])\s+(?=[A-Z0-9`])", text, maxsplit=1)
    return first, "".join(rest)


def line(setting: str) -> str:
    """Return the row with what a setting is."""
    default = Settings.model_fields[setting].default
    shown = "none" if default is None else f"`{describe.shown(default)}`"
    return f'| <a id="{setting}"></a>`{setting}` | {described(setting)[0]} | {shown} |\n'


def details(setting: str) -> str:
    """Return the row with all else."""
    flags = " or ".join(f"`{name}`" for name in (describe.flag_name(setting), *describe.flag_aliases(setting)))
    more = described(setting)[1]
    return f"| `{setting}` | {flags} | `{describe.env_name(setting)}` | {describe.expected(setting)} | {more} |\n"


def section(title: str, settings: Iterable[str]) -> str:
    """Return the heading, the settings, and their details folded."""
    names = list(settings)
    short = f"## {title}\n\n| setting | what it is | default |\n|---|---|---|\n" + "".join(map(line, names))
    return f"{short}{MORE}{''.join(map(details, names))}\n</details>\n"


def reference() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(*group) for group in groups().items())])


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
