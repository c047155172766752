"""`fluxlit status`: query the private admin listeners of servers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fluxlit_cli import exit_codes, output, servers
from fluxlit_cli.local_client import NoResponseError, get

if TYPE_CHECKING:
    from fluxlit.server.registry import Server

PATH = "/status"
SETTINGS_PATH = "/settings"
COLOURS = {"ready": "green", "starting": "yellow", "draining": "yellow"}

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
All = Annotated[bool, typer.Option("--all", help="Show all servers of this user, not only those of this project.")]
Settings = Annotated[bool, typer.Option("--settings", help="Also show settings that differ from their defaults.")]
Within = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Time to wait for a response.", min=0.1)]


def status(*, as_json: Json = False, everywhere: All = False, settings: Settings = False, timeout: Within = 5.0) -> int:
    """Show the running servers: readiness, workers, sessions, restarts.

    The servers of this project are found by the records that they keep for their user, and by the settings
    admin_uds and admin_port. Exit code 0: all servers found are ready. 1: one is not or does not respond, or no
    server runs.
    """
    here = servers.find(everywhere=everywhere)
    found = [_query(server.admin, timeout, _record(server), settings=settings) for server in here]
    if not found:
        found = [_query(address, timeout, settings=settings) for address in _configured()]
        found = [each for each in found if "error" not in each]
    if as_json:
        output.write(json.dumps({"servers": found}, indent=2))
    elif found:
        for each in found:
            _show(each)
    else:
        output.error(_nothing(everywhere=everywhere))
    return exit_codes.SUCCESS if found and all(each["status"] == "ready" for each in found) else exit_codes.FAILURE


def _record(server: Server) -> dict[str, Any]:
    return {
        "pid": server.pid,
        "target": server.target,
        "addresses": list(server.addresses),
        "started_at": round(server.started_at, 3),
        "uptime_s": round(time.time() - server.started_at, 3),
    }


def _query(
    address: str, timeout: float, record: dict[str, Any] | None = None, *, settings: bool = False
) -> dict[str, Any]:
    """Return the status of a server; without one, its record and why."""
    found: dict[str, Any] = {}
    try:
        for path in (PATH, SETTINGS_PATH) if settings else (PATH,):
            response = get(address, path, timeout=timeout)
            if response.status != 200:
                reason = f"{address}{path} responds with status {response.status}"
                break
            found |= json.loads(response.body) if path == PATH else {"settings": json.loads(response.body)}
        else:
            return found
    except NoResponseError as error:
        reason = str(error)
    except ValueError:
        reason = f"{address} does not return the status of a FluxLit server"
    return {"status": "silent", "detail": reason, **(record or {}), "error": reason}


def _configured() -> list[str]:
    """Return the addresses of the admin listener in the settings."""
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
            f"The server runs as process {held} (pid file {pidfile}), but belongs to another user, so its status "
            f"cannot be read. Run this as that user, or set admin_uds or admin_port."
        )
    others = servers.others_note()
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
    head = output.paint(f"{name} is {state}", COLOURS.get(state, "red"))
    pid, uptime = server.get("pid"), server.get("uptime_s")
    facts = [f"process {pid}" if pid else "", f"up {output.duration(uptime)}" if uptime is not None else ""]
    output.write(f"{head} ({', '.join(filter(None, facts))})" if any(facts) else head)
    if state != "ready" and server.get("detail"):
        output.write(f"  {server['detail']}")
    for address in server.get("addresses", ()):
        output.write(f"  {address}")
    if "versions" in server:
        _show_figures(server)
    if "settings" in server:
        _show_settings(server["settings"])


def _show_figures(server: dict[str, Any]) -> None:
    names = {"fluxlit-gateway": "FluxLit", "streamlit": "Streamlit", "python": "Python"}
    output.write("  " + ", ".join(f"{label} {server['versions'][name]}" for name, label in names.items()))
    requests = server["requests"]
    counts = {
        "session": server["sessions"],
        "WebSocket": server["websockets"],
        "request": requests["total"],
        "worker restart": server["restarts"],
    }
    output.write("  " + ", ".join(output.counted(count, what) for what, count in counts.items()))
    rows = [_row(worker) for worker in server["workers"]]
    if rows:
        for line in output.columns(["worker", "state", "process", "sessions", "restarts", "memory", "up"], rows):
            output.write(f"  {line}".rstrip())


def _show_settings(settings: dict[str, Any]) -> None:
    rows = [
        [name, each["value"] if isinstance(each["value"], str) else json.dumps(each["value"]), each["source"]["where"]]
        for name, each in settings.items()
        if each["source"]["layer"] != "default"
    ]
    for line in output.columns(["setting", "value", "from"], rows):
        output.write(f"  {line}".rstrip())


def _row(worker: dict[str, Any]) -> list[str]:
    memory, started = worker["memory_bytes"], worker["started_at"]
    kind = worker.get("kind", "ui")
    return [
        str(worker["number"]) if kind == "ui" else f"{kind}-{worker['number']}",
        worker["state"],
        str(worker["pid"] or "-"),
        str(worker["sessions"]) if kind == "ui" else "-",
        str(worker["restarts"]),
        "-" if memory is None else f"{memory / 1e6:.0f} MB",
        "-" if started is None else output.duration(time.time() - started),
    ]
