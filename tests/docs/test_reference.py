"""The reference agrees with the code."""

import re

from fluxlit.observability.metrics import CATALOGUE
from scripts import write_auth_reference, write_metrics_reference
from scripts.write_reference import TARGET, reference
from tests.support.processes import ROOT


def test_settings_reference_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `hatch run types:reference`"


def test_metrics_reference_is_up_to_date() -> None:
    page = write_metrics_reference.TARGET.read_text(encoding="utf-8")
    assert page == write_metrics_reference.reference(), "run `hatch run types:reference`"


def test_every_metric_of_the_operators_page_exists() -> None:
    """An alert on a metric that does not exist never fires."""
    page = (ROOT / "docs" / "how-to" / "operate.md").read_text(encoding="utf-8")
    found = {re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bfluxlit_[a-z_]+", page)}
    assert len(found) > 4
    assert found - {family.name for family in CATALOGUE} == set()


def test_auth_reference_is_up_to_date() -> None:
    written = write_auth_reference.TARGET.read_text(encoding="utf-8")
    assert written == write_auth_reference.reference(), "run `hatch run types:reference`"


def test_the_architecture_names_every_package() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    source = ROOT / "packages" / "fluxlit-gateway" / "src" / "fluxlit"
    names = {path.stem for path in source.iterdir() if not path.name.startswith(("_", ".")) and path.name != "py.typed"}
    assert {name for name in names if f"`{name}`" not in page} == set()
