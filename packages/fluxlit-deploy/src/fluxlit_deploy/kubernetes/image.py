"""`Image`: the parts of a reference to a container image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fluxlit_deploy.errors import DeployError

# The grammar of the OCI distribution specification, without its corner cases: registry and path, then tag, then digest.
_REFERENCE = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?(?::\d+)?(?:/[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
PLACEHOLDER_REGISTRY = "registry.example"


@dataclass(frozen=True)
class Image:
    """A reference to an image.

    Attributes:
        name: registry and path.
        tag: tag; empty where only a digest was given.
        digest: ``sha256:...``, or empty.
    """

    name: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}{self.tag and f':{self.tag}'}{self.digest and f'@{self.digest}'}"


def parse_image(reference: str) -> Image:
    """Take a reference apart.

    Args:
        reference: such as ``registry.example/team/portal:1.4.2`` or ``...@sha256:...``.

    Raises:
        DeployError: it is no reference, or one that may mean another image tomorrow.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise DeployError(f'"{reference}" is no image: write it as registry.example/team/portal:1.4.2.')
    image = Image(found["name"], found["tag"] or "", found["digest"] or "")
    if not image.digest and image.tag in {"", "latest"}:
        raise DeployError(
            f'"{reference}" may be another image tomorrow, and a roll-back would not bring the old one back: add a '
            f"version or a digest, as in {image.name}:1.4.2."
        )
    return image
