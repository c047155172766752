"""The manifests: a Kustomize base and overlays for dev and production."""

from __future__ import annotations

from pathlib import PurePosixPath

from fluxlit_deploy.description import Project
from fluxlit_deploy.edges.headers import ROUTE_FILTER
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes.plan import Plan, make_plan
from fluxlit_deploy.options import Options
from fluxlit_deploy.template import render

FOLDER = PurePosixPath("kubernetes")

_BASE = (
    "base/kustomization.yaml",
    "base/settings.env",
    "base/serviceaccount.yaml",
    "base/deployment.yaml",
    "base/service.yaml",
    "base/networkpolicy.yaml",
)
_DEV = ("overlays/dev/kustomization.yaml", "overlays/dev/namespace.yaml", "overlays/dev/settings.env")
_PRODUCTION = (
    "kustomization.yaml",
    "namespace.yaml",
    "settings.env",
    "secret-patch.yaml",
    "poddisruptionbudget.yaml",
    "horizontalpodautoscaler.yaml",
)


def manifest_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the Kustomize base and its overlays below ``kubernetes/``.

    Raises:
        DeployError: ``[build.kubernetes]``, the project and the options do not fit each other.
    """
    plan = make_plan(project, options)
    production = (*_PRODUCTION, *_chosen(plan))
    paths = ("README.md", *_BASE, *_DEV, *(f"overlays/production/{name}" for name in production))
    values = {"plan": plan, "chart": False, "removed": ROUTE_FILTER}
    return tuple(File(FOLDER / path, render(f"kubernetes/{path}", **values)) for path in paths)


def _chosen(plan: Plan) -> list[str]:
    """Return the optional files of the production overlay."""
    chosen = ["httproute.yaml" if plan.route == "gateway" else "ingress.yaml"]
    if plan.redis != "none":
        chosen.append("networkpolicy-redis.yaml")
    if plan.redis == "operator":
        chosen.append("redis.yaml")
    if plan.metrics == "pod-monitor":
        chosen.append("podmonitor.yaml")
    if plan.affinity in {"traefik", "haproxy"}:
        chosen.append("affinity-patch.yaml")
    if plan.affinity in {"envoy-gateway", "istio"}:
        chosen.append("affinity.yaml")
    return chosen
