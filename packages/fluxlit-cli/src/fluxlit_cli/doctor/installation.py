"""Checks of Python and of the installed distributions."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxlit._internal.tested_versions import TESTED, tested_range, untested
from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, failed, passed, skipped, warned

OLDEST = (3, 11)
NEWEST_TESTED = (3, 13)
OURS = frozenset({"fluxlit", "fluxlit-auth", "fluxlit-cli", "fluxlit-deploy", "fluxlit-gateway", "fluxlit-sessions"})
# Import packages that must come from one distribution each, or files of two are mixed.
OWNED = frozenset({"fluxlit", "streamlit", "fastapi", "starlette", "uvicorn", "pydantic", "websockets"})

# Combinations that declared dependencies allow and that do not work: two requirements that must not both be met,
# the reason, and the remedy.
KNOWN_BAD = (
    (
        "fluxlit<1",
        "fluxlit-gateway",
        "an unrelated distribution, also called fluxlit, has overwritten files of fluxlit-gateway",
        "pip uninstall fluxlit fluxlit-gateway, then install FluxLit again, from this project's wheels.",
    ),
    (
        "streamlit-nightly",
        "streamlit",
        "the nightly build and the release of Streamlit have overwritten each other's files",
        "Uninstall both, then install one.",
    ),
    (
        "multipart",
        "python-multipart<0.0.13",
        "both install a package called multipart, so forms and uploads to the API fail",
        'pip install --upgrade "python-multipart>=0.0.13"',
    ),
)


def python_version(subject: Subject) -> Finding:
    """FluxLit is tested on this version of Python."""
    version = subject.machine.python
    text = "Python " + ".".join(map(str, version))
    if version[:2] < OLDEST:
        return failed(f"{text} is too old.", "Use Python 3.11, 3.12 or 3.13.")
    if version[:2] > NEWEST_TESTED:
        return warned(f"FluxLit is untested on {text}.", "Use Python 3.11, 3.12 or 3.13.")
    return passed(text)


def platform(subject: Subject) -> Finding:
    """FluxLit is tested on this operating system."""
    system = subject.machine.system
    if system == "Linux":
        return passed(system)
    return warned(f"FluxLit is tested on Linux, not on {system}.", "Run production on Linux.")


def dependencies(subject: Subject) -> Finding:
    """All dependencies are installed in versions that are allowed."""
    present = _versions(subject)
    missing = list(_unmet(subject, present, OURS | {"streamlit", "fastapi"}))
    if missing:
        return failed("; ".join(missing) + ".", "Upgrade these distributions with pip install --upgrade.")
    return passed(f"{len(present)} distributions are compatible")


def fluxlit_versions(subject: Subject) -> Finding:
    """The distributions of FluxLit accept each other's versions."""
    present = _versions(subject)
    unmet = list(_unmet(subject, present, OURS, OURS))
    if unmet:
        return failed("; ".join(unmet) + ".", "Upgrade these distributions together.")
    return passed(", ".join(f"{name} {version}" for name, version in sorted(present.items()) if name in OURS))


def tested_versions(subject: Subject) -> Finding:
    """FluxLit is tested with the installed releases of its dependencies."""
    found = untested(_versions(subject))
    if found:
        return warned(
            f"FluxLit is not tested with {', '.join(found)}.",
            "Install tested releases, or test your application with these.",
        )
    return passed(", ".join(f"{name} {tested_range(name)}" for name in TESTED))


def known_bad_versions(subject: Subject) -> Finding:
    """No distributions are installed that are known to conflict."""
    present = _versions(subject)
    for first, second, why, remedy in KNOWN_BAD:
        if _meets(first, present) and _meets(second, present):
            return failed(f"{first} and {second} are both installed: {why}.", remedy)
    return passed(f"none of {len(KNOWN_BAD)} known bad pairs")


def import_owners(subject: Subject) -> Finding:
    """Each important package comes from one distribution."""
    owners = defaultdict(set)
    for distribution in subject.machine.distributions():
        for package in _top_level(distribution) & OWNED:
            owners[package].add(distribution.metadata["Name"])
    for package, names in sorted(owners.items()):
        if len(names) > 1:
            detail = " and ".join(sorted(names))
            return failed(f"the package {package} is installed by {detail}.", f"Uninstall all but one of {detail}.")
    return passed(f"{len(owners)} packages, one distribution each")


def protobuf_speed(subject: Subject) -> Finding:
    """Protobuf uses compiled code."""
    try:
        kind = importlib.import_module("google.protobuf.internal.api_implementation").Type()
    except (ImportError, AttributeError):  # internal to protobuf
        return skipped("this version of protobuf does not report it.")
    forced = subject.machine.environ.get("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION")
    if kind == "python" or forced == "python":
        return warned(
            "protobuf runs in pure Python, which makes every page several times slower.",
            "Remove PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION from the environment, or reinstall protobuf.",
        )
    return passed(f"protobuf uses {kind}")


def _versions(subject: Subject) -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in subject.machine.distributions():  # the first on the path is the one that is imported
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), distribution.version)
    return found


def _unmet(
    subject: Subject, present: dict[str, str], owners: frozenset[str], needs: frozenset[str] | None = None
) -> Iterator[str]:
    """Yield the unmet requirements of owners, optionally only some needs."""
    for distribution in subject.machine.distributions():
        name = canonicalize_name(distribution.metadata["Name"] or "")
        if name not in owners:
            continue
        for text in distribution.requires or ():
            needed = Requirement(text)
            if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
                continue
            if needs is not None and canonicalize_name(needed.name) not in needs:
                continue
            there = present.get(canonicalize_name(needed.name))
            if there is None:
                yield f"{name} needs {needed.name}, which is not installed"
            elif not _allows(needed, there):
                yield f"{name} needs {needed.name}{needed.specifier}, but {there} is installed"


def _meets(requirement: str, present: dict[str, str]) -> bool:
    wanted = Requirement(requirement)
    there = present.get(canonicalize_name(wanted.name))
    return there is not None and _allows(wanted, there)


def _allows(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:  # a local version that cannot be compared
        return True


def _top_level(distribution: metadata.Distribution) -> set[str]:
    named = (distribution.read_text("top_level.txt") or "").split()
    # `distribution.files` looks at each file on the disk since Python 3.12: seconds, where there are ten thousands.
    listed = (distribution.read_text("RECORD") or "").splitlines()
    return {*named, *(line.partition("/")[0] for line in listed if "/" in line)}


CHECKS = (
    Check("python-version", "FluxLit is tested on this version of Python", python_version, Needs.MACHINE),
    Check("platform", "FluxLit is tested on this operating system", platform, Needs.MACHINE),
    Check("dependencies", "all dependencies are installed in versions that are allowed", dependencies, Needs.MACHINE),
    Check("fluxlit-versions", "FluxLit's distributions accept each other's versions", fluxlit_versions, Needs.MACHINE),
    Check("tested-versions", "FluxLit is tested with the installed releases", tested_versions, Needs.MACHINE),
    Check("known-bad-versions", "no installed distributions conflict", known_bad_versions, Needs.MACHINE),
    Check("import-owners", "no distribution has overwritten files of another", import_owners, Needs.MACHINE),
    Check("protobuf-speed", "protobuf uses compiled code", protobuf_speed, Needs.MACHINE),
)
