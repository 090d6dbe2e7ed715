"""The manifests: built with kustomize, taken by the schemas of Kubernetes, hardened, and complete; wrong ones are found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.compose import make_secrets
from schemas.accounts import AccountState
from schemas.routes import ROUTES
from services.store.core.collections import Collections
from tests.deploy.kubernetes import STAGES, Manifest, checkout, faults, kustomize, of

pytestmark = [pytest.mark.servers, pytest.mark.containers, pytest.mark.timeout(900)]
OVERLAYS = ("dev", "production")


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """What each overlay comes to."""
    copy = checkout(tmp_path_factory.mktemp("kubernetes"))
    make_secrets.make(copy / "overlays" / "dev" / "secrets", make_secrets.DEMO_SMTP)
    built = kustomize(*(copy / "overlays" / overlay for overlay in OVERLAYS))
    return dict(zip(OVERLAYS, built, strict=True))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_cluster_takes_them(manifests: dict[str, list[Manifest]], overlay: str) -> None:
    """Every manifest has the form that Kubernetes wants, and every pod and stage what we promise of it."""
    assert faults(manifests[overlay]) == []
    assert len({each["metadata"].get("namespace") for each in manifests[overlay] if each["kind"] != "Namespace"}) == 1


def test_production_survives_nodes_and_scales(manifests: dict[str, list[Manifest]]) -> None:
    """Stages and servers have disruption budgets over their own pods; parser, matcher and poller are KEDA's to scale."""
    production = manifests["production"]
    budgets = of(production, "PodDisruptionBudget")
    assert set(budgets) == {*STAGES, "console", "rabbitmq", "mongodb"}
    deployments = of(production, "Deployment")
    for stage in STAGES:
        selected = budgets[stage]["spec"]["selector"]["matchLabels"]
        assert selected == deployments[stage]["spec"]["selector"]["matchLabels"]
    scaled = of(production, "ScaledObject")
    assert {each["spec"]["scaleTargetRef"]["name"] for each in scaled.values()} == {"parser", "matcher", "poller"}
    for name, deployment in deployments.items():
        assert ("replicas" in deployment["spec"]) == (name not in scaled), "two would set the number of replicas"
        assert scaled.get(name, {"spec": {"minReplicaCount": 2}})["spec"]["minReplicaCount"] >= 2
    assert of(production, "RabbitmqCluster")["rabbitmq"]["spec"]["replicas"] == 3
    assert of(production, "MongoDBCommunity")["mongodb"]["spec"]["members"] == 3


def test_scaling_looks_at_what_there_is(manifests: dict[str, list[Manifest]]) -> None:
    """The queues that are looked at are queues of ours that the stage consumes; so is the collection of accounts."""
    queues = {route.queue: route.consumer for route in ROUTES}
    for name, scaled in of(manifests["production"], "ScaledObject").items():
        for trigger in scaled["spec"]["triggers"]:
            facts = trigger["metadata"]
            if trigger["type"] == "rabbitmq":
                assert queues[facts["queueName"]] == name
                (route,) = [each for each in ROUTES if each.queue == facts["queueName"]]
                assert int(facts["value"]) < route.max_length, "a full queue calls for more than one"
            else:
                assert facts["collection"] in Collections.__init__.__code__.co_consts
                assert f'"{AccountState.ACTIVE.value}"' in facts["query"]


def test_nothing_secret_is_in_them(manifests: dict[str, list[Manifest]]) -> None:
    """Production has no Secret at all: they come from a vault. The settings hold nothing that the stages call a secret."""
    assert of(manifests["production"], "Secret") == {}
    for overlay in OVERLAYS:
        for settings in of(manifests[overlay], "ConfigMap").values():
            keys = settings["data"].keys() - {"LEADMAIL_CONSOLE_URL"}  # what people type
            assert not [key for key in keys if any(word in key for word in ("SECRET", "PASSWORD", "_URL"))]


WRONG: dict[str, tuple[str, Callable[[str], str], str]] = {
    "a misspelt field": (
        "base/stage.yaml",
        lambda text: text.replace("livenessProbe:", "livenesProbe:"),
        "livenesProbe",
    ),
    "a number as text": (
        "base/stage.yaml",
        lambda text: text.replace("minReadySeconds: 5", "minReadySeconds: five"),
        "five",
    ),
    "a kind that is no more": (
        "base/disruption.yaml",
        lambda text: text.replace("policy/v1\n", "policy/v1beta1\n"),
        "policy/v1beta1",
    ),
    "a root user": (
        "base/pod.yaml",
        lambda text: text.replace("runAsNonRoot: true", "runAsNonRoot: false"),
        "may be root",
    ),
    "a writable image": (
        "base/pod.yaml",
        lambda text: text.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        "may write",
    ),
    "an unknown setting": (
        "base/settings.env",
        lambda text: text + "LEADMAIL_PARSER_WORKER=3\n",
        "LEADMAIL_PARSER_WORKER is no setting",
    ),
    "a grace that is too short": (
        "base/settings.env",
        lambda text: text.replace("SHUTDOWN_SECONDS=40", "SHUTDOWN_SECONDS=58"),
        "is killed before",
    ),
    "a handler that is too long": (
        "base/settings.env",
        lambda text: text.replace("TIMEOUT_SECONDS=30", "TIMEOUT_SECONDS=45"),
        "longest handler",
    ),
    "a secret too many": (
        "base/parser.yaml",
        lambda text: text + "              - { key: secret_key, path: secret_key }\n",
        "a secret that it sees and does not use",
    ),
    "a secret too few": (
        "base/matcher.yaml",
        lambda text: text.replace("{ key: secret_key, path: secret_key }", "{ key: x, path: x }"),
        "is not mounted",
    ),
    "an open network": (
        "base/network.yaml",
        lambda text: text.replace(
            "podSelector: {}\n  policyTypes: [Ingress, Egress]", "podSelector: {}\n  policyTypes: [Ingress]"
        ),
        "no policy denies",
    ),
    "an upgrade that stops mail": (
        "base/stage.yaml",
        lambda text: text.replace("maxUnavailable: 0", "maxUnavailable: 1"),
        "ended before its successor",
    ),
}


@pytest.fixture(scope="module")
def wrong_manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """What production comes to with each of the mistakes."""
    folder = tmp_path_factory.mktemp("wrong")
    overlays = []
    for number, (file, change, _) in enumerate(WRONG.values()):
        copy = checkout(folder / str(number))
        before = (copy / file).read_text(encoding="utf-8")
        assert change(before) != before
        (copy / file).write_text(change(before), encoding="utf-8")
        overlays.append(copy / "overlays" / "production")
    return dict(zip(WRONG, kustomize(*overlays), strict=True))


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_manifests_are_found(wrong_manifests: dict[str, list[Manifest]], wrong: str) -> None:
    """The checks above find violations."""
    assert any(WRONG[wrong][2] in fault for fault in faults(wrong_manifests[wrong]))
