"""Write docs/reference/settings.md from the declarations of settings."""

from pathlib import Path

from fluxlit.settings import Settings, describe

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

In the file and as an argument, a setting has the name of its heading. In a variable, write a list with commas or as
JSON, and a table as JSON.
"""


def entry(setting: str) -> str:
    """Describe one setting."""
    field = Settings.model_fields[setting]
    default = "none" if field.default is None else f"`{describe.shown(field.default)}`"
    flags = " or ".join(f"`{name}`" for name in (describe.flag_name(setting), *describe.flag_aliases(setting)))
    return "\n".join(
        [
            f"## {setting}",
            "",
            str(field.description),
            "",
            "| flag | variable | value | default |",
            "|---|---|---|---|",
            f"| {flags} | `{describe.env_name(setting)}` | {describe.expected(setting)} | {default} |",
            "",
        ]
    )


def reference() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *map(entry, describe.SETTINGS)]).rstrip() + "\n"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
