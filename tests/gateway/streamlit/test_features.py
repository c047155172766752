"""Every module of the package.

What it does with this Streamlit, and with one that has renamed a name.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from fluxlit._internal import tested_versions
from fluxlit.streamlit.feature import Feature

CASES = {
    "the external address is never looked up": """
        options.load_options({"server.corsAllowedOrigins": ["https://partner.example"]})
        options.never_look_up_external_address()
        from streamlit import net_util
        from streamlit.web.server.server_util import is_url_from_allowed_origins
        def asked(*_, **__): raise AssertionError("asked the internet")
        net_util._make_blocking_http_get = asked
        assert is_url_from_allowed_origins("https://partner.example")
        assert not is_url_from_allowed_origins("https://stranger.example")
    """,
    "the anchor's folder is the application's": """
        import pathlib
        folder = pathlib.Path("there/.streamlit"); folder.mkdir(parents=True)
        (folder / "config.toml").write_text("[server]\\nmaxUploadSize = 7\\n")
        options.set_project_folder(str(pathlib.Path("there/app.py").absolute()))
        options.load_options({})
        from streamlit import config
        assert config.get_option("server.maxUploadSize") == 7
    """,
    "options have a type, a default and a variable": """
        option = options.option_templates()["server.maxUploadSize"]
        assert (option.type, option.default_val, option.env_var) == (int, 200, "STREAMLIT_SERVER_MAX_UPLOAD_SIZE")
        assert (option.multiple, option.sensitive) == (False, False)
    """,
    "every owned key is one that Streamlit has": """
        from fluxlit.worker.streamlit_options import OWNED
        assert set(OWNED) <= set(options.option_templates())
    """,
    "loggers hand their records up, those made later too": """
        import logging
        seen = []
        class Handler(logging.Handler):
            def emit(self, record): seen.append(record.name)
        logging.getLogger().addHandler(Handler())
        route_logs()
        from streamlit.logger import get_logger
        get_logger("streamlit.runtime").warning("x")
        get_logger("streamlit.made.later").warning("x")
        logging.getLogger("uvicorn.error").warning("x")
        assert seen == ["streamlit.runtime", "streamlit.made.later", "uvicorn.error"], seen
    """,
    "libraries find a server, with what they keep there, also after all has been frozen": """
        import gc
        from types import SimpleNamespace
        from streamlit.web.server.server import Server
        runtime, state = SimpleNamespace(_main_script_path="ui.py"), {}
        for _ in range(2):
            gc.freeze()
            application.show_server(runtime, state)
            [server] = [each for each in gc.get_objects() if isinstance(each, Server)]
            assert (server._runtime, server.main_script_path) == (runtime, "ui.py")
            server.theirs = getattr(server, "theirs", 0) + 1
        assert server.theirs == 2
    """,
    "the session manager reports sessions": """
        class Manager:
            def connect_session(self, client, *, user_info): return "s1"
            def disconnect_session(self, session_id): pass
            def close_session(self, session_id): pass
        class Runtime: _session_mgr = Manager()
        seen = []
        live_sessions.report_sessions(Runtime, lambda *report: seen.append(report))
        assert Runtime._session_mgr.connect_session(None, user_info={}) == "s1"
        Runtime._session_mgr.disconnect_session("s1")
        Runtime._session_mgr.close_session("s1")
        assert seen == [("opened", "s1"), ("left", "s1"), ("closed", "s1")], seen
        from streamlit.runtime.websocket_session_manager import WebsocketSessionManager
        for name in vars(Manager):
            assert name.startswith("__") or callable(getattr(WebsocketSessionManager, name)), name
    """,
    "a running script is seen": """
        from types import SimpleNamespace as Any
        from streamlit.runtime.app_session import AppSessionState as State
        sessions = [Any(session=Any(_state=state)) for state in (State.APP_IS_RUNNING, State.APP_NOT_RUNNING)]
        manager = Any(list_active_sessions=lambda: sessions)
        assert live_sessions.running_scripts(Any(_session_mgr=manager)) == 1
    """,
    "a kept theme is the one that Streamlit makes, with any option set": """
        import copy, itertools
        from streamlit import config
        from streamlit.proto.NewSession_pb2 import CustomThemeConfig
        from streamlit.runtime import app_session
        anew = app_session._populate_theme_msg
        end = keep_themes()
        kept = app_session._populate_theme_msg
        assert kept is not anew, "this Streamlit makes themes in another way"
        SECTIONS = ["theme", "theme.sidebar", "theme.light", "theme.dark", "theme.light.sidebar", "theme.dark.sidebar"]
        def sent(fill):
            theme = CustomThemeConfig()
            parts = [theme, theme.sidebar, theme.light, theme.dark, theme.light.sidebar, theme.dark.sidebar]
            for part, section in zip(parts, SECTIONS):
                fill(part, section)
            return theme.SerializeToString(deterministic=True)
        def same():
            made = sent(anew)
            assert sent(kept) == made, made
            assert sent(kept) == made, made
            return made
        FACES = [{"family": "Inter", "url": "https://fonts.example/inter.woff2", "weight": 400}]
        seen = [same()]
        for key, value in [
            ("theme.primaryColor", "#ff0000"), ("theme.primaryColor", "#00ff00"), ("theme.base", "dark"),
            ("theme.sidebar.backgroundColor", "#123456"), ("theme.dark.sidebar.textColor", "#abcdef"),
            ("theme.chartCategoricalColors", ["#111111", "#222222"]), ("theme.fontFaces", FACES),
            ("theme.font", "serif"), ("theme.light.baseRadius", "none"), ("theme.headingFontSizes", "3rem"),
        ]:
            config.set_option(key, value)
            seen.append(same())
        config.get_option("theme.chartCategoricalColors").append("#333333")
        seen.append(same())
        for key in ("theme.primaryColor", "theme.light.baseRadius"):
            config.set_option(key, None)
            seen.append(same())
        config.set_option("theme.light.primaryColor", "")
        seen.append(same())
        assert len(set(seen)) == len(seen), "each change was sent"
        options.load_options({"theme.primaryColor": "#0000ff"})
        assert b"#0000ff" in same()
        options.load_options({})
        assert same() == seen[0]
        computed = itertools.count(100_000)
        config.get_config_options()["theme.primaryColor"](lambda: f"#{next(computed)}")
        assert sent(kept) != sent(kept), "an option that computes its value is asked each time"
        options.load_options({})
        end()
        assert app_session._populate_theme_msg is anew
    """,
    "messages wait for less than Streamlit would have them": """
        from streamlit.runtime import runtime
        before = runtime.MESSAGE_FLUSH_INTERVAL_SECS
        end = send_sooner()
        assert 0 < runtime.MESSAGE_FLUSH_INTERVAL_SECS < before
        end()
        assert runtime.MESSAGE_FLUSH_INTERVAL_SECS == before
        import inspect
        assert "sleep(MESSAGE_FLUSH_INTERVAL_SECS)" in inspect.getsource(runtime), "read at each wait"
    """,
    "a feature that fails when it is used is off from then on": """
        import logging
        lines = []
        class Lines(logging.Handler):
            def emit(self, record): lines.append(record.getMessage())
        logging.getLogger("fluxlit.ui").addHandler(Lines())
        feature = Feature("tea", off="There is no tea.", names=("streamlit.config:get_option",))
        calls = []
        def brew(): calls.append(1); raise KeyError("leaves")
        assert [feature.attempt(brew, "water") for _ in range(3)] == ["water"] * 3
        assert (len(calls), len(lines)) == (1, 1)
        assert all(part in lines[0] for part in ("tea", "KeyError: 'leaves'", "There is no tea.", "Streamlit 1."))
    """,
    "a name that older releases lack is not missed there": """
        name = "streamlit.config:never_there"
        assert Feature("tea", off="", names=(name,), since={name: "99.0"}).on
        assert not Feature("tea", off="", names=(name,), since={name: "1.0"}).on
    """,
    "a probe that fails switches a feature off": """
        def probe(): raise TypeError("takes other arguments")
        assert "takes other arguments" in Feature("tea", off="", names=(), probe=probe).lack
    """,
    "every feature is on with this Streamlit": """
        for feature in FEATURES:
            assert feature.on, feature.lack
    """,
    "each name in the table is missed when it is renamed": """
        import importlib, pathlib, re, sys, types
        def renamed(module, name):
            source = pathlib.Path(module.__file__).read_text("utf-8")
            fresh = types.ModuleType(module.__name__)
            fresh.__dict__.update(__file__=module.__file__, __spec__=module.__spec__, __package__=module.__package__)
            sys.modules[module.__name__] = fresh
            exec(compile(re.sub(rf"\\b{name}\\b", name + "2", source), module.__file__, "exec"), fresh.__dict__)
            return fresh
        for name in dict.fromkeys(name for feature in FEATURES for name in feature.names):
            place, _, path = name.partition(":")
            module = importlib.import_module(place)
            *owner, attribute = path.split(".")
            if owner:
                kept = getattr(module, owner[0])
                kinds = [each.__module__ for each in reversed(kept.__mro__) if each.__module__.startswith("streamlit")]
                homes = [sys.modules[each] for each in dict.fromkeys(kinds)]
                fresh = [renamed(home, attribute) for home in homes]
                setattr(module, owner[0], getattr(fresh[-1], owner[0]))
            else:
                homes = [module]
                renamed(module, attribute)
            assert not has(name), name
            sys.modules.update({home.__name__: home for home in homes})
            if owner:
                setattr(module, owner[0], kept)
            assert has(name), name
    """,
    "sessions are copied where that is wanted and possible": """
        from fluxlit.settings import Settings
        from fluxlit.worker import resume
        for url, wanted in (("memory://", True), (None, True), ("sqlite:///s.db", False)):
            assert resume.set_up(Settings(session_store=url, restore_sessions=wanted)) is None
        assert resume.wanted(Settings(session_store="sqlite:///s.db"))
    """,
    "static routes exist": """
        options.load_options({"server.enableStaticServing": True})
        assert application.static_routes("/project/app.py", "")
    """,
}


IMPORTS = """
from fluxlit.streamlit import application, live_sessions, options
from fluxlit.streamlit.feature import Feature, has
from fluxlit.streamlit.features import FEATURES
from fluxlit.streamlit.log_routing import route_logs
from fluxlit.streamlit.messages import send_sooner
from fluxlit.streamlit.themes import keep_themes
"""


def test_cases(tmp_path: Path) -> None:
    """All cases in one process, for importing Streamlit takes a second."""
    cases = [f"print({name!r})\n{textwrap.dedent(code)}" for name, code in CASES.items()]
    program = "\n".join([IMPORTS, *cases])
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, f"{result.stdout.splitlines()[-1:]}:\n{result.stderr}"
    assert result.stdout.splitlines() == list(CASES)


TESTED = tested_versions.tested_range("streamlit")

SERVED = {
    "_config_options_template": "",
    "_external_ip": "no look-up of the external address",
    "_loggers": "routing of log records",
    "_main_script_path": "the application's folder",
    "_populate_theme_msg": "kept themes",
    "_run_script": "what surrounds a run",
    "_session_mgr": "reports of sessions",
    "_session_state": "restoring of sessions",
    "load_config_options": "",
    "media_file_mgr:login": None,
    "intended_page_script_hash:login": "the page that a browser asks for",
    "get_script_run_ctx:login": None,
    "get_config_options": None,
    "_session_mgr:login": None,
}
"""Name to rename, with `:login` for an application with a login -> the feature that is off, `None` for a refusal."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("renamed")
    program = Path(__file__).with_name("renamed_worker.py")
    done = subprocess.run(
        [sys.executable, program, folder, *SERVED], capture_output=True, text=True, timeout=300, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {f"{line['name']}{':login' if line['login'] else ''}": line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVED)
def test_a_worker_with_a_renamed_name_serves_or_refuses(outcomes: dict[str, dict[str, Any]], name: str) -> None:
    outcome, off = outcomes[name], SERVED[name]
    if off is None:
        assert outcome["code"] == 1
        for part in (
            "Streamlit 1.",
            "cannot be used",
            name.partition(":")[0],
            tested_versions.tested_range("streamlit"),
        ):
            assert part in outcome["failed"]
        return
    assert (outcome["text"], outcome["code"], outcome["failed"]) == ("served", 0, "")
    assert {"measured", "reloaded", "drained"} <= set(outcome["answers"])
    notices = [line for line in outcome["log"] if off and off in line and name.partition(":")[0] in line]
    assert len(notices) == bool(off), outcome["log"]
    assert all("Off with Streamlit" in line and TESTED in line for line in notices)


@pytest.mark.parametrize(
    ("installed", "remedy"),
    [("1.67.3", "the cause is in what the error names"), ("1.99", "install one of these releases")],
)
def test_another_release_is_advised_only_where_this_one_is_not_tested(
    installed: str, remedy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fluxlit.streamlit.feature.version", lambda: installed)
    assert Feature("a look", off="It looks plain.", names=()).attempt(lambda: {"icon": 1}["theme"], 3) == 3
    assert f"Off with Streamlit {installed}: a look (KeyError: 'theme')." in caplog.text
    assert remedy in caplog.text
