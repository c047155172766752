"""`fluxlit status`: what runs, asked on the private admin listener."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fluxlit_cli import exit_codes, output, servers
from fluxlit_cli.asking import SilentServerError, ask

if TYPE_CHECKING:
    from fluxlit.server.registry import Server

PATH = "/status"
SETTINGS_PATH = "/settings"
PROBLEMS = {"ready": "green", "starting": "yellow", "draining": "yellow"}

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
All = Annotated[bool, typer.Option("--all", help="Show all servers of this user, not only those of this project.")]
Settings = Annotated[bool, typer.Option("--settings", help="Also show the settings in force that are no defaults.")]
Within = Annotated[float, typer.Option("--timeout", help="Seconds to wait for an answer.", min=0.1)]


def status(*, as_json: Json = False, everywhere: All = False, settings: Settings = False, timeout: Within = 5.0) -> int:
    """Show what runs: readiness, workers, sessions, restarts.

    The servers of this project are found by the records that they leave for their user, and by the settings
    admin_uds and admin_port. Exit code 0: all that were found are ready. 1: one is not, does not answer, or nothing
    runs.
    """
    here = servers.of_here(everywhere=everywhere)
    found = [_ask(server.admin, timeout, _known(server), settings=settings) for server in here]
    if not found:
        found = [_ask(address, timeout, settings=settings) for address in _configured()]
        found = [each for each in found if "error" not in each]
    if as_json:
        output.say(json.dumps({"servers": found}, indent=2))
    elif found:
        for each in found:
            _show(each)
    else:
        output.error(_nothing(everywhere=everywhere))
    return exit_codes.SUCCESS if found and all(each["status"] == "ready" for each in found) else exit_codes.FAILURE


def _known(server: Server) -> dict[str, Any]:
    return {
        "pid": server.pid,
        "target": server.target,
        "addresses": list(server.addresses),
        "started_at": round(server.started_at, 3),
        "uptime_s": round(time.time() - server.started_at, 3),
    }


def _ask(address: str, within: float, known: dict[str, Any] | None = None, *, settings: bool = False) -> dict[str, Any]:
    """What a server says about itself; what is known without it, and why, if it says nothing."""
    told: dict[str, Any] = {}
    try:
        for path in (PATH, SETTINGS_PATH) if settings else (PATH,):
            answer = ask(address, path, within=within)
            if answer.status != 200:
                reason = f"{address}{path} answers {answer.status}"
                break
            told |= json.loads(answer.body) if path == PATH else {"settings": json.loads(answer.body)}
        else:
            return told
    except SilentServerError as error:
        reason = str(error)
    except ValueError:
        reason = f"{address} answers something else than the status of a FluxLit server"
    return {"status": "silent", "detail": reason, **(known or {}), "error": reason}


def _configured() -> list[str]:
    """Where the settings say that an admin listener is."""
    from fluxlit.settings import resolve  # noqa: PLC0415  (heavy)

    settings = resolve().settings
    found = []
    if settings.admin_uds is not None:
        found.append(f"unix:{Path(settings.admin_uds).absolute()}")
    if settings.admin_port:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.admin_host, settings.admin_host)  # noqa: S104
        found.append(f"http://{f'[{host}]' if ':' in host else host}:{settings.admin_port}")
    return found


def _nothing(*, everywhere: bool) -> str:
    if everywhere:
        return "No FluxLit server of this user runs on this machine."
    pidfile = servers.configured_pidfile()
    held = _holder(pidfile) if pidfile is not None else None
    if held is not None:
        return (
            f"By the pid file {pidfile} the server runs as process {held}, but its status is not readable here: it "
            f"belongs to another user. Ask as that user, or set admin_uds or admin_port."
        )
    others = servers.elsewhere()
    hint = " `fluxlit status --all` shows them." if others else ""
    return f"No FluxLit server of this project runs.{others}{hint} `fluxlit run` starts one."


def _holder(pidfile: Path) -> int | None:
    from fluxlit.server.pid_file import holder  # noqa: PLC0415  (of another distribution)

    try:
        return holder(pidfile)
    except OSError:
        return None


def _show(server: dict[str, Any]) -> None:
    state = server["status"]
    name = server.get("target") or "The application"
    head = output.paint(f"{name} is {state}", PROBLEMS.get(state, "red"))
    pid, uptime = server.get("pid"), server.get("uptime_s")
    known = [f"process {pid}" if pid else "", f"up {output.span(uptime)}" if uptime is not None else ""]
    output.say(f"{head} ({', '.join(filter(None, known))})" if any(known) else head)
    if state != "ready" and server.get("detail"):
        output.say(f"  {server['detail']}")
    for address in server.get("addresses", ()):
        output.say(f"  {address}")
    if "versions" in server:
        _show_figures(server)
    if "settings" in server:
        _show_settings(server["settings"])


def _show_figures(server: dict[str, Any]) -> None:
    names = {"fluxlit-gateway": "FluxLit", "streamlit": "Streamlit", "python": "Python"}
    output.say("  " + ", ".join(f"{label} {server['versions'][name]}" for name, label in names.items()))
    requests = server["requests"]
    counts = {
        "session": server["sessions"],
        "WebSocket": server["websockets"],
        "request": requests["total"],
        "worker restart": server["restarts"],
    }
    output.say("  " + ", ".join(output.counted(count, what) for what, count in counts.items()))
    rows = [_row(worker) for worker in server["workers"]]
    if rows:
        for line in output.columns(["worker", "state", "process", "sessions", "restarts", "memory", "up"], rows):
            output.say(f"  {line}".rstrip())


def _show_settings(settings: dict[str, Any]) -> None:
    rows = [
        [name, each["value"] if isinstance(each["value"], str) else json.dumps(each["value"]), each["source"]["where"]]
        for name, each in settings.items()
        if each["source"]["layer"] != "default"
    ]
    for line in output.columns(["setting", "value", "from"], rows):
        output.say(f"  {line}".rstrip())


def _row(worker: dict[str, Any]) -> list[str]:
    memory, began = worker["memory_bytes"], worker["started_at"]
    return [
        str(worker["number"]),
        worker["state"],
        str(worker["pid"] or "-"),
        str(worker["sessions"]),
        str(worker["restarts"]),
        "-" if memory is None else f"{memory / 1e6:.0f} MB",
        "-" if began is None else output.span(time.time() - began),
    ]
