"""`fluxlit completion`: print a completion script for a shell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]  # not declared public

from fluxlit_cli import exit_codes, output

Shell = Annotated[
    Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)
]


def completion(shell: Shell) -> int:
    """Print the completion script for a shell.

    For the running shell: eval "$(fluxlit completion bash)", with zsh the same after compinit;
    fluxlit completion fish | source. `fluxlit --install-completion` installs it for every new shell.
    """
    output.write(get_completion_script(prog_name="fluxlit", complete_var="_FLUXLIT_COMPLETE", shell=shell))
    return exit_codes.SUCCESS
