"""The Helm chart: the objects of the manifests with Helm's expressions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from fluxlit_deploy.description import WORKERS_STOP_S, Project
from fluxlit_deploy.edges.headers import ROUTE_FILTER
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes.plan import make_plan
from fluxlit_deploy.options import Options
from fluxlit_deploy.template import render

FOLDER = PurePosixPath("helm")

_NAME = "{{ .Release.Name }}"

_SHARED = {
    "serviceaccount.yaml": "kubernetes/base/serviceaccount.yaml",
    "deployment.yaml": "kubernetes/base/deployment.yaml",
    "service.yaml": "kubernetes/base/service.yaml",
    "networkpolicy.yaml": "kubernetes/base/networkpolicy.yaml",
    "poddisruptionbudget.yaml": "kubernetes/overlays/production/poddisruptionbudget.yaml",
    "podmonitor.yaml": "kubernetes/overlays/production/podmonitor.yaml",
    "redis.yaml": "kubernetes/overlays/production/redis.yaml",
}
_OWN = (
    "_helpers.tpl",
    "configmap.yaml",
    "horizontalpodautoscaler.yaml",
    "httproute.yaml",
    "ingress.yaml",
    "affinity.yaml",
    "NOTES.txt",
)


@dataclass(frozen=True)
class Expressions:
    """Helm's expressions in place of the values of a `Plan`.

    Attributes:
        port: port of the container, which the chart does not let people choose.
        api: path of the API below the root path.
        uid: number of the user.
    """

    port: int
    api: str
    uid: int
    name: str = _NAME
    edge_namespace: str = "{{ .Values.route.edgeNamespace }}"
    monitoring_namespace: str = "{{ .Values.metrics.namespace }}"
    metrics_port: str = "{{ .Values.metrics.port }}"
    grace_sum: str = f"preStop + drain delay + graceful timeout + API + {WORKERS_STOP_S:g} s to end"
    grace_period: str = field(
        default="{{ add .Values.drain.preStopSeconds .Values.drain.delaySeconds .Values.drain.gracefulSeconds "
        f".Values.drain.apiSeconds {WORKERS_STOP_S:.0f} }}}}"
    )
    pre_stop_s: str = "{{ .Values.drain.preStopSeconds }}"
    # The time to start, and half a minute for imports; a probe every two seconds.
    startup_tries: str = "{{ add (div .Values.streamlitStartTimeoutSeconds 2) 15 }}"


def chart_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the Helm chart below ``helm/NAME/``.

    The values of the plan become its defaults.

    Raises:
        DeployError: ``[build.kubernetes]``, the project and the options do not fit each other.
    """
    plan = make_plan(project, options)
    expressions = Expressions(port=plan.port, api=plan.api, uid=plan.uid)
    texts = {
        "Chart.yaml": render("helm/Chart.yaml", plan=plan, title=project.title or project.name),
        "values.yaml": render("helm/values.yaml", plan=plan),
        "values.schema.json": render("helm/values.schema.json"),
        ".helmignore": render("helm/helmignore"),
        **{f"templates/{name}": render(f"helm/templates/{name}", plan=plan, removed=ROUTE_FILTER) for name in _OWN},
        **{f"templates/{name}": render(template, plan=expressions, chart=True) for name, template in _SHARED.items()},
    }
    return tuple(File(FOLDER / plan.name / path, text) for path, text in texts.items())
