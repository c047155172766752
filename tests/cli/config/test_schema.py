"""`fluxlit config schema` accepts what FluxLit accepts."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fluxlit.settings import describe
from tests.cli.command import fluxlit, says
from tests.gateway.settings.samples import SAMPLES


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(fluxlit("config", "schema").stdout)


def test_it_is_a_schema_and_describes_every_setting(schema: Any) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    assert list(schema["properties"]) == list(describe.SETTINGS)
    assert [name for name, part in schema["properties"].items() if not part["description"]] == []


@pytest.mark.parametrize("setting", [name for name in SAMPLES if name != "log_level"])
def test_what_a_file_may_say_is_valid(setting: str, schema: Any) -> None:
    jsonschema.validate(tomllib.loads(f"{setting} = {SAMPLES[setting].toml}"), schema)


@pytest.mark.parametrize(
    "text",
    [
        "gateway_prot = 1",
        "gateway_port = 99999",
        "gateway_port = true",
        'gateway_port = "8000"',
        'log_level = "loud"',
        'title = ""',
        'streamlit_workers = "many"',
        "streamlit_workers = 0",
        "allowed_origins = [1]",
        "trust_proxy = 1",
        "streamlit_start_timeout_s = 0",
        "streamlit_options = 5",
    ],
)
def test_what_a_file_may_not_say_is_not(text: str, schema: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema)


def test_a_word_instead_of_a_number(schema: Any) -> None:
    jsonschema.validate(tomllib.loads('streamlit_workers = "auto"'), schema)


def test_it_is_written_to_a_file(schema: Any, tmp_path: Path) -> None:
    done = fluxlit("config", "schema", "-o", "fluxlit.schema.json", directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "#:schema ./fluxlit.schema.json" in done.stderr
    assert json.loads((tmp_path / "fluxlit.schema.json").read_text()) == schema
    says(fluxlit("config", "schema", "-o", "no/such", directory=tmp_path), 1, "no/such cannot be written: No such file")
