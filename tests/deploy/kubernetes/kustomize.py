"""The part of Kustomize that the generated files use.

Each field follows https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
FIELDS = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "replicas", "images", "patches"}
CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Manifest]:
    """Render a kustomization as `kustomize build` does."""
    found, maps = _accumulate(folder)
    for name, data in maps.items():
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:10]
        _rename(found, name, f"{name}-{digest}")
        found.append(_config_map(f"{name}-{digest}", data, found))
    return found


def _accumulate(folder: Path) -> tuple[list[Manifest], dict[str, dict[str, str]]]:
    """Everything before names are hashed, which happens once, at the top."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(wanted) <= FIELDS, f"not understood here: {set(wanted) - FIELDS}"
    assert (wanted["apiVersion"], wanted["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    found: list[Manifest] = []
    maps: dict[str, dict[str, str]] = {}
    for resource in wanted["resources"]:
        path = folder / resource
        if path.is_dir():
            below, maps_below = _accumulate(path)
            found += below
            maps |= maps_below
        else:
            found += [each for each in yaml.safe_load_all(path.read_text()) if each]
    for generator in wanted.get("configMapGenerator", ()):
        _generate(generator, folder, maps)
    for patch in wanted.get("patches", ()):
        _patch(found, patch, folder)
    for each in wanted.get("replicas", ()):
        [deployment] = select(found, "Deployment", each["name"])
        deployment["spec"]["replicas"] = each["count"]
    for image in wanted.get("images", ()):
        _set_image(found, image)
    if namespace := wanted.get("namespace"):
        _move(found, namespace)
    return found, maps


def select(manifests: list[Manifest], kind: str, name: str | None = None) -> list[Manifest]:
    """The manifests of a kind."""
    return [each for each in manifests if each["kind"] == kind and name in {None, each["metadata"]["name"]}]


def _generate(generator: Manifest, folder: Path, maps: dict[str, dict[str, str]]) -> None:
    assert set(generator) <= {"name", "behavior", "envs"}, generator
    name = generator["name"]
    assert (name in maps) == (generator.get("behavior") == "merge"), f"{name}: wrong behavior"
    values = maps.setdefault(name, {})
    for file in generator["envs"]:
        values.update(env_file(folder / file))


def env_file(path: Path) -> dict[str, str]:
    """An env file: comments, and NAME=VALUE taken literally."""
    lines = (line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _patch(manifests: list[Manifest], patch: Manifest, folder: Path) -> None:
    assert set(patch) == {"target", "path"}, patch
    targets = select(manifests, patch["target"]["kind"], patch["target"]["name"])
    assert targets, f"{patch['target']} is not there"
    for operation in yaml.safe_load((folder / patch["path"]).read_text()):
        assert operation["op"] == "add", operation
        for target in targets:
            _add(target, operation["path"].split("/")[1:], copy.deepcopy(operation["value"]))


def _add(target: Any, path: list[str], value: Any) -> None:
    """RFC 6902, section 4.1."""
    *way, last = path
    for step in way:
        target = target[int(step)] if isinstance(target, list) else target[step]
    if isinstance(target, list):
        target.insert(len(target) if last == "-" else int(last), value)
    else:
        target[last] = value


def _set_image(manifests: list[Manifest], image: Manifest) -> None:
    assert set(image) <= {"name", "newName", "newTag", "digest"}, image
    hits = [each for each in containers(manifests) if each["image"] == image["name"]]
    assert hits, f"no container has the image {image['name']}"
    for container in hits:
        version = f"@{image['digest']}" if "digest" in image else f":{image['newTag']}"
        container["image"] = image["newName"] + version


def containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    """The containers of all Deployments."""
    for deployment in select(manifests, "Deployment"):
        yield from deployment["spec"]["template"]["spec"]["containers"]


def _move(manifests: list[Manifest], namespace: str) -> None:
    for each in manifests:
        if each["kind"] not in CLUSTER_WIDE:
            each["metadata"]["namespace"] = namespace


def _rename(manifests: list[Manifest], old: str, new: str) -> None:
    """References to the generated ConfigMap follow its name."""
    for container in containers(manifests):
        for source in container["envFrom"]:
            if source.get("configMapRef", {}).get("name") == old:
                source["configMapRef"]["name"] = new


def _config_map(name: str, data: dict[str, str], others: list[Manifest]) -> Manifest:
    namespaces = {each["metadata"].get("namespace") for each in others} - {None}
    metadata = {"name": name} | ({"namespace": namespaces.pop()} if namespaces else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
