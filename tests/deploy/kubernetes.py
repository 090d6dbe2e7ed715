"""Building the manifests with kustomize (installed, or in a container), and what has to be true of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import InvalidSchemaError, SchemaNotFoundError, ValidationError

from services.runtime.environment import variable
from services.runtime.settings import known_settings
from services.settings import PROCESSES, ParserSettings
from tests.deploy.docker import ROOT, docker, why_no_containers

Manifest = dict[str, Any]
VERSIONS = ("1.32", "1.37")
"""Of Kubernetes: the oldest that is still met, and the newest whose schemas are at hand."""
STAGES = ("poller", "parser", "matcher", "notifier")
CUSTOM = {
    "external-secrets.io/v1": {"ExternalSecret"},
    "keda.sh/v1alpha1": {"ScaledObject", "TriggerAuthentication"},
    "mongodbcommunity.mongodb.com/v1": {"MongoDBCommunity"},
    "monitoring.coreos.com/v1": {"PodMonitor", "PrometheusRule"},
    "rabbitmq.com/v1beta1": {"RabbitmqCluster", "Vhost", "User", "Permission"},
}
"""Resources of operators: their schemas are theirs, so that only their kinds are checked here."""
KUSTOMIZE_IMAGE = "leadmail-kustomize:test"
BETWEEN = "# --- the next one"
CLOSING_SECONDS = 5
"""What a stage takes beyond its grace (``services.runtime.process``)."""


def kustomize(*folders: Path) -> list[list[Manifest]]:
    """Build kustomizations and return the manifests of each; in one go, since starting a container takes longer than building."""
    root = Path(os.path.commonpath(folders))
    script = f'for folder in "$@"; do kustomize build "$folder" || exit 1; echo "{BETWEEN}"; done'
    command = ["sh", "-c", script, "sh", *map(str, folders)]
    if not shutil.which("kustomize"):
        if why := why_no_containers():
            pytest.skip(f"kustomize is not installed, and {why}")
        base = os.environ.get("DEBIAN_IMAGE") or "debian:trixie-slim"
        arguments = ("--build-arg", f"DEBIAN_IMAGE={base}", "testbed/images/kustomize")
        docker("build", "-q", "-t", KUSTOMIZE_IMAGE, *arguments, seconds=600)
        while root.name in ("production", "overlays", "kubernetes"):  # all that the overlays refer to
            root = root.parent
        locked = ("--rm", "--network", "none", "-u", f"{os.getuid()}:{os.getgid()}", "-v", f"{root}:{root}:ro")
        command = ["docker", "run", *locked, "--entrypoint", command[0], KUSTOMIZE_IMAGE, *command[1:]]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    texts = built.stdout.split(f"{BETWEEN}\n")[:-1]
    return [[each for each in yaml.load_all(text, yaml.CSafeLoader) if each] for text in texts]


def checkout(folder: Path) -> Path:
    """Copy what the overlays are made of into a folder, so that a test may change it and give it secrets; returns the copy."""
    for part in ("kubernetes", "servers"):
        shutil.copytree(ROOT / "deploy" / part, folder / part, ignore=shutil.ignore_patterns("secrets"))
    return folder / "kubernetes"


def of(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Iterate over (kind and name, pod) of every workload."""
    for each in manifests:
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield f"{each['kind']} {each['metadata']['name']}", each["spec"]["template"]


def faults(manifests: list[Manifest]) -> list[str]:
    """Return everything that is wrong: first what the cluster would refuse, then what we promise of ours."""
    found = [f"{each['kind']} {each['metadata']['name']}: {why}" for each in manifests for why in refused(each)]
    return found or [*unsafe(manifests), *ill_set(manifests), *ill_run(manifests)]


def refused(manifest: Manifest) -> tuple[str, ...]:
    """Return why a cluster would refuse a manifest: fields that its schema does not have, values of another type."""
    return _refused(json.dumps(manifest, sort_keys=True))


@cache
def _refused(text: str) -> tuple[str, ...]:
    """Ask the schemas, which takes a while, once of each manifest."""
    manifest = json.loads(text)
    return () if manifest["kind"] in CUSTOM.get(manifest["apiVersion"], ()) else tuple(_validated(manifest))


def _validated(manifest: Manifest) -> Iterator[str]:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except ValidationError as error:
            yield f"{version}: {'.'.join(map(str, error.path))}: {error.message[:300]}"
        except (SchemaNotFoundError, InvalidSchemaError):
            yield f"{version}: there is no {manifest['apiVersion']} {manifest['kind']}"


def unsafe(manifests: list[Manifest]) -> Iterator[str]:
    """Yield pods that may do more than they need."""
    for name, pod in pods(manifests):
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        own, rights = spec.get("securityContext", {}), container.get("securityContext", {})
        if not (
            own.get("runAsNonRoot") and own.get("runAsUser") and own.get("seccompProfile") == {"type": "RuntimeDefault"}
        ):
            yield f"{name} may be root, or make any system call"
        if rights.get("allowPrivilegeEscalation") is not False or rights.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} may gain rights"
        if ours(pod) and not rights.get("readOnlyRootFilesystem"):
            yield f"{name} may write to its image"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} may speak to the cluster"
        if "memory" not in container.get("resources", {}).get("limits", {}) or "requests" not in container["resources"]:
            yield f"{name} has no resources"
    if not any(
        each["spec"]["podSelector"] == {}
        and sorted(each["spec"]["policyTypes"]) == ["Egress", "Ingress"]
        and len(each["spec"]) == 2
        for each in of(manifests, "NetworkPolicy").values()
    ):
        yield "no policy denies what was not allowed"


def ours(pod: Manifest) -> bool:
    """Return whether a pod is Leadmail's."""
    return bool(pod["metadata"]["labels"].get("app.kubernetes.io/name") == "leadmail")


def ill_set(manifests: list[Manifest]) -> Iterator[str]:
    """Yield settings that do not exist or are missing, and secrets in hands that need them not."""
    known = {variable(name): name for name in known_settings()}
    maps = of(manifests, "ConfigMap")
    for name, pod in pods(manifests):
        if not ours(pod):
            continue
        (container,) = pod["spec"]["containers"]
        (stage,) = container["args"]
        given = {each["name"]: each.get("value", "") for each in container["env"]}
        given |= {
            key: value
            for each in container["envFrom"]
            for key, value in maps[each["configMapRef"]["name"]]["data"].items()
        }
        yield from (f"{name}: {each} is no setting" for each in given if each.removesuffix("_FILE") not in known)
        set_here = {known[each.removesuffix("_FILE")] for each in given if each.removesuffix("_FILE") in known}
        needed = set(PROCESSES["cli" if stage == "setup" else stage].required)
        yield from (f"{name}: {variable(each)} is not set" for each in sorted(needed - set_here))
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        files = {
            f"{mounts[volume['name']]}/{item['path']}"
            for volume in pod["spec"]["volumes"]
            if "secret" in volume
            for item in volume["secret"].get("items", [{"path": "*"}])
        }
        named = {value for each, value in given.items() if each.endswith("_FILE")}
        yield from (f"{name}: {each} is a secret that it sees and does not use" for each in sorted(files - named))
        yield from (f"{name}: {each} is not mounted" for each in sorted(named - files))


def ill_run(manifests: list[Manifest]) -> Iterator[str]:
    """Yield stages that would be started, watched, replaced or ended in a way that costs mail time."""
    deployments, maps = of(manifests, "Deployment"), of(manifests, "ConfigMap")
    yield from (f"{stage} is missing" for stage in STAGES if stage not in deployments)
    settings = next(each["data"] for name, each in maps.items() if re.match("leadmail(-|$)", name))
    shutdown = float(settings.get("LEADMAIL_SHUTDOWN_SECONDS", ParserSettings.model_fields["shutdown_seconds"].default))
    longest = float(
        settings.get("LEADMAIL_PARSER_TIMEOUT_SECONDS", ParserSettings.model_fields["parser_timeout_seconds"].default)
    )
    if shutdown <= longest:
        yield f"LEADMAIL_SHUTDOWN_SECONDS ({shutdown:g}) is not longer than the longest handler ({longest:g})"
    for name in {*STAGES, "console"} & deployments.keys():
        spec = deployments[name]["spec"]
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        if pod.get("terminationGracePeriodSeconds", 30) <= shutdown + CLOSING_SECONDS:
            yield f"{name} is killed before LEADMAIL_SHUTDOWN_SECONDS and its closing are over"
        probes = {
            kind: container.get(f"{kind}Probe", {}).get("httpGet", {}).get("path")
            for kind in ("startup", "liveness", "readiness")
        }
        if probes != {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}:
            yield f"{name} is not asked how it is: {probes}"
        if spec["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name} is ended before its successor is there"
        if not spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items():
            yield f"{name} does not select its own pods"
