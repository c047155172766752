"""The reference of `fluxlit build` names every option and every finding."""

from __future__ import annotations

import re

from tests.cli.command import fluxlit
from tests.support.processes import ROOT

PAGE = (ROOT / "docs" / "reference" / "build.md").read_text(encoding="utf-8")
SOURCE = ROOT / "packages" / "fluxlit-deploy" / "src" / "fluxlit_deploy"
# Where findings are made by a helper that puts the kind of file in front.
PREFIXES = {
    "image_check.py": "docker-",
    "compose/check.py": "compose-",
    "edges/check.py": "edge-",
    "kubernetes/check.py": "kubernetes-",
    "platforms/check.py": "platform-",
}


def made() -> set[str]:
    """The names of the findings that the code can make."""
    found = set()
    for file in ("advice.py", "generators.py", "ignore_check.py", "resolution.py", *PREFIXES):
        text = (SOURCE / file).read_text(encoding="utf-8")
        found |= set(re.findall(r'\bFinding\(\s*"([a-z-]+)"', text))
        helpers = re.findall(r'(?:\b_found|\.found|\bRule|\b_at|\b_error)\(\s*"([a-z-]+)"', text)
        found |= {f"{PREFIXES[file]}{each}" for each in helpers}
    return found


def test_every_finding_is_named() -> None:
    named = set(re.findall(r"`((?:project|docker|ignore|compose|edge|kubernetes|platform)-[a-z-]+)`", PAGE))

    assert len(named) > 35
    assert named == made()


def test_every_option_is_named() -> None:
    help_text = fluxlit("build", "--help").stdout

    options = set(re.findall(r"--[a-z-]+", help_text)) - {"--help"}
    assert {option for option in options if option not in PAGE} == set()
