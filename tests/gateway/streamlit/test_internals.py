"""What FluxLit touches of Streamlit although it is not public: a new Streamlit that moves it fails here."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

CASES = {
    "the external address is never looked up": """
        internals.load_options({"server.corsAllowedOrigins": ["https://partner.example"]})
        internals.never_look_up_external_address()
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
        internals.set_anchor(str(pathlib.Path("there/app.py").absolute()))
        internals.load_options({})
        from streamlit import config
        assert config.get_option("server.maxUploadSize") == 7
    """,
    "components are found as by Streamlit itself, in less time": """
        import pathlib, sys
        from streamlit.components.v2 import manifest_scanner as scanner
        def install(name, summary="Nice", needs="requests"):
            info = pathlib.Path(f"{name.replace('-', '_')}-1.0.dist-info"); info.mkdir()
            fields = {"Metadata-Version": "2.1", "Name": name, "Version": "1.0", "Summary": summary}
            fields["Requires-Dist"] = needs
            (info / "METADATA").write_text("".join(f"{key}: {value}\\n" for key, value in fields.items()))
        for name in ("streamlit-pretty", "st_short", "stranger", "best-st-tool"): install(name)
        install("needs-it", needs="Streamlit"); install("says-so", "For StreamLit")
        sys.path.insert(0, ".")
        from importlib import metadata
        found = list(metadata.distributions())
        before = [each.name for each in found if scanner._is_likely_streamlit_component_package(each)]
        parsed, ask = [], scanner._is_likely_streamlit_component_package
        scanner._is_likely_streamlit_component_package = lambda each: parsed.append(each.name) or ask(each)
        internals.look_for_components_quickly()
        after = [each.name for each in found if scanner._is_likely_streamlit_component_package(each)]
        assert before == after, (before, after)
        assert {"streamlit-pretty", "st_short", "needs-it", "says-so"} <= set(after)
        assert {"stranger", "best-st-tool"}.isdisjoint(parsed)
    """,
    "a Streamlit that looks for components in another way still starts": """
        from streamlit.components.v2 import manifest_scanner as scanner
        del scanner._is_likely_streamlit_component_package
        internals.look_for_components_quickly()
        assert not hasattr(scanner, "_is_likely_streamlit_component_package")
    """,
    "options have a type, a default and a variable": """
        option = internals.option_templates()["server.maxUploadSize"]
        assert (option.type, option.default_val, option.env_var) == (int, 200, "STREAMLIT_SERVER_MAX_UPLOAD_SIZE")
        assert (option.multiple, option.sensitive) == (False, False)
    """,
    "every owned key is one that Streamlit has": """
        from fluxlit.worker.streamlit_options import OWNED
        assert set(OWNED) <= set(internals.option_templates())
    """,
    "the largest message is Streamlit's option": """
        internals.load_options({"server.maxMessageSize": 3})
        assert internals.largest_message() == 3_000_000
    """,
    "loggers hand their records up, those made later too": """
        import logging
        seen = []
        class Handler(logging.Handler):
            def emit(self, record): seen.append(record.name)
        logging.getLogger().addHandler(Handler())
        internals.route_logs()
        from streamlit.logger import get_logger
        get_logger("streamlit.runtime").warning("x")
        get_logger("streamlit.made.later").warning("x")
        logging.getLogger("uvicorn.error").warning("x")
        assert seen == ["streamlit.runtime", "streamlit.made.later", "uvicorn.error"], seen
    """,
    "sessions are reported by whoever manages them": """
        class Manager:
            def connect_session(self, client, *, user_info): return "s1"
            def disconnect_session(self, session_id): pass
            def close_session(self, session_id): pass
        class Runtime: _session_mgr = Manager()
        seen = []
        internals.report_sessions(Runtime, lambda *report: seen.append(report))
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
        assert internals.running_scripts(Any(_session_mgr=manager)) == 1
    """,
    "this Streamlit has what restoring sessions needs": """
        from fluxlit.streamlit import sessions as session_internals
        assert session_internals.missing() is None, session_internals.missing()
    """,
    "one that has not is named, and restoring is off": """
        from fluxlit.settings import Settings
        from fluxlit.streamlit import sessions as session_internals
        from fluxlit.worker import resume
        from streamlit.runtime.state import SessionState
        kept = SessionState.__dict__["_getitem"]
        del SessionState._getitem
        assert "_getitem" in session_internals.missing()
        assert resume.set_up(Settings(session_store="sqlite:///s.db")) is None
        SessionState._getitem = kept
        for url, wanted in (("memory://", True), (None, True), ("sqlite:///s.db", False)):
            assert resume.set_up(Settings(session_store=url, restore_sessions=wanted)) is None
    """,
    "themes are told as Streamlit tells them, whatever is set": """
        import copy, itertools
        from streamlit import config
        from streamlit.proto.NewSession_pb2 import CustomThemeConfig
        from streamlit.runtime import app_session
        from fluxlit.streamlit.themes import keep_themes
        anew = app_session._populate_theme_msg
        end = keep_themes()
        kept = app_session._populate_theme_msg
        assert kept is not anew, "this Streamlit makes themes in another way"
        SECTIONS = ["theme", "theme.sidebar", "theme.light", "theme.dark", "theme.light.sidebar", "theme.dark.sidebar"]
        def told(fill):
            theme = CustomThemeConfig()
            parts = [theme, theme.sidebar, theme.light, theme.dark, theme.light.sidebar, theme.dark.sidebar]
            for part, section in zip(parts, SECTIONS):
                fill(part, section)
            return theme.SerializeToString(deterministic=True)
        def same():
            made = told(anew)
            assert told(kept) == made, made
            assert told(kept) == made, made
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
        assert len(set(seen)) == len(seen), "each change was told"
        internals.load_options({"theme.primaryColor": "#0000ff"})
        assert b"#0000ff" in same()
        internals.load_options({})
        assert same() == seen[0]
        computed = itertools.count(100_000)
        config.get_config_options()["theme.primaryColor"](lambda: f"#{next(computed)}")
        assert told(kept) != told(kept), "an option that computes its value is asked each time"
        internals.load_options({})
        end()
        assert app_session._populate_theme_msg is anew
    """,
    "themes are left alone where Streamlit makes them in another way": """
        from streamlit import config_option
        from streamlit.runtime import app_session
        fill = app_session._populate_theme_msg
        def other(section, msg): pass
        app_session._populate_theme_msg = other
        keep_themes()
        assert app_session._populate_theme_msg is other
        del app_session._populate_theme_msg
        keep_themes()
        assert not hasattr(app_session, "_populate_theme_msg")
        app_session._populate_theme_msg = fill
        set_value = config_option.ConfigOption.set_value
        def set_otherwise(self, value, where_defined=None): self._held, self._get_val_func = value, self.look
        config_option.ConfigOption.look = lambda self: self._held
        config_option.ConfigOption.set_value = set_otherwise
        keep_themes()
        assert app_session._populate_theme_msg is fill
        config_option.ConfigOption.set_value = set_value
    """,
    "a script's thread starts without the event loop's waiting for it": """
        import threading
        from streamlit.runtime.scriptrunner import script_runner
        from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
        from fluxlit.streamlit.threads import start_scripts_at_once
        end = start_scripts_at_once()
        first, ran = threading.Lock(), threading.Event()
        bootstrap = threading.Thread._bootstrap
        def late(self):
            with first: bootstrap(self)
        threading.Thread._bootstrap = late
        runner = object.__new__(ScriptRunner)
        runner._script_thread, runner._run_script_thread = None, ran.set
        with first:
            runner.start()
            assert not ran.is_set()
        thread = runner._script_thread
        assert thread.name == "ScriptRunner.scriptThread"
        thread.join()
        assert ran.is_set() and not thread.is_alive()
        threading.Thread._bootstrap = bootstrap
        end()
        assert script_runner.threading is threading
    """,
    "threads start as ever where Streamlit takes them from elsewhere": """
        import threading
        from types import SimpleNamespace
        script_runner.threading = other = SimpleNamespace(Thread=threading.Thread)
        start_scripts_at_once()
        assert script_runner.threading is other
        script_runner.threading = threading
        kept = threading.Thread.start
        def start(self): raise AttributeError("_started")
        threading.Thread.start = start
        start_scripts_at_once()
        threading.Thread.start = kept
        assert script_runner.threading is threading
    """,
    "static routes exist": """
        internals.load_options({"server.enableStaticServing": True})
        assert internals.static_routes("/project/app.py", "")
    """,
}


def test_internals(tmp_path: Path) -> None:
    """All cases in one process, for importing Streamlit takes a second."""
    cases = [f"print({name!r})\n{textwrap.dedent(code)}" for name, code in CASES.items()]
    program = "\n".join(["from fluxlit.streamlit import internals", *cases])
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, f"{result.stdout.splitlines()[-1]}:\n{result.stderr}"
    assert result.stdout.splitlines() == list(CASES)
