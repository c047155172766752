"""The reference says what the code says."""

from scripts.write_reference import TARGET, reference
from tests.support.processes import ROOT


def test_settings_reference_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `hatch run types:reference`"


def test_the_architecture_names_every_room() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    source = ROOT / "packages" / "fluxlit-gateway" / "src" / "fluxlit"
    rooms = {path.stem for path in source.iterdir() if not path.name.startswith(("_", ".")) and path.name != "py.typed"}
    assert {room for room in rooms if f"`{room}`" not in page} == set()
