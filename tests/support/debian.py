"""Where this machine gets its Debian packages."""

from __future__ import annotations

import subprocess

RELEASE = "bookworm"


def mirror() -> str:
    """The address of the archive that apt uses."""
    command = ["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = [line.split()[2].rstrip("/") for line in listed.splitlines() if line.startswith(f"{RELEASE} main ")]
    assert found, f"apt on this machine knows no archive of {RELEASE}:\n{listed}"
    return found[0]
