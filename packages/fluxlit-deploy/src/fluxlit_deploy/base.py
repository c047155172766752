"""The base image: which one a project gets, and how its digest is renewed."""

from __future__ import annotations

from fluxlit_deploy.description import Project

_REPOSITORY = "docker.io/library/python"

# Digests of the multi-platform indexes, as they were at the release of this version.
_DIGESTS = {"3.12": "sha256:ec948fa5f90f4f8907e89f4800cfd2d2e91e391a4bce4a6afa77ba265bc3a2fe"}

REFRESH = f"""\
The Dockerfile names its base image by tag and digest, so that the same file always builds on the same bytes.
Bytes that do not change get no security updates either: renew the digest regularly, at best by a bot.

1. Ask for the current digest, with whichever tool is at hand:

   docker buildx imagetools inspect {_REPOSITORY}:3.12-slim --format '{{{{.Manifest.Digest}}}}'
   skopeo inspect --format '{{{{.Digest}}}}' docker://{_REPOSITORY}:3.12-slim
   crane digest {_REPOSITORY}:3.12-slim

2. Put it behind the @ of ARG PYTHON_IMAGE in the Dockerfile, or try it first without a change:

   docker build --build-arg PYTHON_IMAGE={_REPOSITORY}:3.12-slim@sha256:... .

3. Build, run your tests against the image, commit.

Renovate and Dependabot do the same by themselves: both understand an ARG in front of FROM.
To use another image for good, set base_image in [build] of fluxlit.toml and run fluxlit build again."""


def base_image(project: Project) -> str:
    """Return the image to build on, by digest if it is known."""
    if project.build.base_image:
        return project.build.base_image
    name = f"{_REPOSITORY}:{project.python}-slim"
    digest = _DIGESTS.get(project.python)
    return f"{name}@{digest}" if digest else name
