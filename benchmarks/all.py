"""Run every benchmark that has a limit, and report which limits hold.

With ``--write`` the tables go into docs/reference/benchmarks.md, each with the command that reproduces it.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

DEBIAN = "/usr"
"""Prefix of the Python that the page is measured with: builds of Python differ by a fifth."""

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "reference" / "benchmarks.md"
COMMANDS = ["proxy", "peer", "api", "isolation", "reruns", "page", "startup", "memory", "persistence", "capacity"]

HEAD = """\
# Benchmarks

What FluxLit costs, measured beside software that you know. Compare the ratios: the absolute figures depend on the
machine. `HATCH_PYTHON=/usr/bin/python3 hatch run bench:all --write` measures everything and writes this page; each
table names its own command. A missed limit is shown as missed. [benchmarks/](../../benchmarks/README.md) describes each
benchmark.

Measured on {date}: {cpus} processors ({machine}), Debian's Python {python}, Streamlit {streamlit}. Debian and container
images build Python with profile-guided optimisation. Without it, as pyenv builds by default, FluxLit uses about a fifth
more CPU, and nginx and Caddy do not.
"""


def measured(name: str, *, quick: bool) -> tuple[str, int]:
    """Run one benchmark, return its output and its exit code.

    The output goes to the terminal too.
    """
    command = [sys.executable, str(HERE / f"{name}.py"), *(["--quick"] if quick else [])]
    print(f"=== {name}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, f"=== {name}: {time.monotonic() - begun:.0f} s, exit code {done.returncode}\n", flush=True)
    return done.stdout, done.returncode


def head() -> str:
    """The page's first words."""
    return HEAD.format(
        date=datetime.now(UTC).date().isoformat(),
        cpus=os.cpu_count(),
        machine=platform.machine(),
        python=platform.python_version(),
        streamlit=version("streamlit"),
    )


def section(name: str, output: str) -> str:
    """One benchmark on the page."""
    tables = output.replace("## Bars\n\n", "").replace("## ", "### ").strip()
    tables = re.sub(r", in /.*\n", ".\n\n", tables)  # a folder of the machine that measured
    return f"\n## `hatch run bench:{name}`\n\n{tables}\n"


def missed(output: str) -> list[str]:
    """The rows of bars that do not hold."""
    return [line for line in output.splitlines() if line.endswith("| NO |")]


def main() -> None:
    """Run them and print the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*COMMANDS, []], help="only these")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that all of them run")
    parser.add_argument("--write", action="store_true", help="write docs/reference/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.write and sys.base_prefix != DEBIAN:
        parser.error("--write measures with Debian's Python: HATCH_PYTHON=/usr/bin/python3 hatch run bench:all --write")
    names = arguments.names or COMMANDS
    found = {name: measured(name, quick=arguments.quick) for name in names}
    misses = [line for output, _ in found.values() for line in missed(output)]
    broken = [name for name, (output, code) in found.items() if code and not missed(output)]
    if arguments.write:
        PAGE.write_text(head() + "".join(section(name, output) for name, (output, _) in found.items()))
    print("\n".join([f"{len(misses)} bars missed, {len(broken)} benchmarks broken", *misses, *broken]))
    sys.exit(bool(misses or broken))


if __name__ == "__main__":
    main()
