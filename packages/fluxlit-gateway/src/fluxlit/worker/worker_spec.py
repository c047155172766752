"""The specification of a worker, and the messages of the channel.

One line of JSON each way. The gateway's first line is the `WorkerSpec`. Then:

gateway -> worker: ``{"type": "reload", "changed": [paths]}``; ``{"type": "drain"}``: answer when no script runs;
``{"type": "measure", "worker": number}``.
worker -> gateway: ``{"type": "ready"}``; ``{"type": "failed", "message": text, "traceback": text}``;
``{"type": "reloaded", "ok": bool, "detail": text}``; ``{"type": "drained"}``;
``{"type": "measured", "readings": see `fluxlit.observability.metrics.Samples`}``;
``{"type": "session", "event": "opened" | "left" | "closed", "id": session id}``;
``{"type": "log", ...}``, see `fluxlit.worker.log_records`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxlit.settings import Settings


@dataclass(frozen=True)
class WorkerSpec:
    """Everything that a worker must know, sent over the channel alone.

    Attributes:
        socket: path of the UNIX socket to listen on.
        project_root: folder of the project file, else the gateway's working directory.
        settings: the effective settings.
        target: ``module:attribute`` of the FluxLit object with the pages; unused with `script`.
        script: the user's own Streamlit script, for ``FluxLit(ui=...)``.
        hidden_page: path at which the API hides a page of that script; empty for none.
        api_socket: path of the UNIX socket on which the gateway serves the API to its workers.
        api_base_url: what the API is to see as its own address.
        api_headers: headers of every internal call.
        public_host: host name under which browsers know the gateway, as far as is known.
        public_port: port under which browsers know the gateway, as far as is known.
        cookie_secret: signs Streamlit's own cookies where the user has set no ``server.cookieSecret``. All workers of
            one start share it, for a browser may meet any of them.
        sys_path: import path of the gateway, so that both processes find the same modules.
        arguments: what the user's script sees in ``sys.argv`` after its own name.
        api_security: security schemes of the API's OpenAPI document, for API workers.
        login: the application has a login: requests say who sends them, and what is one user's is kept from others.
        development: whether this is ``fluxlit dev``: error details are shown in the browser.
        terminal: the terminal of the gateway during development, for `breakpoint()`; empty for none.
    """

    socket: str
    project_root: str
    settings: dict[str, Any]
    target: str | None = None
    script: str | None = None
    hidden_page: str = ""
    api_socket: str | None = None
    api_base_url: str = ""
    api_headers: dict[str, str] = dataclasses.field(default_factory=dict)
    public_host: str = "localhost"
    public_port: int = 8000
    cookie_secret: str = dataclasses.field(default="", repr=False)
    sys_path: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    api_security: dict[str, Any] = dataclasses.field(default_factory=dict)
    login: bool = False
    development: bool = False
    terminal: str = ""

    def to_json(self) -> str:
        """The specification as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> WorkerSpec:
        """Read what `to_json` wrote."""
        values = json.loads(line)
        return cls(**{**values, "sys_path": tuple(values["sys_path"]), "arguments": tuple(values["arguments"])})

    def effective_settings(self) -> Settings:
        """The settings as an object; they were validated by the gateway."""
        return Settings(**self.settings)

    @property
    def anchor(self) -> str:
        """The file in the folder that Streamlit takes for the application's.

        That is the folder of configuration, secrets and static files. With pages it is a file of this name in the
        project's root, which is never opened.
        """
        return self.script or str(Path(self.project_root) / "fluxlit-pages")
