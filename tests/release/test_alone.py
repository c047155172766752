"""Each wheel in an environment of its own, with only what it declares."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.release.environments import IMPORT_NAMES, Environment, needed_siblings, with_extras

EVERY = sorted(IMPORT_NAMES)
CODE = sorted(name for name, import_name in IMPORT_NAMES.items() if import_name)


@pytest.mark.parametrize("name", EVERY)
def test_installs_with_only_what_it_declares(name: str, install_alone: Callable[[str], Environment]) -> None:
    environment = install_alone(name)
    environment.check()
    siblings = {package for package in environment.packages() if package.startswith("fluxlit")}
    assert siblings == {name} | needed_siblings(name)


@pytest.mark.parametrize("name", CODE)
def test_every_module_imports_with_the_extras(name: str, wheels: dict[str, Path], tmp_path: Path) -> None:
    # The modules of a package are walked, not only its top: a lazy import of something undeclared would hide there.
    environment = Environment.create(tmp_path / "venv")
    environment.install(with_extras(name, wheels[name]), *(wheels[sibling] for sibling in needed_siblings(name)))
    program = f"""
import importlib, pkgutil, {IMPORT_NAMES[name]} as package
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""
    done = environment.run(environment.python, "-I", "-W", "error::DeprecationWarning", "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CODE)
def test_importing_prints_nothing(name: str, install_alone: Callable[[str], Environment], tmp_path: Path) -> None:
    environment = install_alone(name)
    done = environment.run(environment.python, "-I", "-c", f"import {IMPORT_NAMES[name]}", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_gateway_leaves_the_siblings_libraries_alone(install_alone: Callable[[str], Environment]) -> None:
    assert {"typer", "redis", "authlib", "watchfiles"} & set(install_alone("fluxlit-gateway").packages()) == set()


def test_importing_the_gateway_does_not_import_streamlit(
    install_alone: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment = install_alone("fluxlit-gateway")
    program = "import sys, fluxlit; print('streamlit' in sys.modules)"
    done = environment.run(environment.python, "-I", "-c", program, cwd=tmp_path)
    assert done.stdout.strip() == "False", done.stderr
