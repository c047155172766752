"""`fluxlit config`: every value that is in force, and where it came from."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fluxlit.settings import describe
from tests.cli.command import fluxlit, says, write
from tests.gateway.settings.samples import KEY, SAMPLES

pytestmark = pytest.mark.slow

APP = """
from fluxlit import FluxLit
print("the module speaks")
app = FluxLit(title="Portal", gateway_port=5)
"""


def settings(*arguments: str, directory: Path, **environ: str) -> dict[str, Any]:
    done = fluxlit("config", "--json", *arguments, directory=directory, **environ)
    found: dict[str, Any] = json.loads(done.stdout)["settings"]
    return found


def test_every_layer_is_a_source_and_the_hidden_values_are_there_on_request(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, ".env": "\nFLUXLIT_GATEWAY_PORT=3\n", "fluxlit.toml": "gateway_port = 4\n"})
    layers = [
        (("--port", "1"), {"FLUXLIT_GATEWAY_PORT": "2"}, 1, "flag", "--port"),
        ((), {"FLUXLIT_GATEWAY_PORT": "2"}, 2, "environment", "FLUXLIT_GATEWAY_PORT"),
        ((), {}, 3, ".env", ".env:2"),
    ]
    for flags, environ, value, layer, where in layers:
        found = settings(*flags, directory=tmp_path, **environ)["gateway_port"]
        assert (found["value"], found["source"]) == (value, {"layer": layer, "where": where})
        assert [each["value"] for each in found["shadowed"]] == [2, 3, 4, 5][max(0, value - 1) :]
    (tmp_path / ".env").unlink()
    assert settings(directory=tmp_path)["gateway_port"]["source"] == {"layer": "file", "where": "fluxlit.toml:1"}
    (tmp_path / "fluxlit.toml").unlink()
    assert settings(directory=tmp_path)["gateway_port"]["source"] == {"layer": "code", "where": "FluxLit(...)"}
    assert settings(directory=tmp_path)["root_path"]["source"] == {"layer": "default", "where": "default"}


def test_the_table_has_every_setting_once_and_hidden_values_only_on_request(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "fluxlit.toml": "gateway_port = 4\n"})
    done = fluxlit("config", directory=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(describe.SETTINGS)
    assert done.returncode == 0
    assert done.stderr == "the module speaks\n"
    assert "(not used)" not in done.stdout
    shown = fluxlit("config", "--shadowed", directory=tmp_path).stdout.splitlines()
    place = next(number for number, line in enumerate(shown) if line.startswith("gateway_port "))
    assert shown[place].split() == ["gateway_port", "4", "fluxlit.toml:1"]
    assert shown[place + 1].split() == ["5", "FluxLit(...)", "(not", "used)"]


def test_only_what_differs_from_the_default(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "fluxlit.toml": 'log_level = "info"\n'})
    shown = fluxlit("config", "--diff-default", directory=tmp_path).stdout
    assert [line.split()[0] for line in shown.splitlines()] == ["title", "gateway_port"]


def test_one_value_alone(tmp_path: Path) -> None:
    write(tmp_path, APP)
    assert fluxlit("config", "--get", "gateway_port", directory=tmp_path).stdout == "5\n"
    says(fluxlit("config", "--get", "gateway_prot", directory=tmp_path), 2, "Did you mean 'gateway_port'?")


def test_a_secret_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"app.py": APP, "fluxlit.toml": f'secret_key = "{KEY}"\n[streamlit_options]\n"mapbox.token" = "swordfish"\n'},
    )
    environ = {
        "FLUXLIT_SECRET_KEY": KEY + "2",
        "FLUXLIT_SESSION_STORE": "redis://ada:swordfish@127.0.0.1/?token=swordfish",
    }
    for arguments in ([], ["--json"], ["--shadowed"], ["--get", "secret_key"], ["--strict", "--json"]):
        done = fluxlit("config", *arguments, directory=tmp_path, **environ)
        assert "***" in done.stdout
        assert KEY not in done.stdout + done.stderr
        assert "swordfish" not in done.stdout + done.stderr
    assert f'["{KEY}2"]' in fluxlit("config", "--show-secrets", directory=tmp_path, **environ).stdout


def test_no_command_shows_a_part_of_a_password_with_any_characters(tmp_path: Path) -> None:
    """In a URL with a mistake, which stops a start."""
    write(tmp_path, APP)
    for command, password in (
        ("config", "Xk3/9fQ7"),
        ("config --json", "Xk3[a]9fQ7"),
        ("run", "Xk3#9fQ7"),
        ("doctor --json --verbose --check session-store", "Xk3?9fQ7"),
    ):
        url = f"redis://ada:{password}@127.0.0.1/zero"
        done = fluxlit(*command.split(), directory=tmp_path, FLUXLIT_SESSION_STORE=url)
        shown = done.stdout + done.stderr
        assert "session_store" in shown, command
        assert not re.search("Xk3|9fQ7", shown), command


def test_wrong_settings_are_all_reported(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "fluxlit.toml": "gateway_port = 99999\ngateway_prot = 1\n"})
    done = fluxlit("config", "--root-path", "x", directory=tmp_path)
    assert done.returncode == 1
    for part in (
        "fluxlit.toml:1: gateway_port must be",
        "did you mean gateway_port?",
        "--root-path: root_path must start",
    ):
        assert part in done.stderr
    document = json.loads(fluxlit("config", "--json", directory=tmp_path).stdout)
    assert document["status"] == "fail"
    assert {each["where"] for each in document["problems"]} == {"fluxlit.toml:1", "fluxlit.toml:2"}


def test_without_an_application_the_other_layers_are_shown_with_a_warning(tmp_path: Path) -> None:
    done = fluxlit("config", directory=tmp_path)
    assert done.returncode == 0
    assert "gateway_port " in done.stdout
    assert "warning: [target-not-loaded]" in done.stderr
    done = fluxlit("config", "no.such:thing", directory=tmp_path)
    assert done.returncode == 1
    assert "error: [target-not-loaded]" in done.stderr


def test_a_module_that_ends_the_program_is_reported_as_such(tmp_path: Path) -> None:
    write(tmp_path, "import sys\nsys.exit(4)\n")
    done = fluxlit("config", "app:app", directory=tmp_path)
    assert done.returncode == 1
    assert "it calls sys.exit" in done.stderr
    assert "app.py:2" in done.stderr


@pytest.mark.parametrize(
    ("flags", "code", "strict_code", "status"),
    [
        ([], 0, 0, "pass"),
        (["--host", "0.0.0.0"], 0, 1, "warn"),
        (["--host", "0.0.0.0", "--trust-proxy", "--forwarded-allow-ips", "*"], 1, 1, "fail"),
    ],
)
def test_the_exit_code_tells_warnings_and_errors(
    flags: list[str], code: int, strict_code: int, status: str, tmp_path: Path
) -> None:
    write(tmp_path, APP)
    done = fluxlit("config", "--json", *flags, directory=tmp_path)
    assert done.returncode == code
    assert json.loads(done.stdout)["status"] == status
    assert fluxlit("config", "--strict", *flags, directory=tmp_path).returncode == strict_code


def test_a_login_is_judged_as_one(tmp_path: Path) -> None:
    write(tmp_path, "from fluxlit import FluxLit\nfrom fluxlit_auth import APIKeys\napp = FluxLit(auth=APIKeys([]))\n")

    done = fluxlit("config", "--public-base-url", "http://portal.example.com", directory=tmp_path)

    assert done.returncode == 1
    assert "error: [login-over-http] browsers use plain HTTP" in done.stderr


def test_every_setting_can_be_tried_out_as_a_flag(tmp_path: Path) -> None:
    write(tmp_path, APP)
    words = []
    for name in ("title", "log_format", "trust_proxy", "gateway_drain_delay_s", "streamlit_options"):
        flag = describe.flag_name(name)
        words += [flag] if describe.kind(name) == "bool" else [flag, SAMPLES[name].text]
    found = settings(*words, directory=tmp_path)
    assert found["streamlit_options"]["value"] == SAMPLES["streamlit_options"].value
    assert found["trust_proxy"]["source"] == {"layer": "flag", "where": "--trust-proxy"}
