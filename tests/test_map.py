"""Each module has a test file of its name, or a line in `map.toml`."""

import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT

TESTS = Path(__file__).parent
MAP = tomllib.loads((TESTS / "map.toml").read_text(encoding="utf-8"))


def modules(distribution: str) -> dict[str, Path]:
    """The modules of a distribution, each with the place of its tests."""
    [source] = (ROOT / "packages" / distribution / "src").glob("fluxlit*/__init__.py")
    found = [path.relative_to(source.parent) for path in source.parent.rglob("*.py") if not path.name.startswith("__")]
    return {path.as_posix(): folder_of(distribution) / path.with_suffix("") for path in found}


def folder_of(distribution: str) -> Path:
    return TESTS / distribution.removeprefix("fluxlit-")


def has_tests(place: Path) -> bool:
    """Whether there is a test file of that name, or a folder of them."""
    return place.with_name(f"test_{place.name.strip('_')}.py").is_file() or place.is_dir()


@pytest.mark.parametrize("distribution", MAP)
def test_each_module_has_tests_of_its_name_or_a_line(distribution: str) -> None:
    listed = [module for lines in MAP[distribution].values() for module in lines]
    assert sorted(listed) == sorted(module for module, place in modules(distribution).items() if not has_tests(place))


@pytest.mark.parametrize("distribution", MAP)
def test_each_line_names_test_files_that_exist(distribution: str) -> None:
    named = {name for reason in MAP[distribution] for name in reason.split(", ")} - {"definitions"}
    assert [name for name in sorted(named) if not (folder_of(distribution) / name).is_file()] == []


def test_every_distribution_is_in_the_map() -> None:
    assert set(MAP) == {path.parent.name for path in ROOT.glob("packages/*/src")} - {"fluxlit"}
