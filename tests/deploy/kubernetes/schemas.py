"""Validation of objects by Kubernetes' schemas and by strict ones here."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import referencing
import referencing.jsonschema

NAME = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}
TEXT = {"type": "string", "minLength": 1}
DURATION = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}


def strict(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """A table with these keys and no others."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        "additionalProperties": False,
    }


def items(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


def kind(name: str, group: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = strict({"name": NAME}, {"namespace": NAME, "labels": {"type": "object"}, "annotations": {}})
    return strict({"apiVersion": {"const": group}, "kind": {"const": name}, "metadata": metadata, "spec": spec})


# https://gateway-api.sigs.k8s.io/reference/spec/, the standard channel.
FILTER = {
    "oneOf": [
        strict(
            {
                "type": {"const": "RequestRedirect"},
                "requestRedirect": strict(
                    {
                        "path": strict({"type": {"const": "ReplaceFullPath"}, "replaceFullPath": TEXT}),
                        "statusCode": {"enum": [301, 302]},
                    }
                ),
            }
        ),
        strict(
            {
                "type": {"const": "URLRewrite"},
                "urlRewrite": strict(
                    {"path": strict({"type": {"const": "ReplacePrefixMatch"}, "replacePrefixMatch": TEXT})}
                ),
            }
        ),
        strict(
            {
                "type": {"const": "RequestHeaderModifier"},
                "requestHeaderModifier": strict({"remove": items(TEXT) | {"maxItems": 16, "uniqueItems": True}}),
            }
        ),
    ]
}
RULE = strict(
    {
        "matches": items(
            strict({"path": strict({"type": {"enum": ["Exact", "PathPrefix"]}, "value": {"pattern": "^/"}})})
        )
    },
    {
        "filters": items(FILTER),
        "timeouts": strict({"request": DURATION, "backendRequest": DURATION}),
        "backendRefs": items(strict({"name": NAME, "port": {"type": "integer"}})),
    },
)
ELSEWHERE = {
    "HTTPRoute": kind(
        "HTTPRoute",
        "gateway.networking.k8s.io/v1",
        strict(
            {
                "parentRefs": items(strict({"name": NAME, "namespace": NAME})),
                "hostnames": items(TEXT),
                "rules": items(RULE),
            }
        ),
    ),
    # https://gateway.envoyproxy.io/docs/api/extension_types/
    "BackendTrafficPolicy": kind(
        "BackendTrafficPolicy",
        "gateway.envoyproxy.io/v1alpha1",
        strict(
            {
                "targetRefs": items(
                    strict(
                        {
                            "group": {"const": "gateway.networking.k8s.io"},
                            "kind": {"const": "HTTPRoute"},
                            "name": NAME,
                        }
                    )
                ),
                "loadBalancer": strict(
                    {
                        "type": {"const": "ConsistentHash"},
                        "consistentHash": strict(
                            {
                                "type": {"const": "Cookie"},
                                "cookie": strict(
                                    {
                                        "name": TEXT,
                                        "ttl": DURATION,
                                        "attributes": {"type": "object", "additionalProperties": {"type": "string"}},
                                    }
                                ),
                            }
                        ),
                    }
                ),
            }
        ),
    ),
    # https://istio.io/latest/docs/reference/config/networking/destination-rule/
    "DestinationRule": kind(
        "DestinationRule",
        "networking.istio.io/v1",
        strict(
            {
                "host": NAME,
                "trafficPolicy": strict(
                    {
                        "loadBalancer": strict(
                            {
                                "consistentHash": strict(
                                    {"httpCookie": strict({"name": TEXT, "path": TEXT, "ttl": TEXT})}
                                )
                            }
                        )
                    }
                ),
            }
        ),
    ),
    # https://prometheus-operator.dev/docs/api-reference/api/#monitoring.coreos.com/v1.PodMonitor
    "PodMonitor": kind(
        "PodMonitor",
        "monitoring.coreos.com/v1",
        strict(
            {
                "selector": strict({"matchLabels": {"type": "object"}}),
                "podMetricsEndpoints": items(strict({"port": NAME, "path": {"pattern": "^/"}, "interval": DURATION})),
            }
        ),
    ),
    # https://redis-operator.opstree.dev/docs/crd-reference/redis-api/
    "Redis": kind(
        "Redis",
        "redis.redis.opstreelabs.in/v1beta2",
        strict(
            {
                "kubernetesConfig": strict(
                    {
                        "image": TEXT,
                        "imagePullPolicy": {"enum": ["IfNotPresent", "Always"]},
                        "redisSecret": strict({"name": NAME, "key": TEXT}),
                        "resources": {"type": "object"},
                    }
                ),
                "TLS": strict({"ca": TEXT, "cert": TEXT, "key": TEXT, "secret": strict({"secretName": NAME})}),
                "redisConfig": strict({"additionalRedisConfig": NAME}),
                "storage": strict({"volumeClaimTemplate": {"type": "object"}}),
                "podSecurityContext": {"type": "object"},
                "securityContext": {"type": "object"},
            }
        ),
    ),
}


def newest_minors(count: int = 3) -> list[str]:
    """The newest minor versions of Kubernetes with installed schemas."""
    versions: list[str] = kubernetes_validate.utils.all_versions()
    return versions[-count:]


def problems(manifest: dict[str, Any], version: str) -> list[str]:
    """What is wrong with an object, in a version of Kubernetes."""
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    if schema := ELSEWHERE.get(manifest["kind"]):
        found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
        return [f"{what}: {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]
    found = validator(manifest["kind"], manifest["apiVersion"], version).iter_errors(manifest)
    return [f"{what} ({version}): {'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@cache
def validator(kind: str, api_version: str, version: str) -> jsonschema.Draft202012Validator:
    """Kubernetes' own schema of a kind, read once."""
    folder = f"kubernetes-json-schema/v{version}-local-strict"
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = kubernetes_validate.utils.schema_contents(f"{folder}/{kind.lower()}-{group}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=definitions(version))


@cache
def definitions(version: str) -> referencing.Registry[Any]:
    """What the schemas of a version refer to."""
    path = f"kubernetes-json-schema/v{version}-local-strict/_definitions.json"
    contents = kubernetes_validate.utils.schema_contents(path, version)
    resource = referencing.Resource.from_contents(contents, referencing.jsonschema.DRAFT202012)
    registry: referencing.Registry[Any] = referencing.Registry().with_resource("_definitions.json", resource)
    return registry.crawl()
