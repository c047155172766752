"""`fluxlit run`: an application in production."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from fluxlit_cli import exit_codes, output
from fluxlit_cli.commands import subcommand_names
from fluxlit_cli.head_start import early
from fluxlit_cli.options import with_settings

if TYPE_CHECKING:
    from fluxlit.server.serve import Ready

logger = logging.getLogger("fluxlit")


def _complete(context: typer.Context, incomplete: str) -> list[str]:
    """Complete `config` to `config schema`; targets are not completed."""
    return [word for word in subcommand_names(context.info_name or "") if word.startswith(incomplete)]


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="The application: module:attribute, a file (FluxLit, FastAPI or Streamlit), or a folder. "
        "Default: FLUXLIT_APP, else target in the project file, else app.py, main.py or api.py.",
        show_default=False,
        autocompletion=_complete,
    ),
]


NoLogin = Annotated[bool, typer.Option("--login", hidden=True)]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse to start if `fluxlit config` reports a warning.")]


@with_settings
def run(target: Target = None, *, strict: Strict = False, login: NoLogin = False, flags: Mapping[str, object]) -> int:
    """Run an application in production.

    The address is printed once the pages and the API respond. Ctrl-C or SIGTERM lets open requests
    finish; a second Ctrl-C stops at once.
    """
    if login:
        message = "it signs in anyone without a password and is for fluxlit dev only."
        raise typer.BadParameter(message, param_hint="'--login'")
    if strict:
        from fluxlit_cli.config import strict as strictness  # noqa: PLC0415  (imports the application)

        if strictness.refuses(target, flags):
            return exit_codes.FAILURE

    from fluxlit.server.launch import launch  # noqa: PLC0415  (heavy)

    return launch(target, flags, on_ready=announce, head_start=early())


def announce(ready: Ready) -> None:
    """Print or log the address of the application."""
    if ready.for_machines:
        logger.info("FluxLit is ready at %s (%.1f s)", ready.url, ready.seconds)
        return
    head = output.paint("FluxLit is ready", "green")
    output.write(f"{head} at {output.paint(ready.url, 'bold')} ({ready.seconds:.1f} s)")
