"""The order in which a GitOps tool applies the manifests, and names that resolve where they are used. No cluster, no kustomize."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.docker import ROOT

Manifest = dict[str, Any]
KUBERNETES = ROOT / "deploy" / "kubernetes"
WAVE = "argocd.argoproj.io/sync-wave"
SERVERS = {"RabbitmqCluster", "MongoDBCommunity", "Vhost", "User", "Permission", "ExternalSecret", "NetworkPolicy"}
"""What a stage cannot do without, wherever its pod names it."""


def manifests(folder: Path) -> Iterator[Manifest]:
    """Iterate over what a kustomization and all that it refers to consist of, before patches."""
    made = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    for generated in made.get("configMapGenerator", ()):
        yield {"kind": "ConfigMap", "metadata": {"name": generated["name"]}}
    for generated in made.get("secretGenerator", ()):
        yield {"kind": "Secret", "metadata": {"name": generated["name"]}}
    for path in (*made.get("resources", ()), *made.get("components", ())):
        place = (folder / path).resolve()
        if place.is_dir():
            yield from manifests(place)
        else:
            yield from filter(None, yaml.safe_load_all(place.read_text(encoding="utf-8")))


def wave(manifest: Manifest) -> int:
    """Return in which wave Argo CD applies a manifest: it begins one when all of the one before are healthy."""
    return int(manifest["metadata"].get("annotations", {}).get(WAVE, 0))


def needs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Iterate over (kind, name) of what the pods of a workload name."""
    pod = manifest["spec"]["template"]["spec"]
    yield "ServiceAccount", "leadmail"  # base/pod.yaml, like the settings
    yield "ConfigMap", "leadmail"
    for volume in pod.get("volumes", ()):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]


def late(found: list[Manifest]) -> list[str]:
    """Return what a pod waits for that comes only after it."""
    made = {("Secret", each["spec"]["target"]["name"]): each for each in found if each["kind"] == "ExternalSecret"}
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in found} | made
    wrong = []
    for each in found:
        if each["kind"] not in ("Deployment", "Job"):
            continue
        name = f"{each['kind']} {each['metadata']['name']}"
        named = [by_name[need] for need in needs(each) if need in by_name]
        servers = [other for other in found if other["kind"] in SERVERS]
        wrong += [
            f"{name} needs {other['kind']} {other['metadata']['name']}, which comes later"
            for other in (*named, *servers)
            if wave(other) > wave(each)
        ]
    return wrong


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    """What the overlay for production consists of."""
    return list(manifests(KUBERNETES / "overlays" / "production"))


def test_everything_is_there_before_the_pods_that_need_it(production: list[Manifest]) -> None:
    """The first sync converges, and so does each later one that changes a setting, which gives the settings a new name."""
    assert late(production) == []
    job = next(each for each in production if each["kind"] == "Job")
    stages = [each for each in production if each["kind"] == "Deployment"]
    assert len(stages) == 5
    assert all(wave(each) > wave(job) for each in stages), "migrations are done before stages of a new version start"
    scaled = [each for each in production if each["kind"] == "ScaledObject"]
    assert all(wave(each) >= wave(stage) for each in scaled for stage in stages)


def test_a_job_that_comes_first_is_found(production: list[Manifest]) -> None:
    """With the job in a wave before its settings and servers, nothing would ever start."""
    early = [
        each if each["kind"] != "Job" else {**each, "metadata": {"name": "setup", "annotations": {WAVE: "-1"}}}
        for each in production
    ]
    assert any("needs ConfigMap leadmail" in one for one in late(early))


def test_a_job_is_replaced(production: list[Manifest]) -> None:
    """A job cannot be changed: Argo CD deletes the old one, and Flux replaces it by force."""
    (job,) = [each for each in production if each["kind"] == "Job"]
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    assert job["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/force"] == "enabled"


def test_names_that_other_namespaces_use_are_whole(production: list[Manifest]) -> None:
    """KEDA asks broker and database from its own namespace, with the URLs of the secret that the stages have."""
    namespace = yaml.safe_load((KUBERNETES / "overlays/production/kustomization.yaml").read_text(encoding="utf-8"))[
        "namespace"
    ]
    (asked,) = [each for each in production if each["kind"] == "TriggerAuthentication"]
    secrets = {each["spec"]["target"]["name"]: each for each in production if each["kind"] == "ExternalSecret"}
    for reference in asked["spec"]["secretTargetRef"]:
        url = secrets[reference["name"]]["spec"]["target"]["template"]["data"][reference["key"]]
        hosts = [host.partition(":")[0] for host in re.split(r"[@,]", url.partition("://")[2].partition("/")[0])[1:]]
        assert hosts
        assert [host for host in hosts if not host.endswith(f".{namespace}.svc")] == []


@pytest.mark.parametrize("overlay", ["dev", "production"])
def test_no_hook_waits_for_its_own_name(overlay: str) -> None:
    """A pod has no address until its hooks after the start have ended, so such a hook cannot wait for the name of its pod."""
    found = [path.read_text(encoding="utf-8") for path in (KUBERNETES / "overlays" / overlay).glob("*.yaml")]
    assert [text for text in found if "postStart:" in text] == []


def test_the_broker_notices_that_its_memory_ends() -> None:
    """Its watermark is a share of what its containers may use: it does not see their limit, only the memory of the machine."""
    text = (ROOT / "deploy/servers/rabbitmq.conf").read_text(encoding="utf-8")
    (share,) = re.findall(r"^vm_memory_high_watermark\.relative = ([0-9.]+)$", text, re.MULTILINE)
    assert 0.4 <= float(share) <= 0.7
    (total,) = re.findall(r"^total_memory_available_override_value = (\d+)G$", text, re.MULTILINE)
    (dev,) = (
        each["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
        for each in manifests(KUBERNETES / "overlays" / "dev")
        if each["kind"] == "StatefulSet" and each["metadata"]["name"] == "rabbitmq"
    )
    assert dev == f"{total}Gi"
    files = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text(encoding="utf-8"))
    compose = files["services"]
    limit = compose["rabbitmq"]["deploy"]["resources"]["limits"]["memory"]
    content = files["configs"]["rabbitmq_memory"]["content"]
    assert content == f"total_memory_available_override_value = {limit}\n", "whatever the operator gives it"
    (mounted,) = compose["rabbitmq"]["configs"]
    assert mounted["target"].startswith("/etc/rabbitmq/conf.d/"), "read after rabbitmq.conf, so it takes precedence"
    for server in ("rabbitmq", "mongodb"):
        assert compose[server]["ulimits"]["nofile"] >= 16_384
