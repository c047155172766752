"""Checks of the settings, FluxLit's and Streamlit's."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable

from fluxlit.worker.streamlit_options import OWNED, refuse_owned
from fluxlit_cli.config.hazards import hazards
from fluxlit_cli.doctor.check import Check, Outcome, Status, failed, passed, skipped, warned
from fluxlit_cli.doctor.subject import Subject

_GROUPS = {
    "proxy-trust": (
        "forwarding headers are believed from your proxies only",
        ("trust-everyone", "trust-wide-network", "allow-list-unused"),
    ),
    "public-address": (
        "the address that browsers use is known and agrees with the root path",
        ("public-url-missing", "mount-without-public-url", "public-http", "login-over-http", "hsts-never-sent"),
    ),
    "secrets": (
        "keys are strong, and are not where others can read them",
        ("weak-secret-key", "secret-in-code", "secret-in-project-file", "secret-on-command-line"),
    ),
    "session-protection": (
        "sessions are encrypted where they are stored and on the way there",
        ("sessions-unencrypted", "redis-without-tls"),
    ),
    "debug": ("tracebacks are shown to developers only", ("debug-in-production",)),
    "browser-protection": (
        "other sites cannot misuse a visitor's browser",
        (
            "security-headers-off",
            "framed-login",
            "insecure-origin",
            "cors-credentials-unused",
            "streamlit-routes-open",
        ),
    ),
    "limits": (
        "sizes and times are limited, and not too tightly",
        ("no-body-limit", "short-read-timeout", "no-grace", "unsupported-multiworker"),
    ),
}


def settings_valid(subject: Subject) -> Outcome:
    """Every layer can be read, and holds nothing unknown, wrong or contradictory."""
    if subject.settings_error is not None:
        problems = "; ".join(map(str, subject.settings_error.problems))
        return failed(f"{problems}.", "Correct them; docs/reference/settings.md lists all settings.")
    return passed(str(subject.resolved.project_file or "no project file"))


def streamlit_options(subject: Subject) -> Outcome:
    """Streamlit's own options exist, can be read, and are not overruled by FluxLit."""
    refuse_owned(subject.settings.streamlit_options, subject.resolved.sources["streamlit_options"].where)
    file = subject.root / ".streamlit" / "config.toml"
    try:
        written = _flat(tomllib.loads(file.read_text("utf-8"))) if file.is_file() else []
    except (OSError, ValueError) as error:
        return failed(f"{file} cannot be read: {error}.", "Correct the file.")
    variables = {f"STREAMLIT_{_upper(key)}": key for key in OWNED}
    said = [(key, str(file)) for key in written if key in OWNED]
    said += [(variables[name], name) for name in subject.machine.environ if name in variables]
    if said:
        key, where = said[0]
        return warned(f"{where}: {key} has no effect here.", OWNED[key])
    count = len(subject.settings.streamlit_options) + len(written)
    return passed(f"{count} option{'s' if count != 1 else ''}")


def web_concurrency(subject: Subject) -> Outcome:
    """Nothing asks uvicorn for several processes."""
    count = subject.machine.environ.get("WEB_CONCURRENCY", "")
    if count.isdigit() and int(count) > 1:
        return warned(
            f"WEB_CONCURRENCY={count} lets `uvicorn app:app` start {count} processes, which FluxLit refuses.",
            f"Unset it, and use FLUXLIT_STREAMLIT_WORKERS={count}.",
        )
    return passed("one process")


def secret_files(subject: Subject) -> Outcome:
    """Files with secrets can be read by their owner only."""
    found = [path for path in (subject.root / ".env", subject.root / ".streamlit" / "secrets.toml") if path.is_file()]
    if not found:
        return skipped("there is no .env and no .streamlit/secrets.toml.")
    for path in found:
        mode = path.stat().st_mode
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            what = "change" if mode & stat.S_IWOTH else "read"
            outcome = failed if mode & stat.S_IWOTH else warned
            return outcome(f"every user of the machine can {what} {path}.", f"chmod 600 {path}")
    return passed(", ".join(path.name for path in found))


def _hazards_of(ids: tuple[str, ...]) -> Callable[[Subject], Outcome]:
    def examine(subject: Subject) -> Outcome:
        resolved = subject.resolved
        found = hazards(resolved.settings, resolved.sources, login=subject.login)
        ours = [hazard for hazard in found if hazard.id in ids]
        if not ours:
            return passed("as it should be")
        status = Status.FAIL if any(hazard.severity == "error" for hazard in ours) else Status.WARN
        detail = " ".join(f"[{hazard.id}] {hazard.message}" for hazard in ours)
        return Outcome(status, detail, " ".join(dict.fromkeys(hazard.remedy for hazard in ours)))

    return examine


def _flat(table: dict[str, object], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for key, value in table.items():
        keys += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def _upper(key: str) -> str:
    """Write ``server.enableCORS`` as Streamlit writes its variables: SERVER_ENABLE_CORS."""
    words = "".join(f"_{char}" if char.isupper() else char for char in key.replace("CORS", "Cors").replace(".", "_"))
    return words.upper()


CHECKS = (
    Check("settings-valid", "every layer of settings can be read and is right", settings_valid),
    *(Check(name, summary, _hazards_of(ids)) for name, (summary, ids) in _GROUPS.items()),
    Check("streamlit-options", "Streamlit's own options exist and take effect", streamlit_options),
    Check("web-concurrency", "nothing asks uvicorn for several processes", web_concurrency),
    Check("secret-files", "files with secrets are readable by their owner only", secret_files),
)
