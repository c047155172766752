"""Combinations of lock file, mode of the UI, edge and path mode."""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from dataclasses import dataclass, replace

from fluxlit_deploy.description import Project
from fluxlit_deploy.generators import generate
from fluxlit_deploy.options import EDGES, PATH_MODES, Edge, Options, PathMode
from tests.deploy.projects import DEPENDENCIES, MODES, project
from tests.support.pairwise import pairwise

KUBERNETES = {"image": "registry.test/portal:1.4.2", "trusted_proxies": ["10.4.0.0/16"]}


@dataclass(frozen=True)
class Combination:
    """One combination."""

    lock: str
    placement: str
    edge: Edge
    mode: PathMode

    def __str__(self) -> str:
        return f"{self.lock}-{self.placement}-{self.edge}-{self.mode}"

    @property
    def project(self) -> Project:
        """The application."""
        settings = {"root_path": "" if self.mode == "root" else "/apps/portal"}
        if self.placement == "external":
            settings["streamlit_upstream"] = "http://ui:8501"
        found = project(self.lock, "plain", self.placement, **settings)
        return replace(found, build=replace(found.build, kubernetes=KUBERNETES))

    def files(self) -> dict[str, str]:
        """All files but those for a single platform, by their paths."""
        common = {"edge": self.edge, "path_mode": self.mode}
        options = (Options(compose=True, kubernetes=True, helm=True, **common), Options(**common))  # type: ignore[arg-type]
        return {str(each.path): each.text for one in options for each in generate(self.project, one)}


MATRIX = [Combination(*each) for each in pairwise(itertools.product(DEPENDENCIES, MODES, EDGES, PATH_MODES))]
# The cluster's files know nothing of lock file and edge.
FOR_KUBERNETES = [Combination("uv", *each) for each in itertools.product(MODES, EDGES[:1], PATH_MODES)]


def digests() -> dict[str, str]:
    """One digest for the files of each combination."""
    return {str(each): hashlib.sha256(json.dumps(each.files()).encode()).hexdigest() for each in MATRIX}


if __name__ == "__main__":
    json.dump(digests(), sys.stdout)
