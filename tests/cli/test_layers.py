"""Every setting at every layer, under `fluxlit run` and uvicorn.

One process of each kind holds all settings in one layer. It reports its settings instead of serving, so that
settings which contradict each other, and files that are nowhere, do not matter here.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fluxlit.settings import Settings
from fluxlit.settings.describe import env_name, flag_aliases, flag_name, kind
from tests.cli.command import fluxlit, nothing_left
from tests.gateway.settings.samples import SAMPLES
from tests.support.processes import clean_environ

pytestmark = pytest.mark.slow

UVICORN = (sys.executable, "-m", "uvicorn", "--port", "0")

# A server resolves the settings of its application once, with all layers.
REPORT = """
import json, os
from pathlib import Path
import fluxlit.server.runtime
from fluxlit.errors import FluxLitError
from fluxlit.settings import resolution

resolve = fluxlit.server.runtime.resolve
resolution.contradictions = lambda *_: ()

def report(**layers):
    found = resolve(**layers)
    sources = {name: [source.layer.value, source.where] for name, source in found.sources.items()}
    document = {"values": found.settings.model_dump(mode="json"), "sources": sources}
    Path(os.environ["REPORT_TO"]).write_text(json.dumps(document))
    raise FluxLitError("settings reported")

fluxlit.server.runtime.resolve = report

from fluxlit import FluxLit
"""


@dataclass(frozen=True)
class Layered:
    """All settings in one layer.

    Attributes:
        layer: what the layer is called.
        where: names the place of a setting in it.
        flags: words for the command line.
        environ: variables.
        files: files of the project, beside the application.
        arguments: what is between the brackets of `FluxLit(...)`.
    """

    layer: str
    where: Callable[[str], str]
    flags: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    arguments: str = ""


def flag(setting: str) -> list[str]:
    """Write one setting as it stands on a command line."""
    sample, name = SAMPLES[setting], flag_name(setting)
    if setting == "target":
        return [sample.text]
    if kind(setting) == "bool":
        return [name if sample.value else f"--no-{name.removeprefix('--')}"]
    return [name, sample.text]


def line_in(text: str) -> Callable[[str], int]:
    lines = text.splitlines()
    return lambda start: next(number for number, line in enumerate(lines, 1) if line.startswith(start))


DOTENV = "# for this machine\n" + "".join(f"{env_name(name)}='{each.text}'\n" for name, each in SAMPLES.items())
OWN = "# the project\n\n" + "".join(f"{name} = {each.toml}\n" for name, each in SAMPLES.items())
SHARED = '[project]\nname = "portal"\n\n[tool.fluxlit]\n' + "".join(
    f"{name} = {each.toml}\n" for name, each in SAMPLES.items()
)
ARGUMENTS = ", ".join(
    f"{'import_target' if name == 'target' else name}={each.value!r}" for name, each in SAMPLES.items()
)

LAYERS = {
    "flag": Layered("flag", flag_name, flags=[word for name in SAMPLES for word in flag(name)]),
    "environment": Layered(
        "environment", env_name, environ={env_name(name): each.text for name, each in SAMPLES.items()}
    ),
    "dotenv": Layered(".env", lambda name: f".env:{line_in(DOTENV)(env_name(name))}", files={".env": DOTENV}),
    "own-file": Layered("file", lambda name: f"fluxlit.toml:{line_in(OWN)(f'{name} =')}", files={"fluxlit.toml": OWN}),
    "pyproject": Layered(
        "file", lambda name: f"pyproject.toml:{line_in(SHARED)(f'{name} =')}", files={"pyproject.toml": SHARED}
    ),
    "code": Layered("code", lambda _: "FluxLit(...)", arguments=ARGUMENTS),
    "default": Layered("default", lambda _: "default"),
}
# uvicorn has flags of its own; FluxLit's are not among them.
CASES = [("run", layer) for layer in LAYERS] + [("uvicorn", layer) for layer in LAYERS if layer != "flag"]


def understood(launcher: str, held: Layered, folder: Path) -> dict[str, Any]:
    """Start the application and return its settings."""
    application = f"{REPORT}\nportal = app = FluxLit({held.arguments})\n"
    for name, text in ({"main.py": application, "app.py": application} | held.files).items():
        (folder / name).write_text(text)
    report = folder / "report.json"
    variables = {**held.environ, "REPORT_TO": str(report)}
    if launcher == "run":
        done = fluxlit("run", *held.flags, directory=folder, **variables)
    else:
        with nothing_left() as mark:
            environ, command = clean_environ(**variables) | mark, [*UVICORN, "main:portal"]
            done = subprocess.run(
                command, cwd=folder, env=environ, capture_output=True, text=True, timeout=110, check=False
            )
    assert "settings reported" in done.stderr, done.stderr
    assert done.returncode == (1 if launcher == "run" else 3)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """Start all processes, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        started = {
            case: pool.submit(understood, case[0], LAYERS[case[1]], tmp_path_factory.mktemp("layer")) for case in CASES
        }
        return {case: each.result() for case, each in started.items()}


SAMPLED = Settings(**{name: sample.value for name, sample in SAMPLES.items()}).model_dump(mode="json")
DEFAULTS = Settings().model_dump(mode="json")


@pytest.mark.parametrize(("launcher", "layer"), CASES)
def test_every_setting_comes_from_this_layer(
    launcher: str, layer: str, told: dict[tuple[str, str], dict[str, Any]]
) -> None:
    held, found = LAYERS[layer], told[launcher, layer]
    assert found["values"] == (DEFAULTS if layer == "default" else SAMPLED)
    assert found["sources"] == {setting: [held.layer, held.where(setting)] for setting in Settings.model_fields}


def test_every_spelling_of_an_option_sets_its_setting(tmp_path: Path) -> None:
    names = [(setting, alias) for setting in SAMPLES for alias in flag_aliases(setting)]
    words = [word for setting, alias in names for word in [alias, *flag(setting)[1:]]]
    found = understood("run", Layered("flag", flag_name, flags=words), tmp_path)
    assert {setting: found["values"][setting] for setting, _ in names} == {
        setting: SAMPLED[setting] for setting, _ in names
    }


def test_a_new_setting_needs_a_sample() -> None:
    assert set(SAMPLES) == set(Settings.model_fields)
