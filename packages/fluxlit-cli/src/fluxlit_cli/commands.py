"""The table of commands, and loading one of them.

Built-in commands are in a table; others come from the entry-point group `fluxlit.commands`. The list
that `--help` shows needs names and summaries only: a module is imported only when its command runs.
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

from fluxlit_cli.head_start import SERVERS

GROUP = "fluxlit.commands"

BUILT_IN = {
    "demo": ("fluxlit_cli.demo:demo", "Show a small application with what FluxLit does."),
    "new": ("fluxlit_cli.new.command:new", "Create a project with pages, an API and tests."),
    "dev": ("fluxlit_cli.dev:dev", "Run an application and reload changed code."),
    "run": ("fluxlit_cli.run:run", "Run an application in production."),
    "workbench": ("fluxlit_cli.workbench:workbench", "Run behind Posit Workbench, code-server or JupyterHub."),
    "status": ("fluxlit_cli.status:status", "Show the running servers: readiness, workers, sessions, restarts."),
    "shutdown": ("fluxlit_cli.shutdown:shutdown", "Stop the server of this project."),
    "doctor": ("fluxlit_cli.doctor.command:doctor", "Check the application, its settings and this machine."),
    "assets": ("fluxlit_cli.assets:assets", "Compress Streamlit's front end ahead of time."),
    "completion": ("fluxlit_cli.completion:completion", "Print the completion script for a shell."),
    "healthcheck": ("fluxlit_cli.healthcheck:healthcheck", "Check the health of the running server."),
    "config": ("fluxlit_cli.config.command:config", "Show every setting and where its value came from."),
    "config schema": ("fluxlit_cli.config.command:config_schema", "Write a JSON Schema for fluxlit.toml."),
    "pages list": ("fluxlit_cli.pages:list_pages", "List the pages."),
    "pages manifest": ("fluxlit_cli.pages:print_manifest", "Print the pages as JSON."),
    "pages validate": ("fluxlit_cli.pages:validate", "Check the pages without starting anything."),
}

DOCS = "https://github.com/fluxlit/fluxlit/blob/main/docs/"
EXAMPLES = {
    "demo": ("fluxlit demo --open", "how-to/install.md"),
    "new": ("fluxlit new portal --profile full", "how-to/new.md"),
    "dev": ("fluxlit dev app:app --open", "how-to/development.md"),
    "run": ("fluxlit run app:app --host 0.0.0.0 --workers auto", "how-to/deploy.md"),
    "workbench": ("fluxlit workbench app:app", "how-to/workbench.md"),
    "status": ("fluxlit status --all --json", "reference/cli.md"),
    "shutdown": ("fluxlit shutdown --wait 30", "reference/cli.md"),
    "doctor": ("fluxlit doctor --url https://example.com/portal", "how-to/doctor.md"),
    "assets": ("fluxlit assets", "reference/cli.md"),
    "completion": ('eval "$(fluxlit completion bash)"', "reference/cli.md"),
    "healthcheck": ("fluxlit healthcheck --live", "reference/cli.md"),
    "config": ("fluxlit config --diff-default", "how-to/configure.md"),
    "config schema": ("fluxlit config schema -o fluxlit.schema.json", "how-to/configure.md"),
    "build": ("fluxlit build --compose --edge caddy", "how-to/deploy.md"),
    "pages": ("fluxlit pages list", "reference/pages.md"),
    "pages list": ("fluxlit pages list app:app", "reference/pages.md"),
    "pages manifest": ("fluxlit pages manifest > pages.json", "reference/pages.md"),
    "pages validate": ("fluxlit pages validate --strict", "reference/pages.md"),
}
SHOW_ALL = "fluxlit.help_all"

# Commands of our other distributions: the distribution, for an error message if it is not installed, and the summary,
# so that the list of commands imports none of them.
SIBLINGS = {
    "auth": ("fluxlit-auth", "List and revoke the logins of users."),
    "build": ("fluxlit-deploy", "Write files for containers, clusters and edges."),
}


class PluginError(Exception):
    """A command of another distribution cannot be loaded."""

    exit_code = 1


_MEANT = {"serve": "run", "start": "run"}
"""Commands of other servers."""


class Commands(TyperGroup):
    """The group of all commands; each is loaded when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, the built-in ones first."""
        return [*BUILT_IN, *sorted(set(_plugins()) - set(BUILT_IN))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a placeholder with the name and the summary."""
        if cmd_name in BUILT_IN:
            return TyperCommand(name=cmd_name, help=BUILT_IN[cmd_name][1])
        if subcommand_names(cmd_name):
            return _subcommands(cmd_name)
        entry = _plugins().get(cmd_name)
        return entry and TyperCommand(name=cmd_name, help=_summary(entry))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command to run instead of its placeholder."""
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        if args[0] in SIBLINGS and args[0] not in self.commands:
            owner = SIBLINGS[args[0]][0]
            ctx.fail(f"{args[0]!r} is a command of {owner}, which is not installed: pip install {owner}.")
        meant = _MEANT.get(args[0]) or (f"dev {args[0]}" if args[0].endswith(".py") or ":" in args[0] else "")
        if meant and args[0] not in self.commands:
            ctx.fail(f"No such command {args[0]!r}. Did you mean '{ctx.info_name} {meant}'?")
        name, command, rest = super().resolve_command(ctx, joined(args))
        return name, command if isinstance(command, TyperGroup) else command and load(str(name)), rest

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete the first word of a command."""
        found = {item.value.partition(" ")[0]: item for item in reversed(super().shell_complete(ctx, incomplete))}
        for word, item in found.items():
            item.value = word
        return list(reversed(found.values()))


class Command(TyperCommand):
    """A command with help that fits a narrow terminal."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options in panels.

        Without ``--help-all`` only the common settings, and only for servers.
        """
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panel = getattr(parameter, "rich_help_panel", None) or default
            record = _untyped(parameter.get_help_record(ctx))
            if panel not in {"Arguments", "Options"} and not ctx.meta.get(SHOW_ALL):
                panel, record = "Common settings", self._common(parameter.name)
            if record:
                panels.setdefault(panel, []).append(record)
        for panel, rows in panels.items():
            with formatter.section(panel):
                indent = formatter.current_indent
                formatter.write_dl([(broken(term, formatter.width - indent, indent), text) for term, text in rows])

    def _common(self, setting: str) -> tuple[str, str] | None:
        from fluxlit_cli.options import COMMON, summary  # noqa: PLC0415  (imports the settings)

        return summary(setting) if self.name in SERVERS and setting in COMMON else None

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write an example and the address of the documentation."""
        if self.name in EXAMPLES:
            formatter.write(f"\n{_example(self.name)}\n")
        super().format_epilog(ctx, formatter)


def _untyped(record: tuple[str, str] | None) -> tuple[str, str] | None:
    """Leave ``<str>`` out, which Typer adds to the name of an argument."""
    return record and (record[0].replace(" <str>", ""), record[1])


def _example(name: str) -> str:
    example, page = EXAMPLES[name]
    return f"Example: {example}\nMore: {DOCS}{page}"


def broken(term: str, width: int, indent: int) -> str:
    """Break the names and choices of an option into lines of a width."""
    if len(term) <= width:
        return term
    lines = [""]
    for part in re.findall(r".+?(?:, | / |\||$)", term):
        if len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("    ")
        lines[-1] += part
    return f"\n{' ' * indent}".join(line.rstrip() for line in lines)


def subcommand_names(first: str) -> list[str]:
    """Return the subcommands of a built-in command."""
    return [name.partition(" ")[2] for name in BUILT_IN if name.startswith(f"{first} ")]


def _subcommands(first: str) -> TyperGroup:
    """Return a group of commands that share a first word."""
    commands = {word: TyperCommand(name=word, help=BUILT_IN[f"{first} {word}"][1]) for word in subcommand_names(first)}
    group = TyperGroup(name=first, commands=commands, rich_markup_mode=None)  # type: ignore[arg-type]
    group.context_settings = {"help_option_names": ["-h", "--help"]}
    group.epilog = f"\b\n{_example(first)}"
    with_help(group)
    return group


def with_help(command: Any) -> None:
    """Let a group and its subgroups show their help if the command is missing."""
    if isinstance(command, TyperGroup):
        command.no_args_is_help = not command.invoke_without_command
        for child in command.commands.values():
            with_help(child)


def joined(arguments: Sequence[str]) -> list[str]:
    """Join the two words of a command such as ``config schema``."""
    name = " ".join(arguments[:2])
    return [name, *arguments[2:]] if name in BUILT_IN else list(arguments)


def load(name: str) -> Any:
    """Import one command.

    Raises:
        PluginError: the command of another distribution cannot be loaded.
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


def as_command(loaded: Any, name: str) -> Any:
    """Return the command of a function or a Typer application."""
    if not isinstance(loaded, typer.Typer):
        function = loaded
        loaded = typer.Typer(rich_markup_mode=None, add_completion=False)
        loaded.command(name, cls=Command, context_settings={"help_option_names": ["-h", "--help"]})(function)
    command = typer.main.get_command(loaded)
    command.name = name
    with_help(command)
    return command


def _plugins() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def _owner(entry: metadata.EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _summary(entry: metadata.EntryPoint) -> str:
    owner, summary = SIBLINGS.get(entry.name, ("", ""))
    ours = entry.dist is not None and entry.dist.name == owner
    return summary if ours else f"A command of {_owner(entry)}."
