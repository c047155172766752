"""Checks of the settings, FluxLit's and Streamlit's."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable

from fluxlit.errors import FluxLitError
from fluxlit.server.look import read_look
from fluxlit.worker.streamlit_options import OWNED, USER_HEADERS, names_users, refuse_owned
from fluxlit_cli.config import rules
from fluxlit_cli.doctor.check import Check
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, failed, passed, skipped, warned, worst

_GROUPS = {
    "proxy-trust": (
        "forwarding headers are trusted only from your proxies",
        ("trust-everyone", "trust-wide-network", "allow-list-unused"),
    ),
    "public-address": (
        "the public address is known and matches the root path",
        ("public-url-missing", "mount-without-public-url", "public-http", "login-over-http", "hsts-never-sent"),
    ),
    "secrets": (
        "keys are strong, and others cannot read them",
        ("weak-secret-key", "secret-in-code", "secret-in-project-file", "secret-on-command-line"),
    ),
    "session-protection": (
        "sessions are encrypted in the store and in transit",
        ("sessions-unencrypted", "redis-without-tls"),
    ),
    "browser-protection": (
        "other sites cannot misuse a user's browser",
        (
            "security-headers-off",
            "framed-login",
            "insecure-origin",
            "cors-credentials-unused",
            "streamlit-routes-open",
        ),
    ),
    "limits": (
        "size and time limits are set, and not too low",
        ("no-body-limit", "short-read-timeout", "no-grace", "unsupported-multiworker"),
    ),
}


def settings_valid(subject: Subject) -> Finding:
    """All settings are known, valid and consistent."""
    if subject.settings_error is not None:
        problems = "; ".join(map(str, subject.settings_error.problems))
        return failed(f"{problems}.", "docs/reference/settings.md lists all settings.")
    try:
        read_look(subject.settings, subject.root)
    except FluxLitError as error:
        return failed(str(error), "docs/how-to/system-pages.md lists the placeholders.")
    return passed(str(subject.resolved.project_file or "no project file"))


def streamlit_options(subject: Subject) -> Finding:
    """Streamlit's options are valid and not overridden by FluxLit."""
    refuse_owned(subject.settings.streamlit_options, subject.resolved.sources["streamlit_options"])
    file = subject.root / ".streamlit" / "config.toml"
    try:
        written = _flat(tomllib.loads(file.read_text("utf-8"))) if file.is_file() else []
    except (OSError, ValueError) as error:
        return failed(f"{file} cannot be read: {error}.", "Correct the file.")
    variables = {f"STREAMLIT_{_upper(key)}": key for key in OWNED}
    ignored = [(key, str(file)) for key in written if key in OWNED]
    ignored += [(variables[name], name) for name in subject.machine.environ if name in variables]
    # The keys in its table are headers. FluxLit's own are for an external Streamlit.
    headers = [key.removeprefix(f"{USER_HEADERS}.") for key in written if key.startswith(f"{USER_HEADERS}.")]
    if names_users(dict.fromkeys(headers)):
        ignored.insert(0, (USER_HEADERS, str(file)))
    if ignored:
        key, where = ignored[0]
        refused = key == USER_HEADERS and not subject.login
        say = failed if refused else warned
        return say(f"{where}: {key} {'stops the start' if refused else 'has no effect here'}.", OWNED[key])
    count = len(subject.settings.streamlit_options) + len(written)
    return passed(f"{count} option{'s' if count != 1 else ''}")


def web_concurrency(subject: Subject) -> Finding:
    """Uvicorn is not configured for several processes."""
    count = subject.machine.environ.get("WEB_CONCURRENCY", "")
    if count.isdigit() and int(count) > 1:
        return warned(
            f"WEB_CONCURRENCY={count} makes `uvicorn app:app` start {count} processes, which FluxLit refuses.",
            f"Unset it, and use FLUXLIT_STREAMLIT_WORKERS={count}.",
        )
    return passed("one process")


def secret_files(subject: Subject) -> Finding:
    """Only the owner can read files with secrets."""
    found = [path for path in (subject.root / ".env", subject.root / ".streamlit" / "secrets.toml") if path.is_file()]
    if not found:
        return skipped("there is no .env and no .streamlit/secrets.toml.")
    for path in found:
        mode = path.stat().st_mode
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            what = "change" if mode & stat.S_IWOTH else "read"
            finding = failed if mode & stat.S_IWOTH else warned
            return finding(f"every user of the machine can {what} {path}.", f"chmod 600 {path}")
    return passed(", ".join(path.name for path in found))


def _by_rules(ids: tuple[str, ...]) -> Callable[[Subject], Finding]:
    def examine(subject: Subject) -> Finding:
        resolved = subject.resolved
        found = rules.check(resolved.settings, resolved.sources, login=subject.login)
        ours = [finding for finding in found if finding.id in ids]
        if not ours:
            return passed("no problems found")
        detail = " ".join(f"[{finding.id}] {finding.detail}" for finding in ours)
        return Finding(worst(ours), detail, " ".join(dict.fromkeys(finding.remedy for finding in ours)))

    return examine


def _flat(table: dict[str, object], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in table.items():
        keys += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def _upper(key: str) -> str:
    """Return ``SERVER_ENABLE_CORS`` for ``server.enableCORS``."""
    words = "".join(f"_{char}" if char.isupper() else char for char in key.replace("CORS", "Cors").replace(".", "_"))
    return words.upper()


CHECKS = (
    Check("settings-valid", "all settings are known, valid and consistent", settings_valid),
    *(Check(name, summary, _by_rules(ids)) for name, (summary, ids) in _GROUPS.items()),
    Check("streamlit-options", "Streamlit's own options exist and take effect", streamlit_options),
    Check("web-concurrency", "uvicorn is not configured for several processes", web_concurrency),
    Check("secret-files", "only the owner can read files with secrets", secret_files),
)
