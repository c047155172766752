"""Wrong settings.

Every problem is named at once, with its place and the remedy.
"""

from pathlib import Path

import pytest

from fluxlit import FluxLit
from fluxlit.errors import FluxLitError, SettingsError
from fluxlit.server.authentication import build_auth
from fluxlit.settings import Settings, grammar, resolve, resolve_target
from fluxlit.settings.contradictions import login_needs_key
from fluxlit.settings.describe import SETTINGS
from fluxlit.settings.layers import REMOVED
from tests.gateway.auth.scripted import Scripted


def read(directory: Path, layers: dict[str, dict[str, object]]) -> None:
    resolve(
        flags=layers.get("flags"),
        arguments=layers.get("arguments"),
        environ={name: str(value) for name, value in layers.get("environ", {}).items()},
        directory=directory,
    )


def problems(directory: Path, **layers: dict[str, object]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(directory, layers)
    return [str(problem) for problem in caught.value.problems]


PLACES: dict[str, tuple[str, dict[str, dict[str, object]], bool]] = {
    "option": ("", {"flags": {"gateway_port": -1}}, False),
    "variable": ("", {"environ": {"FLUXLIT_GATEWAY_PORT": -1}}, False),
    "variable in lower case": ("", {"environ": {"fluxlit_gateway_port": -1}}, False),
    "unknown variable": ("", {"environ": {"FLUXLIT_PORT": 1}}, False),
    "contradiction": ("", {"environ": {"FLUXLIT_STREAMLIT_MODE": "external"}}, False),
    "project file": ("gateway_port = -1", {}, True),
    "unknown key": ("port = 1", {}, True),
    "contradiction in the file": ('streamlit_mode = "external"', {}, True),
    "code": ("", {"arguments": {"gateway_port": -1}}, True),
}


@pytest.mark.parametrize(("file", "layers", "in_file"), PLACES.values(), ids=list(PLACES))
def test_a_problem_knows_whether_a_file_holds_it(
    tmp_path: Path, file: str, layers: dict[str, dict[str, object]], in_file: bool
) -> None:
    (tmp_path / "fluxlit.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, layers)
    assert [problem.in_file for problem in caught.value.problems] == [in_file]


FILE = {
    "gateway_port = 99999": "gateway_port must be a whole number from 0 to 65535, not 99999",
    "gateway_port = -1": "gateway_port must be a whole number from 0 to 65535, not -1",
    'gateway_port = "8000"': 'gateway_port must be a whole number from 0 to 65535, not "8000"',
    "gateway_port = true": "gateway_port must be a whole number from 0 to 65535, not true",
    "gateway_port = 8000.5": "gateway_port must be a whole number from 0 to 65535, not 8000.5",
    "title = 5": "title must be a non-empty string, not 5",
    'trust_proxy = "yes"': 'trust_proxy must be true or false, not "yes"',
    'log_level = "loud"': 'log_level must be one of debug, info, warning, error, critical, not "loud"',
    "streamlit_workers = 0": "streamlit_workers must be a whole number of at least 1 or auto, not 0",
    'worker_max_memory = "much"': 'worker_max_memory must be an amount of memory such as "512M", "1.5G" or "40%"',
    "worker_max_memory = 0": 'worker_max_memory must be an amount of memory such as "512M", "1.5G" or "40%"',
    'worker_max_memory = "101%"': "worker_max_memory must be at most 100%",
    'api_before_start = "app.migrations"': ("api_before_start must be module:function, such as app.migrations:upgrade"),
    "gateway_ws_open_timeout_s = 0": "gateway_ws_open_timeout_s must be a number of seconds above 0, not 0",
    "gateway_drain_delay_s = -1": "gateway_drain_delay_s must be a number of seconds of at least 0, not -1",
    "gateway_ws_open_timeout_s = inf": "gateway_ws_open_timeout_s must be a number of seconds above 0, not Infinity",
    "allowed_origins = 5": "allowed_origins must be a list of strings, not 5",
    "allowed_origins = [5]": "allowed_origins must be a list of strings, not [5]",
    'allowed_origins = ["https://*.example.com"]': (
        'allowed_origins holds "https://*.example.com", but wildcards are not supported: list each origin'
    ),
    'cors_allow_origins = ["https://*.example.com"]': (
        'cors_allow_origins holds "https://*.example.com", but wildcards are not supported: list each origin'
    ),
    'cors_allow_origins = ["https://stra\u00dfe.example"]': (
        'cors_allow_origins holds the host "stra\u00dfe.example"; write it as browsers send it, in ASCII (xn--...)'
    ),
    'cors_allow_origins = ["https://a..example"]': (
        'cors_allow_origins holds the host "a..example", which is no valid name'
    ),
    'allowed_origins = ["example.com"]': (
        'allowed_origins must hold origins of the form "https://host" or "https://host:port", without a path'
    ),
    'streamlit_options = "x"': 'streamlit_options must be a table (in a variable: a JSON object), not "x"',
    'streamlit_page_config = {layout = "broad"}': ('streamlit_page_config must have "centered" or "wide" as layout'),
    "streamlit_page_config = {initial_sidebar_state = true}": (
        'streamlit_page_config must have "auto", "expanded", "collapsed" or a width in pixels as initial_sidebar_state'
    ),
    "streamlit_page_config = {page_icon = 5}": "streamlit_page_config must have a string as page_icon",
    'streamlit_page_config = {page_title = "x"}': (
        'streamlit_page_config holds "page_title"; it can hold layout, initial_sidebar_state, page_icon, menu_items'
    ),
    "streamlit_page_config = {menu_items = 5}": "streamlit_page_config must have a table as menu_items",
    'streamlit_page_config = {menu_items = {Help = "x"}}': (
        'streamlit_page_config holds "Help" in menu_items, which can hold Get help, Report a bug, About'
    ),
    "streamlit_page_config = {menu_items = {About = 5}}": (
        'streamlit_page_config must have a string as "About" in menu_items'
    ),
    'streamlit_page_config.menu_items."Get help" = "javascript:alert(1)"': (
        'streamlit_page_config must have an address with http:, https: or mailto: as "Get help" in menu_items'
    ),
    'streamlit_open_routes = ["health"]': (
        'streamlit_open_routes holds "health"; the routes that can be opened are metrics, script-health-check, agent'
    ),
    'root_path = "apps"': 'root_path must start with a slash: write "/apps"',
    'root_path = "/apps/"': 'root_path must not end with a slash: write "/apps"',
    'root_path = "/"': 'root_path must not end with a slash: write ""',
    'root_path = "/a/../b"': (
        'root_path has the path segment "..": each segment needs at least one of the characters '
        "A-Z a-z 0-9 . _ ~ - and must not be a dot segment"
    ),
    'api_mount_path = "/"': ('api_mount_path must be a path such as "/api": every other path belongs to the UI'),
    'api_mount_path = "/_stcore/api"': (
        'api_mount_path must not be at or under "/_stcore", which Streamlit uses itself'
    ),
    'gateway_host = "http://localhost"': 'gateway_host must be a host name or an IP address such as "0.0.0.0"',
    'gateway_host = "localhost:80"': "gateway_host must not hold a port: the port is the setting gateway_port",
    'forwarded_allow_ips = ["proxy"]': (
        'forwarded_allow_ips holds "proxy", which is not an IP address, network (such as "10.0.0.0/8"), "unix" or "*"'
    ),
    'public_base_url = "example.com"': (
        'public_base_url must be of the form "https://host[:port][/path]", without a user name, query or fragment'
    ),
    'streamlit_upstream = "ftp://host"': (
        'streamlit_upstream must be of the form "http://host:port[/base]", "https://host[:port]" or '
        '"unix:/path/to/socket"'
    ),
    'streamlit_upstream = "http://host"': 'streamlit_upstream needs a port: "http://host:8501"',
    'streamlit_upstream = "unix:run/x"': (
        'streamlit_upstream must be the full path of a socket: "unix:/run/streamlit.sock"'
    ),
    "gatway_port = 1": "unknown setting gatway_port; did you mean gateway_port?",
    "port = 1": "unknown setting port; did you mean gateway_port?",
    "workers = 2": "unknown setting workers; did you mean streamlit_workers?",
    "proxy_headers = true": "unknown setting proxy_headers; did you mean trust_proxy?",
    "FLUXLIT_GATEWAY_PORT = 1": "unknown setting FLUXLIT_GATEWAY_PORT; did you mean gateway_port?",
    "[tool.fluxlit]": "[tool] is for pyproject.toml; here settings stand at the top, without a table",
    "[fluxlit]": "[fluxlit] is for pyproject.toml; here settings stand at the top, without a table",
    "gateway_send_timeout_s = 5": "gateway_send_timeout_s is not a setting any more: it is always 60 s; remove it",
    "zebra = 1": "unknown setting zebra; docs/reference/settings.md lists all settings",
}


@pytest.mark.parametrize("line", FILE)
def test_a_wrong_line_in_the_project_file(line: str, tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text(f"# heading\n{line}\n")
    assert problems(tmp_path) == [f"fluxlit.toml:2: {FILE[line]}"]


ENVIRONMENT = {
    ("FLUXLIT_GATEWAY_PORT", "http"): 'gateway_port must be a whole number from 0 to 65535, not "http"',
    ("FLUXLIT_TRUST_PROXY", "perhaps"): 'trust_proxy must be true or false, not "perhaps"',
    ("FLUXLIT_STREAMLIT_OPTIONS", "{"): 'streamlit_options must be a table (in a variable: a JSON object), not "{"',
    ("FLUXLIT_FORWARDED_ALLOW_IPS", "10.0.0.1/8"): (
        'forwarded_allow_ips holds "10.0.0.1/8", which is not an IP address, network '
        '(such as "10.0.0.0/8"), "unix" or "*"'
    ),
    ("FLUXLIT_PORT", "1"): "unknown variable FLUXLIT_PORT; did you mean FLUXLIT_GATEWAY_PORT?",
    ("FLUXLIT_WORKERS", "2"): "unknown variable FLUXLIT_WORKERS; did you mean FLUXLIT_STREAMLIT_WORKERS?",
    ("FLUXLIT_TARGET", "a:b"): "unknown variable FLUXLIT_TARGET; did you mean FLUXLIT_APP?",
    ("FLUXLIT_ROOTPATH", "/a"): "unknown variable FLUXLIT_ROOTPATH; did you mean FLUXLIT_ROOT_PATH?",
    ("FLUXLIT_GATEWAY_MAX_REQUEST_TARGET_BYTES", "8192"): (
        "FLUXLIT_GATEWAY_MAX_REQUEST_TARGET_BYTES is not a setting any more: it is always a quarter of "
        "gateway_max_request_head_bytes; remove it"
    ),
    ("FLUXLIT_ZEBRA", "1"): "unknown variable FLUXLIT_ZEBRA; docs/reference/settings.md lists all settings",
}


@pytest.mark.parametrize(("name", "value"), ENVIRONMENT)
def test_a_wrong_variable(name: str, value: str, tmp_path: Path) -> None:
    assert problems(tmp_path, environ={name: value}) == [f"{name}: {ENVIRONMENT[name, value]}"]


@pytest.mark.parametrize(("name", "value"), ENVIRONMENT)
def test_a_wrong_variable_in_the_dotenv_file(name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A=1\n\nexport {name}='{value}'\n")
    assert problems(tmp_path) == [f".env:3: {ENVIRONMENT[name, value]}"]


def test_a_wrong_flag_and_a_wrong_argument(tmp_path: Path) -> None:
    assert problems(tmp_path, flags={"gateway_port": "x"}, arguments={"titel": True, "streamlit_workers": "2"}) == [
        "FluxLit(...): unknown setting titel; did you mean title?",
        '--port: gateway_port must be a whole number from 0 to 65535, not "x"',
        'FluxLit(...): streamlit_workers must be a whole number of at least 1 or auto, not "2"',
    ]


def test_all_problems_of_all_layers_come_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text('gateway_port = "a"\nlog_level = "b"\nzebra = 1\n')
    (tmp_path / ".env").write_text("FLUXLIT_TRUST_PROXY=c\n")
    with pytest.raises(SettingsError) as caught:
        resolve(flags={"gateway_port": "d"}, environ={"FLUXLIT_ROOT_PATH": "e"}, directory=tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "6 settings are wrong:"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "fluxlit.toml:3",
        "--port",
        "FLUXLIT_ROOT_PATH",
        ".env:1",
        "fluxlit.toml:1",
        "fluxlit.toml:2",
    ]


def test_a_wrong_value_is_found_even_where_a_stronger_layer_hides_it(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text('gateway_port = "a"\n')
    assert problems(tmp_path, flags={"gateway_port": "1"})[0].startswith("fluxlit.toml:1: gateway_port must be")


def test_a_certificate_needs_an_upstream_with_tls(tmp_path: Path) -> None:
    flags: dict[str, object] = {"streamlit_upstream": "http://ui:8501", "streamlit_upstream_ca_file": "ca.pem"}
    (found,) = problems(tmp_path, flags=flags)
    assert "streamlit_upstream_ca_file is for the certificate of an upstream with TLS" in found
    assert "https://" in found
    found_settings = resolve(flags={**flags, "streamlit_upstream": "https://ui"}, environ={}, directory=tmp_path)
    assert found_settings.settings.streamlit_upstream_ca_file == "ca.pem"


@pytest.mark.parametrize("setting", REMOVED)
def test_a_removed_setting_is_answered_with_what_holds(setting: str, tmp_path: Path) -> None:
    assert setting not in SETTINGS
    name = f"FLUXLIT_{setting.upper()}"
    expected = f"{name}: {name} is not a setting any more: {REMOVED[setting]}; remove it"
    assert problems(tmp_path, environ={name: "1"}) == [expected]


def test_the_external_mode_needs_an_upstream(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, environ={"FLUXLIT_STREAMLIT_MODE": "external"})
    assert found == (
        'FLUXLIT_STREAMLIT_MODE: streamlit_mode is "external", but streamlit_upstream is not set; set it to the '
        'address of the running Streamlit, for example "http://127.0.0.1:8501"'
    )


def test_workers_and_an_upstream_contradict_each_other(tmp_path: Path) -> None:
    (found,) = problems(
        tmp_path, flags={"streamlit_mode": "workers"}, environ={"FLUXLIT_STREAMLIT_UPSTREAM": "http://ui:8501"}
    )
    assert found == (
        '--streamlit-mode: streamlit_mode is "workers", but streamlit_upstream (FLUXLIT_STREAMLIT_UPSTREAM) is the '
        'address of an external Streamlit server; remove one of the two, or set streamlit_mode to "external"'
    )


def test_several_workers_need_the_workers_mode(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, flags={"streamlit_workers": "2"}, arguments={"streamlit_mode": "embedded"})
    assert found == (
        '--workers: streamlit_workers is 2, but streamlit_mode is "embedded" (FluxLit(...)), which starts no workers; '
        "remove one of the two"
    )


@pytest.mark.parametrize(("url", "root"), [("https://h/a", "/b"), ("https://h", "/b"), ("https://h/a", "")])
def test_the_path_of_the_public_address_is_the_root_path(url: str, root: str, tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text(f'public_base_url = "{url}"\nroot_path = "{root}"\n')
    (found,) = problems(tmp_path)
    assert found.startswith("fluxlit.toml:1: public_base_url has the path ")
    assert f'but root_path (fluxlit.toml:2) is "{root}"; both are the public prefix' in found


def test_a_contradiction_is_not_judged_on_a_value_that_is_wrong_itself(tmp_path: Path) -> None:
    found = problems(tmp_path, flags={"streamlit_mode": "external", "streamlit_upstream": "x"})
    assert len(found) == 1
    assert found[0].startswith("--streamlit-upstream: ")


def test_a_password_is_never_repeated(tmp_path: Path) -> None:
    secret = "hunter2"
    (tmp_path / "fluxlit.toml").write_text(
        f'streamlit_upstream = "http://me:{secret}@h:1"\npublic_base_url = "https://me:{secret}@h"\n'
        f'gateway_port = "redis://:{secret}@h"\nallowed_origins = ["https://me:{secret}@h"]\n'
    )
    with pytest.raises(SettingsError) as caught:
        resolve(environ={"FLUXLIT_ZEBRA": secret}, directory=tmp_path)
    assert len(caught.value.problems) == 5
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = 1\nb = = 2\n", "fluxlit.toml:2: this is not valid TOML: "),
        (b"a = 1\na = 2\n", "fluxlit.toml:2: this is not valid TOML: "),
        (b"a = 1\nb = [1,\n", "fluxlit.toml:2: this is not valid TOML: "),
        (b'a = 1\n# \xff\nb = "x"\n', "fluxlit.toml:2: the file is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_bytes(content)
    (found,) = problems(tmp_path)
    assert found.startswith(message)
    with pytest.raises(SettingsError, match=r"fluxlit\.toml:2"):
        resolve_target(environ={}, directory=tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A=1\n\n= 5\n", ".env:3: this line is not of the form NAME=value"),
        (b"A=1\nB='open\n", ".env:2: this line is not of the form NAME=value"),
        (b"A=1\nB=\xff\n", ".env:2: the file is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_a_dotenv_file_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert problems(tmp_path) == [message]


@pytest.mark.parametrize(
    ("store", "key", "refused"),
    [
        (None, "", False),
        ("memory://", "", False),
        ("sqlite:///sessions.db", "", True),
        ("sqlite:///sessions.db", "a key of the operator, 32 characters", False),
        ("redis://cache", "", True),
        ("REDISS://cache:6379/1", "", True),
        ("acme://table", "", True),
        ("redis://cache", "a key of the operator, 32 characters", False),
    ],
)
def test_a_login_with_a_store_needs_a_key(store: str | None, key: str, refused: bool) -> None:
    settings = Settings(session_store=store, secret_key=(key,) if key else ())
    problem = login_needs_key(settings)
    assert (problem is not None) is refused
    assert problem is None or ("FLUXLIT_SECRET_KEY" in problem and "secrets.token_urlsafe" in problem)


def test_such_an_application_does_not_start() -> None:
    settings = Settings(session_store="redis://cache")
    with pytest.raises(FluxLitError, match="needs secret_key"):
        build_auth(FluxLit(auth=Scripted()), settings)
    assert build_auth(FluxLit(), settings) is None


@pytest.mark.parametrize(
    ("amount", "number"),
    [("512", 512), ("1K", 1024), ("512MiB", 512 << 20), ("1.5g", 3 << 29), ("40%", 400), ("2 GB", 2 << 30)],
)
def test_an_amount_of_memory_is_in_bytes_or_a_part_of_all(amount: str, number: int) -> None:
    assert grammar.memory(amount) == amount
    assert grammar.memory_bytes(amount, 1000) == number


def test_an_api_in_other_processes_cannot_share_sessions_in_memory(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, flags={"api_workers": "2", "session_store": "memory://"})
    assert "api_workers is 2" in found
