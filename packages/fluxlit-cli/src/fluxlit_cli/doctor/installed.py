"""Checks of Python and of what is installed."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from fluxlit._internal.tested_versions import TESTED, tested_range, untested
from fluxlit_cli.doctor.check import Check, Needs, Outcome, failed, passed, warned
from fluxlit_cli.doctor.subject import Subject

OLDEST = (3, 11)
NEWEST_PROVEN = (3, 13)
OURS = frozenset({"fluxlit", "fluxlit-auth", "fluxlit-cli", "fluxlit-deploy", "fluxlit-gateway", "fluxlit-sessions"})
# Import packages that must come from one distribution each, or files of two are mixed.
OWNED = frozenset({"fluxlit", "streamlit", "fastapi", "starlette", "uvicorn", "pydantic", "websockets"})

# What is allowed by every declared dependency and does not work all the same: two requirements that must not both
# be met, why, and what to do.
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


def python_version(subject: Subject) -> Outcome:
    """Python is one that FluxLit is proven on."""
    version = subject.machine.python
    text = "Python " + ".".join(map(str, version))
    if version[:2] < OLDEST:
        return failed(f"{text} is too old.", "Use Python 3.11, 3.12 or 3.13.")
    if version[:2] > NEWEST_PROVEN:
        return warned(f"FluxLit has not been proven on {text}.", "Use Python 3.11, 3.12 or 3.13, or test with care.")
    return passed(text)


def platform(subject: Subject) -> Outcome:
    """The operating system is one that FluxLit is proven on."""
    system = subject.machine.system
    if system == "Linux":
        return passed(system)
    return warned(f"FluxLit is proven on Linux, not on {system}.", "Run production on Linux.")


def dependencies(subject: Subject) -> Outcome:
    """Everything that FluxLit and Streamlit declare is installed, in a version that they allow."""
    present = _versions(subject)
    missing = list(_unmet(subject, present, OURS | {"streamlit", "fastapi"}))
    if missing:
        return failed("; ".join(missing) + ".", "pip install --upgrade the distributions named.")
    return passed(f"{len(present)} distributions fit together")


def fluxlit_versions(subject: Subject) -> Outcome:
    """The distributions of FluxLit admit each other's versions, each of which is its own."""
    present = _versions(subject)
    unmet = list(_unmet(subject, present, OURS, OURS))
    if unmet:
        return failed("; ".join(unmet) + ".", "Upgrade these distributions together.")
    return passed(", ".join(f"{name} {version}" for name, version in sorted(present.items()) if name in OURS))


def tested_versions(subject: Subject) -> Outcome:
    """The distributions that FluxLit builds on are of releases that it is tested with."""
    found = untested(_versions(subject))
    if found:
        return warned(
            f"FluxLit is not tested with {', '.join(found)}.",
            "Install tested releases, or test your application with these.",
        )
    return passed(", ".join(f"{name} {tested_range(name)}" for name in TESTED))


def known_bad_versions(subject: Subject) -> Outcome:
    """No two distributions are installed that are known to break each other."""
    present = _versions(subject)
    for first, second, why, remedy in KNOWN_BAD:
        if _meets(first, present) and _meets(second, present):
            return failed(f"{first} and {second} are both installed: {why}.", remedy)
    return passed(f"none of {len(KNOWN_BAD)} known bad pairs")


def import_owners(subject: Subject) -> Outcome:
    """Each package that matters comes from one distribution."""
    owners = defaultdict(set)
    for distribution in subject.machine.distributions():
        for package in _top_level(distribution) & OWNED:
            owners[package].add(distribution.metadata["Name"])
    for package, names in sorted(owners.items()):
        if len(names) > 1:
            told = " and ".join(sorted(names))
            return failed(f"the package {package} is installed by {told}.", f"Uninstall all but one of {told}.")
    return passed(f"{len(owners)} packages, one owner each")


def protobuf_speed(subject: Subject) -> Outcome:
    """Streamlit's messages are encoded by compiled code."""
    kind = importlib.import_module("google.protobuf.internal.api_implementation").Type()  # Streamlit brings it
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
    """What distributions declare and is not installed; with `needs`, only what they declare of those."""
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
    except InvalidVersion:  # a version of the user's own, which nobody can compare
        return True


def _top_level(distribution: metadata.Distribution) -> set[str]:
    named = (distribution.read_text("top_level.txt") or "").split()
    listed = [path.parts[0] for path in distribution.files or () if len(path.parts) > 1]
    return {*named, *listed}


CHECKS = (
    Check("python-version", "Python is one that FluxLit is proven on", python_version, Needs.MACHINE),
    Check("platform", "the operating system is one that FluxLit is proven on", platform, Needs.MACHINE),
    Check("dependencies", "what FluxLit needs is installed in versions that fit", dependencies, Needs.MACHINE),
    Check("fluxlit-versions", "the parts of FluxLit admit each other's versions", fluxlit_versions, Needs.MACHINE),
    Check("tested-versions", "FluxLit is tested with what it builds on", tested_versions, Needs.MACHINE),
    Check("known-bad-versions", "nothing is installed that breaks something else", known_bad_versions, Needs.MACHINE),
    Check("import-owners", "no two distributions have overwritten each other", import_owners, Needs.MACHINE),
    Check("protobuf-speed", "messages are encoded by compiled code", protobuf_speed, Needs.MACHINE),
)
