"""Streamlit's configuration.

Who wins, who is refused, and what is never asked of the internet.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fluxlit.errors import SettingsError
from fluxlit.settings import Settings
from fluxlit.settings.provenance import Layer, Source
from fluxlit.worker.streamlit_options import OWNED, owned_values, refuse_owned
from fluxlit.worker.worker_spec import WorkerSpec
from tests.gateway.worker.project import Project

ASK = """
import json, logging, sys
from fluxlit.streamlit.log_routing import route_logs
from fluxlit.worker.streamlit_options import configure_streamlit
from fluxlit.worker.worker_spec import WorkerSpec

logging.basicConfig(level="WARNING", format="%(message)s")
route_logs()
configure_streamlit(WorkerSpec.from_json(sys.argv[1]))
from streamlit import config
print(json.dumps([config.get_option(key) for key in json.loads(sys.argv[2])]))
"""


def ask(project: Project, *keys: str, environ: dict[str, str] | None = None, **settings: Any) -> tuple[list[Any], str]:
    """Streamlit's options in a process of their own, and what was logged."""
    about = {name: settings.pop(name, False) for name in ("development", "login")}
    spec = WorkerSpec("unused", str(project.root), Settings(**settings).model_dump(mode="json"), **about)
    result = subprocess.run(
        [sys.executable, "-c", ASK, spec.to_json(), json.dumps(keys)],
        env={**os.environ, **(environ or {})},
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return (json.loads(result.stdout) if result.returncode == 0 else []), result.stderr


def test_settings_beat_the_environment_which_beats_the_file_which_beats_soft_defaults(project: Project) -> None:
    project.write(
        ".streamlit/config.toml",
        """
        [server]
        maxUploadSize = 1
        maxMessageSize = 1
        disconnectedSessionTTL = 1
        [browser]
        gatherUsageStats = true
        """,
    )
    keys = (
        "server.maxUploadSize",
        "server.maxMessageSize",
        "server.disconnectedSessionTTL",
        "browser.gatherUsageStats",
    )
    values, _ = ask(
        project,
        *keys,
        "runner.postScriptGC",
        environ={"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "2", "STREAMLIT_SERVER_MAX_MESSAGE_SIZE": "2"},
        streamlit_options={"server.maxUploadSize": 3},
    )
    assert values == [3, 2, 1, True, False]


def test_environment_variables_are_read_as_streamlits_command_line_reads_them(project: Project) -> None:
    values, _ = ask(
        project,
        "runner.fastReruns",
        "server.folderWatchBlacklist",
        environ={
            "STREAMLIT_RUNNER_FAST_RERUNS": "no",
            "STREAMLIT_SERVER_FOLDER_WATCH_BLACKLIST": "a b",
        },
    )
    assert values == [False, ["a", "b"]]


def test_headers_that_name_a_user_are_refused_by_name(project: Project) -> None:
    """They never reach a page, so `st.user` would stay empty without a word."""
    named = {"X-Forwarded-Email": "email"}
    variable = {"STREAMLIT_SERVER_TRUSTED_USER_HEADERS": json.dumps(named)}
    refused = r"{}: server\.trustedUserHeaders cannot be set\. .*TrustedProxy"
    assert re.search(refused.format("STREAMLIT_SERVER_TRUSTED_USER_HEADERS"), ask(project, environ=variable)[1])
    values, log = ask(project, "server.trustedUserHeaders", environ=variable, login=True)
    assert (values, "server.trustedUserHeaders=" in log) == ([{}], True), "the login fills st.user"
    file = project.write(".streamlit/config.toml", '[server.trustedUserHeaders]\nX-FluxLit-User-Subject = "sub"\n')
    assert ask(project, "server.trustedUserHeaders")[0] == [{}], "for an external Streamlit"
    file.write_text('[server.trustedUserHeaders]\nX-Forwarded-Email = "email"\n')
    assert re.search(refused.format(r"\.streamlit/config\.toml"), ask(project)[1])
    with pytest.raises(SettingsError, match=r"server\.trustedUserHeaders cannot be set .*TrustedProxy"):
        refuse_owned({"server.trustedUserHeaders": named}, Source(Layer.FILE, "fluxlit.toml:1"))


def test_a_bad_environment_variable_is_named(project: Project) -> None:
    _, log = ask(project, environ={"STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "plenty"})
    assert "STREAMLIT_SERVER_MAX_UPLOAD_SIZE: 'plenty' is not int" in log


def test_protection_that_a_file_or_the_environment_switches_off_stays_on_and_says_so(project: Project) -> None:
    project.write(".streamlit/config.toml", "[server]\nenableCORS = false\nport = 8601\n")
    values, log = ask(
        project,
        "server.enableCORS",
        "server.enableXsrfProtection",
        environ={"STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false"},
    )
    assert values == [True, True]
    assert "server.enableCORS=False is not used" in log
    assert "server.enableXsrfProtection=False is not used" in log
    assert "server.port" not in log, "it is there for `streamlit run`, and means nothing here"


def test_development_shows_errors_and_the_menu_and_production_does_not(project: Project) -> None:
    keys = ("client.showErrorDetails", "client.toolbarMode")
    assert ask(project, *keys)[0] == ["none", "minimal"]
    assert ask(project, *keys, development=True)[0] == ["full", "viewer"]


def test_the_public_address_is_streamlits(project: Project) -> None:
    keys = ("browser.serverAddress", "browser.serverPort", "server.baseUrlPath", "server.corsAllowedOrigins")
    values, _ = ask(
        project,
        *keys,
        public_base_url="https://shop.example/apps",
        root_path="/apps",
        allowed_origins=("https://partner.example",),
    )
    assert values == ["shop.example", 443, "apps", ["https://partner.example", "https://shop.example"]]


@pytest.mark.parametrize("key", sorted(OWNED))
def test_every_owned_key_is_refused_with_what_to_do_instead(key: str) -> None:
    with pytest.raises(SettingsError) as raised:
        refuse_owned({key: "anything", "server.maxUploadSize": 1}, Source(Layer.FILE, "fluxlit.toml:3"))
    (problem,) = raised.value.problems
    assert problem.where == "fluxlit.toml:3"
    assert problem.message == f"{key} cannot be set through streamlit_options. {OWNED[key]}"


def test_what_is_owned_is_declared_as_owned() -> None:
    spec = WorkerSpec("unused", "/", {})
    assert set(owned_values(spec, Settings())) <= set(OWNED)


def test_runs_have_as_many_threads_for_fragments_as_streamlit_gives_them(project: Project) -> None:
    found, _ = ask(project, "runner.parallelMaxWorkers")
    with ThreadPoolExecutor() as pool:
        assert found == [pool._max_workers]
    found, _ = ask(project, "runner.parallelMaxWorkers", streamlit_options={"runner.parallelMaxWorkers": 2})
    assert found == [2]
