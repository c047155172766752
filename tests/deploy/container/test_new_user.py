"""The way from `fluxlit new` in docs/how-to/first-deployment.md leads to valid manifests; `conftest.py` has gone it."""

import itertools

import pytest

from tests.deploy.container.conftest import IMAGE, Shipped
from tests.deploy.kubernetes import kustomize, linters, schemas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_way_leads_to_valid_manifests(shipped: Shipped) -> None:
    overlays = shipped.project / "kubernetes" / "overlays"
    for name in ("dev", "production"):
        for version, each in itertools.product(schemas.newest_minors(), kustomize.build(overlays / name)):
            assert schemas.problems(each, version) == []
    production = kustomize.build(overlays / "production")
    assert linters.findings(linters.KUBE_LINTER, production) == []
    assert linters.findings(linters.KUBE_SCORE, production) == []
    assert [container["image"] for container in kustomize.containers(production)] == [IMAGE]
