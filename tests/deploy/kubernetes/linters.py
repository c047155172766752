"""The default checks of kube-linter and kube-score (2026), re-created.

Their binaries come from no package index that the tests may use. A check carries its linter's own name, takes all
objects of an installation, and yields what it objects to. Checks about kinds that are never generated (Jobs, CronJobs,
StatefulSets) say that there are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Manifest = dict[str, Any]
Check = Callable[["Installation"], Iterator[str]]
KUBE_LINTER: dict[str, Check] = {}
KUBE_SCORE: dict[str, Check] = {}


class Installation:
    """All objects of one installation, by kind."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self.all = manifests

    def kind(self, *names: str) -> list[Manifest]:
        return [each for each in self.all if each["kind"] in names]

    @property
    def deployments(self) -> list[Manifest]:
        return self.kind("Deployment")

    @property
    def pods(self) -> list[Manifest]:
        """Specifications of pods."""
        return [each["spec"]["template"]["spec"] for each in self.deployments]

    @property
    def containers(self) -> list[Manifest]:
        return [each for pod in self.pods for each in [*pod.get("initContainers", []), *pod["containers"]]]

    def selected(self, selector: dict[str, str], namespace: str | None) -> list[Manifest]:
        """Deployments with pods that a selector finds."""
        return [
            each
            for each in self.deployments
            if selector.items() <= labels(each).items() and each["metadata"].get("namespace") == namespace
        ]


def labels(deployment: Manifest) -> dict[str, str]:
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return found


def namespace(manifest: Manifest) -> str | None:
    found: str | None = manifest["metadata"].get("namespace")
    return found


def linter(name: str) -> Callable[[Check], Check]:
    return _register(KUBE_LINTER, name)


def score(name: str) -> Callable[[Check], Check]:
    return _register(KUBE_SCORE, name)


def _register(table: dict[str, Check], name: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        table[name] = check
        return check

    return add


def findings(table: dict[str, Check], manifests: list[Manifest]) -> list[str]:
    """Everything that the checks of one linter object to."""
    installation = Installation(manifests)
    return [f"{name}: {objection}" for name, check in table.items() for objection in check(installation)]


def number(value: object) -> int:
    """A count of a disruption budget, or a percentage as a negative number."""
    return -int(value[:-1]) if isinstance(value, str) and value.endswith("%") else int(str(value))


# --- kube-linter: what objects refer to -----------------------------------------------------------------------------


@linter("dangling-service")
@score("Service Targets Pod")
def dangling_service(all_: Installation) -> Iterator[str]:
    for service in all_.kind("Service"):
        if not all_.selected(service["spec"]["selector"], namespace(service)):
            yield service["metadata"]["name"]


@linter("non-existent-service-account")
def service_account(all_: Installation) -> Iterator[str]:
    there = {(each["metadata"]["name"], namespace(each)) for each in all_.kind("ServiceAccount")}
    for deployment in all_.deployments:
        name = deployment["spec"]["template"]["spec"].get("serviceAccountName", "default")
        if name != "default" and (name, namespace(deployment)) not in there:
            yield name


@linter("deprecated-service-account-field")
def service_account_field(all_: Installation) -> Iterator[str]:
    yield from ("serviceAccount" for pod in all_.pods if "serviceAccount" in pod)


@linter("mismatching-selector")
@score("Deployment Pod Selector labels match template metadata labels")
def mismatching_selector(all_: Installation) -> Iterator[str]:
    for each in all_.deployments:
        if not each["spec"]["selector"]["matchLabels"].items() <= labels(each).items():
            yield each["metadata"]["name"]


@linter("no-extensions-v1beta")
def old_versions(all_: Installation) -> Iterator[str]:
    yield from (each["kind"] for each in all_.all if each["apiVersion"].startswith("extensions/v1beta"))


@linter("invalid-target-ports")
def target_ports(all_: Installation) -> Iterator[str]:
    for service in all_.kind("Service"):
        for port in service["spec"]["ports"]:
            target = port["targetPort"]
            named = isinstance(target, str) and re.fullmatch(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?", target)
            if not named and not (isinstance(target, int) and 1 <= target <= 65535):
                yield str(target)


@linter("job-ttl-seconds-after-finished")
def jobs(all_: Installation) -> Iterator[str]:
    yield from (each["kind"] for each in all_.kind("Job", "CronJob"))


# --- kube-linter: the pod -------------------------------------------------------------------------------------------


@linter("host-ipc")
def host_ipc(all_: Installation) -> Iterator[str]:
    yield from ("hostIPC" for pod in all_.pods if pod.get("hostIPC"))


@linter("host-network")
def host_network(all_: Installation) -> Iterator[str]:
    yield from ("hostNetwork" for pod in all_.pods if pod.get("hostNetwork"))


@linter("host-pid")
def host_pid(all_: Installation) -> Iterator[str]:
    yield from ("hostPID" for pod in all_.pods if pod.get("hostPID"))


@linter("docker-sock")
def docker_sock(all_: Installation) -> Iterator[str]:
    yield from (path for path in host_paths(all_) if path.endswith("docker.sock"))


@linter("sensitive-host-mounts")
def host_mounts(all_: Installation) -> Iterator[str]:
    yield from host_paths(all_)


def host_paths(all_: Installation) -> Iterator[str]:
    for pod in all_.pods:
        yield from (each["hostPath"]["path"] for each in pod.get("volumes", []) if "hostPath" in each)


@linter("unsafe-sysctls")
def sysctls(all_: Installation) -> Iterator[str]:
    for pod in all_.pods:
        yield from (each["name"] for each in pod.get("securityContext", {}).get("sysctls", []))


@linter("no-anti-affinity")
def linter_anti_affinity(all_: Installation) -> Iterator[str]:
    yield from (each["metadata"]["name"] for each in lonely(all_) if each["spec"].get("replicas", 1) >= 2)


def lonely(all_: Installation) -> Iterator[Manifest]:
    """Deployments of which all replicas may land on one node."""
    for each in all_.deployments:
        rules = each["spec"]["template"]["spec"].get("affinity", {}).get("podAntiAffinity", {})
        terms = [term["podAffinityTerm"] for term in rules.get("preferredDuringSchedulingIgnoredDuringExecution", [])]
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        if not any(
            term["topologyKey"] == "kubernetes.io/hostname"
            and term["labelSelector"]["matchLabels"].items() <= labels(each).items()
            for term in terms
        ):
            yield each


# --- kube-linter: the container -------------------------------------------------------------------------------------


@linter("duplicate-env-var")
@score("Environment Variable Key Duplication")
def duplicate_variables(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        names = [each["name"] for each in container.get("env", [])]
        yield from {name for name in names if names.count(name) > 1}


@linter("env-var-secret")
def secret_variables(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        for each in container.get("env", []):
            if re.search("secret", each["name"], re.IGNORECASE) and each.get("value"):
                yield each["name"]


@linter("latest-tag")
@score("Container Image Tag")
def latest_tag(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        image = container["image"]
        if "@" not in image and image.rpartition("/")[2].partition(":")[2] in {"", "latest"}:
            yield image


def probe_ports(probe: str) -> Check:
    def check(all_: Installation) -> Iterator[str]:
        for container in all_.containers:
            exposed = {port.get("name") for port in container["ports"]} | {
                p["containerPort"] for p in container["ports"]
            }
            if probe in container and container[probe]["httpGet"]["port"] not in exposed:
                yield container["name"]

    return check


for _kind in ("liveness", "readiness", "startup"):
    KUBE_LINTER[f"{_kind}-port"] = probe_ports(f"{_kind}Probe")


@linter("ssh-port")
def ssh_port(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        yield from ("22" for port in container["ports"] if port["containerPort"] == 22)


def context(container: Manifest) -> Manifest:
    found: Manifest = container.get("securityContext") or {}
    return found


@linter("drop-net-raw-capability")
def net_raw(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        if not {"ALL", "NET_RAW"} & set((context(container).get("capabilities") or {}).get("drop", [])):
            yield container["name"]


@linter("no-read-only-root-fs")
@score("Container Security Context ReadOnlyRootFilesystem")
def read_only(all_: Installation) -> Iterator[str]:
    yield from (each["name"] for each in all_.containers if not context(each).get("readOnlyRootFilesystem"))


@linter("privilege-escalation-container")
def escalation(all_: Installation) -> Iterator[str]:
    yield from (each["name"] for each in all_.containers if context(each).get("allowPrivilegeEscalation", True))


@linter("privileged-container")
@score("Container Security Context Privileged")
def privileged(all_: Installation) -> Iterator[str]:
    yield from (each["name"] for each in all_.containers if context(each).get("privileged"))


@linter("run-as-non-root")
def non_root(all_: Installation) -> Iterator[str]:
    for pod in all_.pods:
        for container in pod["containers"]:
            merged = pod.get("securityContext", {}) | context(container)
            if not merged.get("runAsNonRoot") or merged.get("runAsUser") == 0 or merged.get("runAsGroup") == 0:
                yield container["name"]


def unset(resource: str) -> Check:
    def check(all_: Installation) -> Iterator[str]:
        for container in all_.containers:
            for side in ("requests", "limits"):
                if not container.get("resources", {}).get(side, {}).get(resource):
                    yield f"{container['name']} has no {side} of {resource}"

    return check


KUBE_LINTER["unset-cpu-requirements"] = unset("cpu")
KUBE_LINTER["unset-memory-requirements"] = unset("memory")


# --- kube-linter: disruption budgets --------------------------------------------------------------------------------


@linter("pdb-max-unavailable")
def max_unavailable(all_: Installation) -> Iterator[str]:
    for budget in all_.kind("PodDisruptionBudget"):
        if number(budget["spec"].get("maxUnavailable", 1)) == 0:
            yield budget["metadata"]["name"]


@linter("pdb-min-available")
def min_available(all_: Installation) -> Iterator[str]:
    for budget in all_.kind("PodDisruptionBudget"):
        for deployment in all_.selected(budget["spec"]["selector"]["matchLabels"], namespace(budget)):
            least = number(budget["spec"].get("minAvailable", 0))
            if least == -100 or least >= deployment["spec"].get("replicas", 1) > 0:
                yield budget["metadata"]["name"]


@linter("pdb-unhealthy-pod-eviction-policy")
def eviction_policy(all_: Installation) -> Iterator[str]:
    for budget in all_.kind("PodDisruptionBudget"):
        if "unhealthyPodEvictionPolicy" not in budget["spec"]:
            yield budget["metadata"]["name"]


# --- kube-score -----------------------------------------------------------------------------------------------------


@score("Deployment has host PodAntiAffinity")
def score_anti_affinity(all_: Installation) -> Iterator[str]:
    yield from (each["metadata"]["name"] for each in lonely(all_) if each["spec"].get("replicas", 2) >= 2)


@score("Deployment targeted by HPA does not have replicas configured")
def replicas_and_autoscaler(all_: Installation) -> Iterator[str]:
    targets = {each["spec"]["scaleTargetRef"]["name"] for each in all_.kind("HorizontalPodAutoscaler")}
    for each in all_.deployments:
        if each["metadata"]["name"] in targets and "replicas" in each["spec"]:
            yield each["metadata"]["name"]


@score("Container Resources")
def resources(all_: Installation) -> Iterator[str]:
    yield from unset("cpu")(all_)
    yield from unset("memory")(all_)


@score("Container Ephemeral Storage Request and Limit")
def ephemeral_storage(all_: Installation) -> Iterator[str]:
    yield from unset("ephemeral-storage")(all_)


@score("Container Image Pull Policy")
def pull_policy(all_: Installation) -> Iterator[str]:
    yield from (each["name"] for each in all_.containers if each.get("imagePullPolicy") != "Always")


@score("Deployment Strategy")
def strategy(all_: Installation) -> Iterator[str]:
    for each in all_.deployments:
        if each["spec"].get("strategy", {}).get("type", "RollingUpdate") != "RollingUpdate":
            yield each["metadata"]["name"]


@score("Deployment Replicas")
def replicas(all_: Installation) -> Iterator[str]:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in all_.kind("HorizontalPodAutoscaler")}
    for each in all_.deployments:
        if each["metadata"]["name"] not in scaled and each["spec"].get("replicas", 1) < 2:
            yield each["metadata"]["name"]


@score("Deployment has PodDisruptionBudget")
def budget(all_: Installation) -> Iterator[str]:
    covered = [
        deployment["metadata"]["name"]
        for each in all_.kind("PodDisruptionBudget")
        for deployment in all_.selected(each["spec"]["selector"]["matchLabels"], namespace(each))
    ]
    yield from (
        name
        for each in all_.deployments
        if (name := each["metadata"]["name"]) not in covered and each["spec"].get("replicas", 2) >= 2
    )


@score("PodDisruptionBudget has policy")
def budget_policy(all_: Installation) -> Iterator[str]:
    for each in all_.kind("PodDisruptionBudget"):
        if not {"minAvailable", "maxUnavailable"} & set(each["spec"]):
            yield each["metadata"]["name"]


@score("HorizontalPodAutoscaler has target")
def autoscaler_target(all_: Installation) -> Iterator[str]:
    there = {(each["kind"], each["metadata"]["name"], namespace(each)) for each in all_.deployments}
    for each in all_.kind("HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"], namespace(each)) not in there:
            yield each["metadata"]["name"]


@score("HorizontalPodAutoscaler Replicas")
def autoscaler_replicas(all_: Installation) -> Iterator[str]:
    for each in all_.kind("HorizontalPodAutoscaler"):
        if each["spec"].get("minReplicas", 1) < 2:
            yield each["metadata"]["name"]


@score("Ingress targets Service")
def ingress_target(all_: Installation) -> Iterator[str]:
    ports = {
        (each["metadata"]["name"], namespace(each), key)
        for each in all_.kind("Service")
        for port in each["spec"]["ports"]
        for key in (port["name"], port["port"])
    }
    for each in all_.kind("Ingress"):
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                if (service["name"], namespace(each), *service["port"].values()) not in ports:
                    yield each["metadata"]["name"]


@score("Label values")
def label_values(all_: Installation) -> Iterator[str]:
    for each in all_.all:
        for value in each["metadata"].get("labels", {}).values():
            if not re.fullmatch(r"(?=.{0,63}$)([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?", value):
                yield value


@score("Pod NetworkPolicy")
def network_policy(all_: Installation) -> Iterator[str]:
    for deployment in all_.deployments:
        covered = {
            kind
            for each in all_.kind("NetworkPolicy")
            if deployment in all_.selected(each["spec"]["podSelector"]["matchLabels"], namespace(each))
            for kind in each["spec"]["policyTypes"]
        }
        yield from {"Ingress", "Egress"} - covered


@score("NetworkPolicy targets Pod")
def network_policy_target(all_: Installation) -> Iterator[str]:
    for each in all_.kind("NetworkPolicy"):
        ignored = each["metadata"].get("annotations", {}).get("kube-score/ignore", "").split(",")
        found = all_.selected(each["spec"]["podSelector"]["matchLabels"], namespace(each))
        if not found and "networkpolicy-targets-pod" not in ignored:
            yield each["metadata"]["name"]


@score("Pod Topology Spread Constraints")
def spread(all_: Installation) -> Iterator[str]:
    for pod in all_.pods:
        for each in pod.get("topologySpreadConstraints", []):
            fine = each["labelSelector"] and each["maxSkew"] > 0 and each["topologyKey"]
            if not fine or each["whenUnsatisfiable"] not in {"DoNotSchedule", "ScheduleAnyway"}:
                yield str(each)


@score("Pod Probes")
def probes(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        yield from {"readinessProbe", "livenessProbe"} - set(container)


@score("Pod Probes Identical")
def identical_probes(all_: Installation) -> Iterator[str]:
    for container in all_.containers:
        if container["readinessProbe"]["httpGet"] == container["livenessProbe"]["httpGet"]:
            yield container["name"]


@score("Container Security Context User Group ID")
def user_and_group(all_: Installation) -> Iterator[str]:
    for pod in all_.pods:
        for container in pod["containers"]:
            merged = pod.get("securityContext", {}) | context(container)
            if min(merged.get("runAsUser", 0), merged.get("runAsGroup", 0)) < 10000:
                yield container["name"]


@score("Service Type")
def service_type(all_: Installation) -> Iterator[str]:
    yield from (each["metadata"]["name"] for each in all_.kind("Service") if each["spec"].get("type") == "NodePort")


@score("Stable version")
def stable_version(all_: Installation) -> Iterator[str]:
    native = ("v1", "apps/v1", "policy/v1", "autoscaling/v2", "networking.k8s.io/v1")
    for each in all_.all:
        group = each["apiVersion"].partition("/")[0]
        if group in {"apps", "policy", "autoscaling", "networking.k8s.io", "v1"} and each["apiVersion"] not in native:
            yield each["apiVersion"]
