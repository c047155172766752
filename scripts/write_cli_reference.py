"""Write docs/reference/cli.md from the commands themselves."""

import inspect
from pathlib import Path
from typing import Any

from fluxlit.settings import describe
from fluxlit_cli.commands import BUILT_IN, load

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"

HEAD = """# The fluxlit command

Written by `hatch run types:reference` from the commands in `fluxlit_cli`; do not edit.

`fluxlit COMMAND --help` shows the same in a terminal. `python -m fluxlit_cli` is the same command.
`fluxlit --version` names the installed versions. `fluxlit --install-completion` adds completion to the shell
that it runs in, `fluxlit completion bash` (or zsh, or fish) prints the script for it.

Messages go to standard error, results to standard output. Colours appear only on a terminal, and
never when `NO_COLOR` is set. An error is one message that starts with `error:`; `--debug` adds the
traceback. A reader that leaves early disturbs nothing.

## Exit codes

| code | meaning |
|---|---|
| 0 | success; `run` and `dev`: stopped by Ctrl-C or SIGTERM after an orderly end |
| 1 | something is wrong with the input: settings, target, pages; the message says what |
| 2 | wrong use of the command line |
| 3 | the application could not be started: the address is taken, a worker or the API failed |
| 130 | interrupted before there was anything to stop |
"""

PLUGINS = """## Commands of other distributions

A distribution adds a command through the entry-point group `fluxlit.commands`:

```toml
[project.entry-points."fluxlit.commands"]
greet = "my_package.greet:greet"
```

The entry point names a function that [Typer](https://typer.tiangolo.com) can turn into a command, or a
`typer.Typer` with several. What the function returns is the exit code. It is imported only when the
command runs, so a plug-in that is broken is reported then, and harms nothing else.

```python title="my_package/greet.py"
def greet(name: str, *, loud: bool = False) -> int:
    \"\"\"Greet somebody.\"\"\"
    print(f"HELLO {name.upper()}" if loud else f"Hello {name}")
    return 0
```

Install it, and the command is there:

```text
$ fluxlit greet Ada --loud
HELLO ADA
```

A command that FluxLit itself has cannot be replaced. Two more groups add to the commands that exist:
`fluxlit.checks` adds checks to `fluxlit doctor` ([how](../how-to/doctor.md)), and `fluxlit.scaffolds` is where
`fluxlit new` finds the files that ship a project.
"""


def reference() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *map(_command, BUILT_IN), PLUGINS]).rstrip() + "\n"


def _command(name: str) -> str:
    command = load(name)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    own = [each for each in command.params if each.param_type_name == "option" and each.name not in describe.SETTINGS]
    has_settings = any(each.name in describe.SETTINGS for each in command.params)
    usage = " ".join(["fluxlit", name, "[OPTIONS]", *(_placeholder(each) for each in arguments)])
    parts = [f"## fluxlit {name}", "", inspect.cleandoc(command.help or ""), "", "```text", usage, "```", ""]
    parts += ["| argument or option | effect |", "|---|---|"]
    parts += [_row(_placeholder(each), each.help) for each in arguments]
    parts += [_row(", ".join(each.opts), each.help) for each in own]
    if has_settings:
        parts += [*map(_setting, [setting for setting in describe.SETTINGS if setting != "target"])]
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _placeholder(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    return name if argument.required else f"[{name}]"


def _row(name: str, text: str) -> str:
    return f"| `{name}` | {text} |"


def _setting(setting: str) -> str:
    flags = ", ".join(f"`{flag}`" for flag in (describe.flag_name(setting), *describe.flag_aliases(setting)))
    negative = ", with `no-` to turn it off" if describe.kind(setting) == "bool" else ""
    return f"| {flags} | the setting [{setting}](settings.md#{setting}){negative} |"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
