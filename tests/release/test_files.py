"""What is inside the wheels and sdists."""

import ast
import email
import email.message
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.release.environments import IMPORT_NAMES, VERSIONS, project, requirements
from tests.support.processes import ROOT

EVERY = sorted(IMPORT_NAMES)
CODE = sorted(name for name, import_name in IMPORT_NAMES.items() if import_name)


def contents(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_the_tree_holds_the_six_distributions() -> None:
    found = {path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}
    assert found == set(EVERY)
    assert {project(name)["name"] for name in found} == found


def test_every_distribution_has_a_wheel_and_an_sdist(dist: Path) -> None:
    stems = {f"{name.replace('-', '_')}-{project(name)['version']}" for name in EVERY}
    built = {path.name for path in dist.iterdir() if not path.name.startswith(".")}
    assert built == {f"{stem}-py3-none-any.whl" for stem in stems} | {f"{stem}.tar.gz" for stem in stems}


@pytest.mark.parametrize("name", EVERY)
def test_metadata(name: str, wheels: dict[str, Path]) -> None:
    facts = metadata(wheels[name])
    declared = project(name)
    assert facts["Name"] == name
    assert facts["Version"] == declared["version"]
    assert facts["Requires-Python"] == ">=3.11"
    assert facts["License-Expression"] == "MIT"
    assert facts["License-File"] == "LICENSE"
    assert facts["Summary"] == declared["description"]
    assert facts["Description-Content-Type"] == "text/markdown"
    assert facts.get_payload() == (ROOT / "packages" / name / "README.md").read_text()
    assert set(facts.get_all("Provides-Extra", [])) == set(declared.get("optional-dependencies", {}))
    written = [Requirement(text) for text in facts.get_all("Requires-Dist", [])]
    required = [Requirement(text) for text in declared["dependencies"]]
    assert {str(item) for item in written if "extra ==" not in str(item)} == {str(item) for item in required}
    assert sorted(item.name for item in written) == sorted(item.name for item in requirements(name))


@pytest.mark.parametrize("name", EVERY)
def test_metadata_for_a_package_index(name: str, wheels: dict[str, Path]) -> None:
    facts = metadata(wheels[name])
    classifiers = set(facts.get_all("Classifier", []))
    assert len([each for each in classifiers if each.startswith("Development Status :: ")]) == 1
    assert {"Intended Audience :: Developers", "Operating System :: POSIX :: Linux"} <= classifiers
    assert any(each.startswith("Topic :: ") for each in classifiers)
    assert ("Typing :: Typed" in classifiers) == (name in CODE)
    assert "streamlit" in facts["Keywords"].split(",")


@pytest.mark.parametrize("name", EVERY)
def test_the_classifiers_name_the_tested_pythons(name: str) -> None:
    [matrix] = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["hatch-test"]["matrix"]
    found = re.findall(r"Python :: (3\.\d+)$", "\n".join(project(name)["classifiers"]), re.MULTILINE)
    assert found == matrix["python"]


@pytest.mark.parametrize("name", EVERY)
def test_project_urls_lead_to_files_of_the_tree(name: str, wheels: dict[str, Path]) -> None:
    urls = dict(line.split(", ", 1) for line in metadata(wheels[name]).get_all("Project-URL", []))
    assert set(urls) == {"Documentation", "Source", "Changelog", "Issues", "Security"}
    inside = {label: url.partition(f"{urls['Source']}/blob/main/")[2] for label, url in urls.items()}
    assert inside["Changelog"] == f"packages/{name}/CHANGELOG.md"
    assert [path for path in inside.values() if path and not (ROOT / path).is_file()] == []
    assert len([path for path in inside.values() if path]) == 3


def test_each_distribution_has_a_summary_of_its_own() -> None:
    summaries = {project(name)["description"] for name in EVERY}
    assert len(summaries) == len(EVERY)
    assert [text for text in summaries if len(text) > 120 or not text.endswith(".")] == []


@pytest.mark.parametrize("name", EVERY)
def test_wheel_carries_the_licence(name: str, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[name]) as archive:
        [path] = [path for path in archive.namelist() if path.endswith("/licenses/LICENSE")]
        assert archive.read(path).decode() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("name", CODE)
def test_wheel_ships_its_package_and_nothing_else(name: str, wheels: dict[str, Path]) -> None:
    package = IMPORT_NAMES[name]
    paths = contents(wheels[name])
    assert f"{package}/py.typed" in paths
    top_level = {path.split("/")[0] for path in paths}
    assert top_level == {package, f"{name.replace('-', '_')}-{project(name)['version']}.dist-info"}
    unwanted = re.compile(r"(^|/)(tests?|__pycache__|conftest\.py|test_[^/]*\.py)(/|$)|\.py[co]$")
    # The projects that `fluxlit new` writes have tests.
    assert [path for path in paths if unwanted.search(path) and "/templates/" not in path] == []
    source = ROOT / "packages" / name / "src"
    in_tree = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in paths if ".dist-info/" not in path} == in_tree


def test_the_gateway_brings_a_skill_for_coding_assistants(wheels: dict[str, Path]) -> None:
    [path] = [path for path in contents(wheels["fluxlit-gateway"]) if path.endswith("/SKILL.md")]
    assert path == "fluxlit/.agents/skills/fluxlit/SKILL.md"  # where tools look for the skills of a library


def test_the_meta_package_ships_no_code(wheels: dict[str, Path]) -> None:
    assert [path for path in contents(wheels["fluxlit"]) if ".dist-info/" not in path] == []


def test_the_meta_package_brings_every_other_distribution() -> None:
    assert {Requirement(text).name for text in project("fluxlit")["dependencies"]} == set(CODE)


@pytest.mark.parametrize("name", EVERY)
def test_sibling_pins_are_ranges_that_admit_the_tree(name: str) -> None:
    for requirement in requirements(name):
        if requirement.name not in IMPORT_NAMES:
            continue
        version = Version(project(requirement.name)["version"])
        assert requirement.specifier.contains(version), f"{requirement} does not admit {version}"
        assert {part.operator for part in requirement.specifier} == {">=", "<"}, f"{requirement} is not a range"
        assert not requirement.specifier.contains(Version(f"{version.major + 1}.0.0"))


@pytest.mark.parametrize("name", EVERY)
def test_third_party_requirements_have_floors(name: str) -> None:
    for requirement in requirements(name):
        assert ">=" in {part.operator for part in requirement.specifier}, f"{requirement} has no floor"
        assert "==" not in {part.operator for part in requirement.specifier}, f"{requirement} is a lock, not a range"


def test_floors_and_ceilings_are_those_of_the_tested_versions() -> None:
    minor = VERSIONS["minor"]
    declared = {requirement.name: requirement.specifier for requirement in requirements("fluxlit-gateway")}
    for name, (first, last) in VERSIONS["TESTED"].items():
        bounds = {part.operator: part.version for part in declared[name]}
        assert minor(bounds[">="]) == minor(first), name
        if "<" in bounds:
            major, second = minor(last)
            assert minor(bounds["<"]) in {(major, second + 1), (major + 1, 0)}, name
    assert {name for name in VERSIONS["TESTED"] if "<" in str(declared[name])} == set(VERSIONS["TESTED"]) - {"fastapi"}


@pytest.mark.parametrize("name", EVERY)
def test_sdist_is_complete(name: str, dist: Path) -> None:
    stem = f"{name.replace('-', '_')}-{project(name)['version']}"
    with tarfile.open(dist / f"{stem}.tar.gz") as archive:
        paths = {path.removeprefix(f"{stem}/") for path in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= paths


@pytest.mark.parametrize("name", EVERY)
def test_changelog_opens_with_the_version(name: str) -> None:
    text = (ROOT / "packages" / name / "CHANGELOG.md").read_text()
    assert text.startswith(f"# Changelog of {name}\n")
    versions = re.findall(r"^## (\S+) \((?:unreleased|\d{4}-\d\d-\d\d)\)$", text, flags=re.MULTILINE)
    assert versions == re.findall(r"^## (\S+)", text, flags=re.MULTILINE), "a heading is not `## VERSION (DATE)`"
    assert versions[0] == project(name)["version"]
    assert versions == sorted(versions, key=Version, reverse=True)


def imported(source: Path) -> set[str]:
    """Return the top-level names that a tree of modules imports anywhere."""
    names: set[str] = set()
    for module in source.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names.add(node.module.split(".")[0])
    return names


def distribution(package: str) -> str:
    """Return what to install for an import."""
    others: dict[str | None, str] = {import_name: name for name, import_name in IMPORT_NAMES.items()}
    others |= {"dotenv": "python-dotenv", "opentelemetry": "opentelemetry-api", "yaml": "pyyaml"}
    return others.get(package, package.replace("_", "-"))


@pytest.mark.parametrize("name", CODE)
def test_every_import_is_declared(name: str) -> None:
    # What merely comes along with a dependency may leave with its next release.
    ours = {import_name for import_name in IMPORT_NAMES.values() if import_name}
    third_party = imported(ROOT / "packages" / name / "src") - set(sys.stdlib_module_names) - ours
    declared = {requirement.name for requirement in requirements(name)}
    assert {distribution(package) for package in third_party} - declared == set()


@pytest.mark.parametrize("name", CODE)
def test_no_requirement_is_idle(name: str) -> None:
    used = imported(ROOT / "packages" / name / "src")
    used_distributions = {distribution(package) for package in used}
    # Never imported by name: uvicorn and zoneinfo pick them up when they are installed.
    picked_up = {"uvloop", "tzdata"}
    declared = {requirement.name for requirement in requirements(name)}
    assert declared - used_distributions - picked_up == set()
