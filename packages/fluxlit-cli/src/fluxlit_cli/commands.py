"""Which commands there are, and loading the one that was asked for.

Built-in commands stand in a table; others come from the entry-point group `fluxlit.commands`. The list
that `--help` shows is made of names and summaries alone: a module is imported only when its command runs.
A plug-in's entry point names a `typer.Typer` or a function that Typer can turn into a command.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

GROUP = "fluxlit.commands"

BUILT_IN = {
    "new": ("fluxlit_cli.new.command:new", "Create a project that runs at once and has a test."),
    "dev": ("fluxlit_cli.dev:dev", "Run an application and reload what changes."),
    "run": ("fluxlit_cli.run:run", "Run an application in production."),
    "workbench": ("fluxlit_cli.workbench:workbench", "Run behind Posit Workbench, code-server or JupyterHub."),
    "status": ("fluxlit_cli.status:status", "Show what runs: readiness, workers, sessions, restarts."),
    "shutdown": ("fluxlit_cli.shutdown:shutdown", "Stop the server of this project."),
    "doctor": ("fluxlit_cli.doctor.command:doctor", "Look for what would keep an application from running well."),
    "assets": ("fluxlit_cli.assets:assets", "Compress Streamlit's front end ahead of time."),
    "completion": ("fluxlit_cli.completion:completion", "Print what makes a shell complete this command."),
    "healthcheck": ("fluxlit_cli.healthcheck:healthcheck", "Ask the running server whether it is healthy."),
    "config": ("fluxlit_cli.config.command:config", "Show every setting and where its value came from."),
    "config schema": ("fluxlit_cli.config.command:config_schema", "Write a JSON Schema for fluxlit.toml."),
    "pages list": ("fluxlit_cli.pages:list_pages", "List the pages."),
    "pages manifest": ("fluxlit_cli.pages:print_manifest", "Print everything about the pages as JSON."),
    "pages validate": ("fluxlit_cli.pages:validate", "Check the pages without starting anything."),
}

# Those of our other distributions: with their summaries, so that the list needs none of them imported, and with
# where they come from, for people who have not installed it.
SIBLINGS = {
    "auth": ("fluxlit-auth", "List the logins of people, and revoke them."),
    "build": ("fluxlit-deploy", "Write files for containers, clusters and edges."),
}


class PluginError(Exception):
    """A command of another distribution cannot be loaded."""

    exit_code = 1


class Commands(TyperGroup):
    """The commands, each loaded when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name all commands, the built-in ones first."""
        return [*BUILT_IN, *sorted(set(_plugins()) - set(BUILT_IN))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that has the name and the summary."""
        if cmd_name in BUILT_IN:
            return TyperCommand(name=cmd_name, help=BUILT_IN[cmd_name][1])
        if second_words(cmd_name):
            return _family(cmd_name)
        entry = _plugins().get(cmd_name)
        return entry and TyperCommand(name=cmd_name, help=_summary(entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the stand-in of the command that will run by the command itself."""
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        if args[0] in SIBLINGS and args[0] not in self.commands:
            owner = SIBLINGS[args[0]][0]
            ctx.fail(f"{args[0]!r} is a command of {owner}, which is not installed: pip install {owner}.")
        name, command, rest = super().resolve_command(ctx, joined(args))
        return name, command if isinstance(command, TyperGroup) else command and load(str(name)), rest

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete to first words; a command that has two goes on from there."""
        found = {item.value.partition(" ")[0]: item for item in reversed(super().shell_complete(ctx, incomplete))}
        for word, item in found.items():
            item.value = word
        return list(reversed(found.values()))


class Command(TyperCommand):
    """A command whose help fits a narrow terminal: spellings of an option that are longer than a line are broken."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        write = formatter.write_dl

        def write_broken(rows: Any, *arguments: Any, **options: Any) -> None:
            width = formatter.width - formatter.current_indent
            write([(broken(term, width, formatter.current_indent), text) for term, text in rows], *arguments, **options)

        formatter.write_dl = write_broken
        super().format_options(ctx, formatter)
        formatter.write_dl = write


def broken(term: str, width: int, indent: int) -> str:
    """Break the spellings of an option, and the words that it admits, into lines of at most a width if possible."""
    if len(term) <= width:
        return term
    lines = [""]
    for part in re.findall(r".+?(?:, | / |\||$)", term):
        if len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("    ")
        lines[-1] += part
    return f"\n{' ' * indent}".join(line.rstrip() for line in lines)


def second_words(first: str) -> list[str]:
    """List what completes a word to a built-in command of two words."""
    return [name.partition(" ")[2] for name in BUILT_IN if name.startswith(f"{first} ")]


def _family(first: str) -> TyperGroup:
    """Make the group of the commands that share a first word and have none of that word alone."""
    commands = {word: TyperCommand(name=word, help=BUILT_IN[f"{first} {word}"][1]) for word in second_words(first)}
    family = TyperGroup(name=first, commands=commands, rich_markup_mode=None)  # type: ignore[arg-type]
    family.context_settings = {"help_option_names": ["-h", "--help"]}
    return family


def joined(arguments: Sequence[str]) -> list[str]:
    """Make one word of a command that has two, such as ``config schema``."""
    name = " ".join(arguments[:2])
    return [name, *arguments[2:]] if name in BUILT_IN else list(arguments)


def load(name: str) -> Any:
    """Import one command.

    Raises:
        PluginError: the command belongs to another distribution, which is broken.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name][0].partition(":")
        return as_command(getattr(importlib.import_module(module), attribute), name)
    entry = _plugins()[name]
    try:
        return as_command(entry.load(), name)
    except Exception as error:
        raise PluginError(
            f"The command {name!r} comes from {_owner(entry)}, which cannot be loaded: "
            f"{type(error).__name__}: {error}. Upgrade or uninstall that distribution; all other commands work."
        ) from error


def as_command(found: Any, name: str) -> Any:
    """Make a command out of a function or a Typer application."""
    if not isinstance(found, typer.Typer):
        function = found
        found = typer.Typer(rich_markup_mode=None, add_completion=False)
        found.command(name, cls=Command, context_settings={"help_option_names": ["-h", "--help"]})(function)
    command = typer.main.get_command(found)
    command.name = name
    return command


def _plugins() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def _owner(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _summary(entry: metadata.EntryPoint) -> str:
    owner, summary = SIBLINGS.get(entry.name, ("", ""))
    ours = entry.dist is not None and entry.dist.name == owner
    return summary if ours else f"A command of {_owner(entry)}."
