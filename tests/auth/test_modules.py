"""Each module of fluxlit_auth has a test file of its name, or a reason for having none."""

from pathlib import Path

from tests.support.processes import ROOT

SOURCE = ROOT / "packages" / "fluxlit-auth" / "src" / "fluxlit_auth"
TESTS = ROOT / "tests" / "auth"

REASONS = {
    "access_token.py": "validation is tested through its users: test_bearer.py, test_trusted_proxy.py",
    "errors.py": "definitions",
    "identity.py": "definitions",
    "non_interactive.py": "a base class: test_api_keys.py, test_bearer.py, test_trusted_proxy.py",
    "login/context.py": "a definition",
    "login/session_administration.py": "tested through the command: command/test_sessions.py",
    "login/user_claims.py": "tested by whole logins: test_authorization_code_flow.py, test_token_refresh.py",
}


def test_each_module_has_a_test_file_or_a_reason() -> None:
    modules = {path.relative_to(SOURCE) for path in SOURCE.rglob("*.py") if path.name != "__init__.py"}
    tests = {path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")}
    missing = {module.as_posix() for module in modules if _test_of(module) not in tests}
    assert missing == set(REASONS)


def _test_of(module: Path) -> Path:
    return module.with_name(f"test_{module.name}")
