"""deploy/kubernetes as it would be applied: rendered by kustomize, and read back."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("dev", "prod")
SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES_VERSION = "1.34"
POD_OWNERS = frozenset({"Deployment", "StatefulSet", "Job"})

Resource = dict[str, Any]


@functools.cache
def rendered(overlay: str) -> tuple[Resource, ...]:
    """Every resource of an overlay. Skips the test where neither kubectl nor kustomize is installed."""
    if kustomize := shutil.which("kustomize"):
        command = [kustomize, "build"]
    elif kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize"]
    else:
        pytest.skip("neither kustomize nor kubectl is installed")
    target = str(KUBERNETES / "overlays" / overlay)
    done = subprocess.run([*command, target], capture_output=True, text=True, timeout=60, check=True)
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def of_kind(overlay: str, *kinds: str) -> dict[str, Resource]:
    """Resources of these kinds by name."""
    return {each["metadata"]["name"]: each for each in rendered(overlay) if each["kind"] in kinds}


def processes(overlay: str) -> dict[str, Resource]:
    """Pod templates of our own processes, by the name of what owns them."""
    owners = of_kind(overlay, *POD_OWNERS)
    return {
        name: owner["spec"]["template"]
        for name, owner in owners.items()
        if owner["metadata"]["labels"].get("trireme.dev/runs") == "process"
    }


def containers(template: Resource) -> Iterator[Resource]:
    """All of a pod's containers, those that only prepare it first."""
    yield from template["spec"].get("initContainers", ())
    yield from template["spec"]["containers"]


def environment(overlay: str, container: Resource, known: Mapping[str, str]) -> dict[str, str]:
    """What a container finds in its environment.

    Args:
        known: stands for what only the cluster knows: values of secrets and of the pod's own fields, by variable.
    """
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        found |= of_kind(overlay, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    for each in container.get("env", ()):
        value = str(each["value"]) if "value" in each else known[each["name"]]
        for name, text in list(found.items()):
            value = value.replace(f"$({name})", text)
        found[each["name"]] = value
    return found
