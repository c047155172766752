"""Each re-created check of the linters finds its mistake."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy.kubernetes import kustomize, linters
from tests.deploy.kubernetes.conftest import generated

Objects = list[dict[str, Any]]
Damage = Callable[[Objects], object]
CHECKS = linters.KUBE_LINTER | linters.KUBE_SCORE


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """What production gets, with an Ingress and an autoscaler."""
    folder = tmp_path_factory.mktemp("sound")
    for file in generated({"image": f"registry.test/p@sha256:{'ab' * 32}", "route": "ingress"}):
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text)
    return kustomize.build(folder / "kubernetes/overlays/production")


# --- where the damage is done ---------------------------------------------------------------------------------------


def one(objects: Objects, kind: str) -> Any:
    """The object of a kind that the application itself has."""
    [found] = kustomize.select(objects, kind, "portal")
    return found


def pods(objects: Objects) -> Any:
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def spec(kind: str, **changes: Any) -> Damage:
    """Other values in the specification of an object; None takes one out."""
    return lambda objects: put(one(objects, kind)["spec"], changes)


def pod(**changes: Any) -> Damage:
    return lambda objects: put(pods(objects), changes)


def container(**changes: Any) -> Damage:
    return lambda objects: put(pods(objects)["containers"][0], changes)


def context(**changes: Any) -> Damage:
    def damage(objects: Objects) -> None:
        [each] = pods(objects)["containers"]
        put(each["securityContext"], changes)

    return damage


def port(probe: str, number: int | str) -> Damage:
    def damage(objects: Objects) -> None:
        [each] = pods(objects)["containers"]
        each[probe]["httpGet"]["port"] = number

    return damage


def put(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            del target[name]
        else:
            target[name] = value


def without(kind: str) -> Damage:
    """No object of this kind at all."""

    def damage(objects: Objects) -> None:
        objects[:] = [each for each in objects if each["kind"] != kind]

    return damage


def old(kind: str, version: str) -> Damage:
    return lambda objects: one(objects, kind).update(apiVersion=version)


def unlimited(resource: str, side: str = "limits") -> Damage:
    def damage(objects: Objects) -> None:
        [each] = pods(objects)["containers"]
        del each["resources"][side][resource]

    return damage


def together(*damages: Damage) -> Damage:
    return lambda objects: [damage(objects) for damage in damages]


def same_probes(objects: Objects) -> None:
    [each] = pods(objects)["containers"]
    each["livenessProbe"] = each["readinessProbe"]


def shared_node(objects: Objects) -> None:
    rules = pods(objects)["affinity"]["podAntiAffinity"]
    [rule] = rules["preferredDuringSchedulingIgnoredDuringExecution"]
    rule["podAffinityTerm"]["topologyKey"] = "topology.kubernetes.io/zone"


def wrong_backend(objects: Objects) -> None:
    one(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = {"number": 81}


def crooked_spread(objects: Objects) -> None:
    pods(objects)["topologySpreadConstraints"][0]["maxSkew"] = 0


def crooked_label(objects: Objects) -> None:
    one(objects, "Service")["metadata"]["labels"]["owner"] = "-nobody-"


def without_egress(objects: Objects) -> None:
    for each in kustomize.select(objects, "NetworkPolicy"):
        each["spec"]["policyTypes"] = ["Ingress"]


ELSEWHERE = {"app.kubernetes.io/name": "elsewhere"}
NOBODY = {"matchLabels": ELSEWHERE}
HOST = [{"name": "host", "hostPath": {"path": "/etc"}}]
SOCKET = [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}]
TWICE = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
SECRET = [{"name": "CLIENT_SECRET", "value": "hush"}]
PLAIN_PORT = [{"port": 80, "name": "http", "targetPort": 70000}]
SSH = [{"containerPort": 22, "name": "http"}]
SYSCTL = {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}
JOB = {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "once"}}

# The damage that each check is there to find; where several are listed, it finds each.
DAMAGES: dict[str, list[Damage]] = {
    # kube-linter: what objects refer to
    "dangling-service": [spec("Service", selector=ELSEWHERE)],
    "non-existent-service-account": [pod(serviceAccountName="ghost"), without("ServiceAccount")],
    "deprecated-service-account-field": [pod(serviceAccount="portal")],
    "mismatching-selector": [spec("Deployment", selector=NOBODY)],
    "no-extensions-v1beta": [old("Deployment", "extensions/v1beta1")],
    "invalid-target-ports": [spec("Service", ports=PLAIN_PORT)],
    "job-ttl-seconds-after-finished": [lambda objects: objects.append(JOB)],
    # kube-linter: the pod
    "host-ipc": [pod(hostIPC=True)],
    "host-network": [pod(hostNetwork=True)],
    "host-pid": [pod(hostPID=True)],
    "docker-sock": [pod(volumes=SOCKET)],
    "sensitive-host-mounts": [pod(volumes=HOST)],
    "unsafe-sysctls": [pod(securityContext=SYSCTL)],
    "no-anti-affinity": [
        together(spec("Deployment", replicas=2), pod(affinity=None)),
        together(spec("Deployment", replicas=2), shared_node),
    ],
    # kube-linter: the container
    "duplicate-env-var": [container(env=TWICE)],
    "env-var-secret": [container(env=SECRET)],
    "latest-tag": [container(image="registry.test/p:latest"), container(image="registry.test:5000/p")],
    "liveness-port": [port("livenessProbe", 9)],
    "readiness-port": [port("readinessProbe", "admin")],
    "startup-port": [port("startupProbe", 9)],
    "ssh-port": [container(ports=SSH)],
    "drop-net-raw-capability": [context(capabilities=None), context(capabilities={"drop": ["CHOWN"]})],
    "no-read-only-root-fs": [context(readOnlyRootFilesystem=None)],
    "privilege-escalation-container": [context(allowPrivilegeEscalation=None)],
    "privileged-container": [context(privileged=True)],
    "run-as-non-root": [pod(securityContext=None), context(runAsUser=0), context(runAsNonRoot=False)],
    "unset-cpu-requirements": [unlimited("cpu"), unlimited("cpu", "requests")],
    "unset-memory-requirements": [unlimited("memory"), unlimited("memory", "requests")],
    # kube-linter: disruption budgets
    "pdb-max-unavailable": [spec("PodDisruptionBudget", maxUnavailable=0)],
    "pdb-min-available": [
        spec("PodDisruptionBudget", maxUnavailable=None, minAvailable="100%"),
        together(spec("Deployment", replicas=2), spec("PodDisruptionBudget", maxUnavailable=None, minAvailable=2)),
    ],
    "pdb-unhealthy-pod-eviction-policy": [spec("PodDisruptionBudget", unhealthyPodEvictionPolicy=None)],
    # kube-score
    "Service Targets Pod": [spec("Service", selector=ELSEWHERE)],
    "Deployment Pod Selector labels match template metadata labels": [spec("Deployment", selector=NOBODY)],
    "Environment Variable Key Duplication": [container(env=TWICE)],
    "Container Image Tag": [container(image="registry.test/p")],
    "Container Security Context ReadOnlyRootFilesystem": [context(readOnlyRootFilesystem=False)],
    "Container Security Context Privileged": [context(privileged=True)],
    "Container Security Context User Group ID": [context(runAsUser=1000), context(runAsGroup=1000)],
    "Deployment has host PodAntiAffinity": [pod(affinity=None), shared_node],
    "Deployment targeted by HPA does not have replicas configured": [spec("Deployment", replicas=2)],
    "Container Resources": [unlimited("cpu"), unlimited("memory", "requests")],
    "Container Ephemeral Storage Request and Limit": [unlimited("ephemeral-storage")],
    "Container Image Pull Policy": [container(imagePullPolicy="IfNotPresent"), container(imagePullPolicy=None)],
    "Deployment Strategy": [spec("Deployment", strategy={"type": "Recreate"})],
    "Deployment Replicas": [
        without("HorizontalPodAutoscaler"),
        together(without("HorizontalPodAutoscaler"), spec("Deployment", replicas=1)),
    ],
    "Deployment has PodDisruptionBudget": [
        without("PodDisruptionBudget"),
        spec("PodDisruptionBudget", selector=NOBODY),
    ],
    "PodDisruptionBudget has policy": [spec("PodDisruptionBudget", maxUnavailable=None)],
    "HorizontalPodAutoscaler has target": [
        spec("HorizontalPodAutoscaler", scaleTargetRef={"kind": "Deployment", "name": "ghost"})
    ],
    "HorizontalPodAutoscaler Replicas": [
        spec("HorizontalPodAutoscaler", minReplicas=1),
        spec("HorizontalPodAutoscaler", minReplicas=None),
    ],
    "Ingress targets Service": [without("Service"), wrong_backend],
    "Label values": [crooked_label],
    "Pod NetworkPolicy": [without("NetworkPolicy"), without_egress],
    "NetworkPolicy targets Pod": [spec("NetworkPolicy", podSelector=NOBODY)],
    "Pod Topology Spread Constraints": [crooked_spread],
    "Pod Probes": [container(readinessProbe=None), container(livenessProbe=None)],
    "Pod Probes Identical": [same_probes],
    "Service Type": [spec("Service", type="NodePort")],
    "Stable version": [old("HorizontalPodAutoscaler", "autoscaling/v2beta2")],
}


def objections(check: str, objects: Objects) -> list[str]:
    return list(CHECKS[check](linters.Installation(objects)))


def test_every_check_has_a_damage_of_its_own() -> None:
    assert set(DAMAGES) == set(CHECKS)
    assert len(linters.KUBE_LINTER) == 31
    assert len(linters.KUBE_SCORE) == 27


@pytest.mark.parametrize(
    ("check", "damage"), [pytest.param(name, each, id=name) for name, found in DAMAGES.items() for each in found]
)
def test_a_check_finds_its_damage(check: str, damage: Damage, sound: Objects) -> None:
    objects = copy.deepcopy(sound)
    assert objections(check, objects) == []

    damage(objects)

    assert objections(check, objects) != []
