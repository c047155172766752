"""Autobahn's WebSocket test suite, for the gateway and its upstream alone.

The suite is Autobahn's `wstest`, which runs on Python 2.7 only, so it is not part of any environment here::

    virtualenv --python python2.7 suite        # virtualenv 20.15.1 is the last one that makes such environments
    suite/bin/pip install autobahntestsuite==25.10.1
    hatch run bench:conformance --wstest suite/bin/wstest

One run of the suite tries the upstream alone, `fluxlit run` and a plain uvicorn before it. A case that `fluxlit run`
serves worse than the upstream alone is a missed bar: through a tunnel the verdicts are the upstream's. Groups 12 and 13
are on compression: `--compression` switches it on, for FluxLit and for the upstream.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import http
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from harness import Bar, answers, fluxlit_run, free_port, report, running, table, tool, until, workspace
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

HERE = Path(__file__).resolve()

# From good to bad, as the suite's reports have them. What was not agreed on cannot be judged (UNIMPLEMENTED).
ORDER = ("OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "UNCLEAN", "WRONG CODE", "FAILED BY CLIENT", "FAILED")

APP = """
from fluxlit import FluxLit

app = FluxLit()
"""


# --- the servers under test ----------------------------------------------------------------------------------------


async def echo(port: int, *, compression: bool) -> None:
    """The upstream: the `websockets` library, which sends every message back."""

    async def back(socket: ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)

    def healthy(socket: ServerConnection, request: Request) -> Response | None:
        return socket.respond(http.HTTPStatus.OK, "ok") if request.path == "/_stcore/health" else None

    agreed = "deflate" if compression else None
    server = await serve(back, "127.0.0.1", port, compression=agreed, max_size=None, process_request=healthy)
    await server.serve_forever()


@contextlib.contextmanager
def servers(folder: Path, *, compression: bool) -> Iterator[dict[str, int]]:
    """Everything under test, by name, with its port."""
    ports = {"upstream alone": free_port()}
    (folder / "app.py").write_text(APP)
    settings = {"streamlit_upstream": f"http://127.0.0.1:{ports['upstream alone']}", "log_level": "warning"}
    settings["gateway_ws_compression"] = str(compression)
    itself = [sys.executable, str(HERE)]
    with contextlib.ExitStack() as stack:
        role = ["--serve", "--port", str(ports["upstream alone"]), *(["--compression"] if compression else [])]
        program = stack.enter_context(running("upstream", [*itself, *role], folder))
        until(program, lambda: answers(f"http://127.0.0.1:{ports['upstream alone']}/_stcore/health"))
        ports["fluxlit run"] = free_port()
        program = stack.enter_context(fluxlit_run(folder, ports["fluxlit run"], **settings))
        until(program, lambda: answers(f"http://127.0.0.1:{ports['fluxlit run']}/api/readyz"))
        ports["uvicorn app:app"] = free_port()
        command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(ports["uvicorn app:app"])]
        command += ["--ws-max-size", str(1 << 28), "--ws-per-message-deflate", str(compression)]
        environment = {f"FLUXLIT_{name.upper()}": value for name, value in settings.items()}
        program = stack.enter_context(running("uvicorn", command, folder, environment))
        until(program, lambda: answers(f"http://127.0.0.1:{ports['uvicorn app:app']}/api/readyz"))
        yield ports


# --- the suite -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Verdicts of one server in one case: conversation and closing handshake."""

    behavior: str
    closing: str

    def worse(self, other: Verdict) -> bool:
        """This one did worse than the other."""
        mine, its = (self.behavior, self.closing), (other.behavior, other.closing)
        return any(ORDER.index(a) > ORDER.index(b) for a, b in zip(mine, its, strict=True))

    @property
    def failed(self) -> bool:
        """The case was not passed."""
        return ORDER.index(self.behavior) > ORDER.index("UNIMPLEMENTED") or self.closing.startswith("FAILED")


def judge(wstest: str, folder: Path, ports: dict[str, int], cases: list[str]) -> dict[str, dict[str, Verdict]]:
    """Run all cases against every server; return verdicts by server and case."""
    specification = {
        "outdir": str(folder / "reports"),
        "servers": [{"agent": name, "url": f"ws://127.0.0.1:{port}"} for name, port in ports.items()],
        "cases": cases,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    (folder / "specification.json").write_text(json.dumps(specification))
    with (folder / "suite.log").open("wb") as log:
        command = [wstest, "--mode", "fuzzingclient", "--spec", str(folder / "specification.json")]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    if done.returncode:
        last = (folder / "suite.log").read_text(errors="replace").splitlines()[-5:]
        raise SystemExit("\n".join([f"{wstest} ended with {done.returncode}:", *last]))
    found = json.loads((folder / "reports" / "index.json").read_text())
    return {
        name: {case: Verdict(each["behavior"], each["behaviorClose"]) for case, each in found[name].items()}
        for name in ports
    }


def show(verdicts: dict[str, dict[str, Verdict]]) -> list[Bar]:
    """Print what was found; the bars that it is held to."""
    reference = verdicts["upstream alone"]
    rows = []
    for name, by_case in verdicts.items():
        count = collections.Counter(each.behavior for each in by_case.values())
        failed = sum(each.failed for each in by_case.values())
        rows.append([name, str(len(by_case)), *(str(count[each]) for each in ORDER[:4]), str(failed)])
    print(table("Verdicts", ["served by", "cases", *(each.lower() for each in ORDER[:4]), "failed"], rows))
    differing = []
    for case in sorted(reference, key=lambda case: [int(part) for part in case.split(".")]):
        if len({by_case[case] for by_case in verdicts.values()}) > 1:
            cells = [f"{by_case[case].behavior}, {by_case[case].closing}" for by_case in verdicts.values()]
            differing.append([case, *cells])
    print(table("Cases in which they differ", ["case", *verdicts], differing))
    worse = sum(verdict.worse(reference[case]) for case, verdict in verdicts["fluxlit run"].items())
    return [Bar("cases served worse than by the upstream alone", worse, 0)]


def main() -> None:
    """Run the cases, or serve as one of the servers under test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wstest", default="wstest", help="the suite's command")
    parser.add_argument("--cases", nargs="+", default=[f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)])
    parser.add_argument("--compression", action="store_true", help="agree on compression, which groups 12 and 13 try")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(echo(arguments.port, compression=arguments.compression))
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers end as well
        wstest = tool(arguments.wstest, "see the head of benchmarks/conformance.py for how to install it")
        with workspace() as folder, servers(folder, compression=arguments.compression) as ports:
            report(show(judge(wstest, folder, ports, arguments.cases)))


if __name__ == "__main__":
    main()
