"""Write docs/contributing/login-requirements.md from the tests.

The page lists the tests of each attack, requirement and standard, as their docstrings name them.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.asvs import REQUIREMENTS

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "contributing" / "login-requirements.md"
FOLDERS = (
    *("tests/auth", "tests/gateway/auth", "tests/gateway/gateway", "tests/gateway/observability"),
    *("tests/gateway/server", "tests/gateway/worker", "tests/integration"),
)

HEAD = """# Requirements of the login, and their tests

<!-- Written by `hatch run types:reference` from the tests; do not edit. -->

The docstring of a test names the requirements that it verifies. `tests/docs/test_login_requirements.py` compares this
page with the tests.

"""

ATTACKS: dict[str, tuple[str, ...]] = {
    "login CSRF": (
        "test_a_callback_for_another_browser_is_refused",
        "test_a_sibling_domain_cannot_plant_a_login_under_way",
    ),
    "code injection": ("test_a_callback_for_another_browser_is_refused", "test_lies_of_a_provider_log_nobody_in"),
    "replayed `state`": ("test_a_callback_works_once", "test_a_callback_comes_in_time"),
    "replayed `nonce`": ("test_an_id_token_of_another_login_is_worth_nothing",),
    "mix-up of providers": ("test_lies_of_a_provider_log_nobody_in", "test_another_issuer_is_refused"),
    "open redirect, in 37 spellings": ("test_nothing_else_is_followed", "test_no_login_and_no_logout_leads_out"),
    "algorithm confusion": (
        "test_a_public_key_never_serves_as_a_secret",
        "test_a_public_key_is_no_secret",
        "test_a_key_is_used_for_its_own_kind_of_signature_only",
    ),
    "`none`": ("test_other_algorithms_are_refused", "test_what_is_no_token_is_refused_and_never_a_fault"),
    "session fixation": ("test_a_login_never_adopts_a_session", "test_a_session_is_not_resumed_by_another_user"),
    "cookie tossing from a sibling domain": (
        "test_a_sibling_domain_cannot_plant_a_session",
        "test_two_cookies_of_one_name_are_none",
        "test_a_development_cookie_is_not_taken_over_tls",
    ),
    "forged identity headers, with every backend": (
        "test_forged_names_of_users_are_worth_nothing",
        "test_the_ui_gets_the_gateways_word_and_no_forged_one",
        "test_a_stranger_names_nobody",
        "test_only_a_trusted_peer_may_show_it",
        "test_a_load_balancer_is_not_believed_unless_all_is_right",
    ),
    "CSRF": ("test_a_changing_call_by_cookie_shows_where_it_comes_from", "test_another_site_cannot_sign_anybody_out"),
    "cross-site WebSocket": (
        "test_a_websocket_from_another_site_is_refused",
        "test_a_handshake_from_another_site_is_refused",
    ),
    "token in a log line": (
        "test_nothing_that_is_secret_is_logged",
        "test_no_secret_of_a_login_is_in_the_logs_of_a_server",
    ),
    "stolen store": ("test_a_dump_of_the_store_opens_nothing",),
    "forged logout": ("test_bad_logout_tokens_end_nothing", "test_a_logout_token_works_once"),
}

_ASVS = re.compile(r"ASVS(?: 5\.0)?,? ((?:\d+\.\d+\.\d+(?:, | and | to )?)+)")
_RANGE = re.compile(r"(\d+\.\d+)\.(\d+) to \d+\.\d+\.(\d+)")
_CLAUSE = re.compile(
    r"RFC (?P<rfc>\d+)|(?P<openid>OpenID Connect (?:Core|Discovery)|RP-Initiated Logout|Back-Channel Logout)"
    r"|(?P<suite>oidcc-client-test[\w-]*)"
)
_NAMES = {"rfc": "RFC {}", "openid": "{}", "suite": "`{}`"}


def docstrings() -> dict[str, str]:
    """Return the docstring of every test, by its name."""
    found: dict[str, str] = {}
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found[node.name] = ast.get_docstring(node) or ""
    return found


def ids(docstring: str) -> Iterator[str]:
    """Yield the ids of ASVS in a docstring; ``1.2.3 to 1.2.5`` are three."""
    for listed in _ASVS.findall(docstring):
        for section, first, last in _RANGE.findall(listed):
            yield from (f"{section}.{number}" for number in range(int(first), int(last) + 1))
        yield from re.findall(r"\d+\.\d+\.\d+", listed)


def clauses(docstring: str) -> Iterator[str]:
    """Yield the standards that a docstring names."""
    for match in _CLAUSE.finditer(docstring):
        kind = match.lastgroup or ""
        yield _NAMES[kind].format(match[kind].removeprefix("OpenID Connect ") if kind == "openid" else match[kind])


def shown(of: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the tests by id of ASVS.

    Raises:
        LookupError: a test carries an id that `scripts/asvs.py` does not know.
    """
    by_id: defaultdict[str, list[str]] = defaultdict(list)
    for name, docstring in of.items():
        for each in dict.fromkeys(ids(docstring)):
            by_id[each].append(name)
    if unknown := by_id.keys() - REQUIREMENTS.keys():
        raise LookupError(f"scripts/asvs.py does not know {', '.join(sorted(unknown))}: add the requirement")
    return by_id


def reference() -> str:
    """Return the whole page."""
    known = docstrings()
    by_id, by_clause = shown(known), defaultdict[str, list[str]](list)
    for name, docstring in known.items():
        for clause in dict.fromkeys(clauses(docstring)):
            by_clause[clause].append(name)
    parts = [HEAD, "## Attacks\n\n| attack | tests that it is refused |\n| --- | --- |\n"]
    parts += [f"| {attack} | {_names(names)} |\n" for attack, names in ATTACKS.items()]
    parts += ["\n## OWASP ASVS 5.0\n\nIn our own words. Most of chapters 10.4, 10.6 and 10.7 is about providers.\n\n"]
    parts += ["| id | requirement | tests, or the reason why there are none |\n| --- | --- | --- |\n"]
    for each, requirement in REQUIREMENTS.items():
        parts.append(f"| {each} | {requirement.text} | {_names(by_id[each]) or requirement.note} |\n")
    parts += ["\n## Standards\n\nThe docstring of each test names the clause. The last rows are cases of\n"]
    parts += ["the OpenID conformance suite for relying parties.\n\n| standard | tests |\n| --- | --- |\n"]
    parts += [f"| {clause} | {_names(by_clause[clause])} |\n" for clause in sorted(by_clause, key=_order)]
    return "".join(parts)


def _names(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _order(clause: str) -> tuple[bool, str]:
    return clause.startswith("`"), clause


def main() -> int:
    """Write the page."""
    TARGET.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
