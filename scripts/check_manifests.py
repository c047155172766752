"""Run checkov over the manifests of examples/kubernetes and Dockerfiles.

The manifests are read as Kustomize would render them; the Dockerfiles are those of `tests/deploy/golden/`. This is no
test, because checkov needs older releases of libraries than the distributions: it has an environment of its own
(`hatch run checkov:manifests`).
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.deploy.kubernetes import kustomize  # noqa: E402

SKIPPED = {
    "CKV_K8S_35": "settings are variables, secret ones too; they come from the Secret and are in no file",
    "CKV_K8S_43": "the digest of an image is known when it was built, after the example was written",
    "CKV_DOCKER_7": "the base has a version and a digest, in the ARG before FROM, where checkov does not look",
}


def manifests(folder: Path) -> None:
    """Write both overlays."""
    for overlay in ("dev", "production"):
        found = kustomize.build(ROOT / "examples" / "kubernetes" / "kubernetes" / "overlays" / overlay)
        (folder / f"{overlay}.yaml").write_text(yaml.safe_dump_all(found, sort_keys=False))


def dockerfiles(folder: Path) -> None:
    """Write the main Dockerfiles."""
    for golden in sorted((ROOT / "tests" / "deploy" / "golden").glob("docker-*.txt")):
        text = golden.read_text("utf-8").partition("=== Dockerfile\n")[2]
        (folder / golden.stem).mkdir()
        (folder / golden.stem / "Dockerfile").write_text(text)


def main() -> int:
    """Check both kinds of files at once: half of the work is to start checkov."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        manifests(folder)
        dockerfiles(folder)
        if not any(folder.glob("docker-*")) or not any(folder.glob("*.yaml")):
            return 2
        options = ["--framework", "kubernetes", "dockerfile", "--compact", "--quiet", "--skip-download"]
        command = [str(Path(sys.executable).with_name("checkov")), *options, "--skip-check", ",".join(SKIPPED)]
        return subprocess.call([*command, "-d", name])


if __name__ == "__main__":
    sys.exit(main())
