"""`fluxlit completion`: completion for shells, where nothing may be installed into the home folder."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # it has long been there

from fluxlit_cli import exit_codes, output

Shell = Annotated[Literal["bash", "zsh", "fish"], typer.Argument(help="Shell to complete in.", show_default=False)]


def completion(shell: Shell) -> int:
    """Print the script that makes a shell complete this command.

    For the running shell: eval "$(fluxlit completion bash)", and with zsh likewise after compinit;
    fluxlit completion fish | source. `fluxlit --install-completion` does it for every new shell.
    """
    output.say(get_completion_script(prog_name="fluxlit", complete_var="_FLUXLIT_COMPLETE", shell=shell))
    return exit_codes.SUCCESS
