"""Let checkov read the manifests of examples/kubernetes, as Kustomize would render them.

Not a test of the suite: checkov needs releases of libraries that the distributions are too new for, so it lives in an
environment of its own (`hatch run checkov:manifests`).
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
}


def main() -> int:
    """Check both overlays; the exit code is checkov's."""
    with TemporaryDirectory() as folder:
        for overlay in ("dev", "production"):
            found = kustomize.build(ROOT / "examples" / "kubernetes" / "kubernetes" / "overlays" / overlay)
            (Path(folder) / f"{overlay}.yaml").write_text(yaml.safe_dump_all(found, sort_keys=False))
        options = ["--framework", "kubernetes", "--compact", "--quiet", "--skip-download"]
        command = [str(Path(sys.executable).with_name("checkov")), *options, "--skip-check", ",".join(SKIPPED)]
        return subprocess.call([*command, "-d", folder])


if __name__ == "__main__":
    sys.exit(main())
