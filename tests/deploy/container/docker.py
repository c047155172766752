"""The part of the `docker` command that the pages use, on buildah.

A container shares the network of this machine, so a published port is the one that the application gets.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from tests.deploy.container.engine import Engine, bundle
from tests.support.processes import ROOT

STOP_S = 60


def install(tools: Path, folder: Path) -> None:
    """Write a `docker` command that keeps its images in a folder."""
    tools.mkdir()
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.deploy.container.docker import main; main()"
    script = f"#!/bin/sh\nexport STAND_IN={shlex.quote(str(folder))}\n"
    (tools / "docker").write_text(f'{script}exec {sys.executable} -c {shlex.quote(program)} "$@"\n')
    (tools / "docker").chmod(0o755)


def main() -> None:
    """Run one command; an option that is not known ends it with an error."""
    parser = argparse.ArgumentParser("docker")
    commands = parser.add_subparsers(required=True)
    each = commands.add_parser("build")
    each.set_defaults(run=build)
    each.add_argument("--tag", required=True)
    each.add_argument("context")
    each = commands.add_parser("run")
    each.set_defaults(run=run)
    for option in ("--rm", "--read-only"):
        each.add_argument(option, action="store_true", required=True)
    for option in ("--name", "--tmpfs", "--publish"):
        each.add_argument(option, required=True)
    each.add_argument("--env", action="append", default=[])
    each.add_argument("image")
    each = commands.add_parser("exec")
    each.set_defaults(run=execute)
    each.add_argument("name")
    each.add_argument("command", nargs=argparse.REMAINDER)
    each = commands.add_parser("stop")
    each.set_defaults(run=stop)
    each.add_argument("name")
    given = parser.parse_args()
    given.run(given, Path(os.environ["STAND_IN"]))


def build(given: argparse.Namespace, folder: Path) -> None:
    """`docker build`."""
    Engine(folder).build(Path(given.context).resolve(), given.tag)


def run(given: argparse.Namespace, folder: Path) -> None:
    """`docker run`, in the foreground: signals reach the container."""
    engine = Engine(folder)
    host, _, inside = given.publish.partition(":")
    assert given.tmpfs == "/tmp"
    assert inside, "publish both ports"
    environ = dict(variable.split("=", 1) for variable in given.env) | {"FLUXLIT_GATEWAY_PORT": host}
    place = bundle(folder / given.name, engine.unpack(given.image), engine.config(given.image), environ)
    os.execvp("runc", [*runc(folder), "run", "--bundle", str(place), given.name])


def execute(given: argparse.Namespace, folder: Path) -> None:
    """`docker exec`."""
    os.execvp("runc", [*runc(folder), "exec", given.name, *given.command])


def stop(given: argparse.Namespace, folder: Path) -> None:
    """`docker stop`: SIGTERM, and wait until the container is gone."""
    subprocess.run([*runc(folder), "kill", given.name, "TERM"], check=True)
    deadline = time.monotonic() + STOP_S
    while subprocess.run([*runc(folder), "state", given.name], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "it does not stop"
        time.sleep(0.1)
    print(given.name)


def runc(folder: Path) -> list[str]:
    """The command that runs containers."""
    return ["runc", "--root", str(folder / "runc")]
