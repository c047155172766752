"""The contract with authenticators: cheap to import, and one for all."""

import subprocess
import sys

import fluxlit
import fluxlit_auth
from fluxlit.auth import contract

HEAVY = {"fastapi", "pydantic", "starlette", "streamlit", "uvicorn", "httpx", "fluxlit.settings"}


def test_importing_it_imports_neither_settings_nor_a_framework() -> None:
    program = "import sys, fluxlit.auth.contract; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert HEAVY & set(done.stdout.split()) == set()


def test_there_is_one_user_for_applications_and_authenticators() -> None:
    assert fluxlit.User is contract.User is fluxlit_auth.User
    assert (fluxlit_auth.Verdict, fluxlit_auth.Problem) == (contract.Verdict, contract.Problem)
