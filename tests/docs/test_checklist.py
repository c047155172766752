"""docs/how-to/deploy.md lists only checks that `fluxlit doctor` has."""

import re

from tests.cli.command import fluxlit
from tests.support.processes import ROOT


def test_every_check_of_the_list_exists() -> None:
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    table = page.partition("## Before the first visitor")[2].partition("```")[0]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", table)) - {"fluxlit"}
    listed = fluxlit("doctor", "--list")

    known = {line.split()[0] for line in listed.stdout.splitlines() if line.strip()}
    assert len(named) > 20
    assert named - known == set()
