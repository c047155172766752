"""Kubernetes: manifests for Kustomize, a Helm chart, and checks."""

from fluxlit_deploy.kubernetes.chart import chart_files
from fluxlit_deploy.kubernetes.check import check
from fluxlit_deploy.kubernetes.manifests import manifest_files

__all__ = ["chart_files", "check", "manifest_files"]
