from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from crypto.exceptions import InvalidParameters
from crypto.models import Client, StreamNode
from crypto.services.operations.selectors import compile_selector
from crypto.services.versions import version_key
from tests.support import bulk, ledger

VERSIONS = ["0.9", "1.2.0-rc1", "1.2.0-rc2", "1.2", "1.2.1", "1.10", "2", "2.0.0.1", "10.0", "20240131.1"]


def names(selector: Any) -> set[str]:
    return set(Client.objects.filter(compile_selector(selector)).values_list("name", flat=True))


def made(name: str, on: StreamNode | None = None, **fields: Any) -> Client:
    return ledger.client(on, name=name, version_key=version_key(fields.get("version", "")), **fields)


def test_versions_sort_like_versions() -> None:
    keys = [version_key(version) for version in VERSIONS]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert version_key("1.2") == version_key("v1.2.0") == version_key("1.2.0+build7")
    assert version_key("nightly") == version_key("") == ""


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({"all": True}, {"a", "b", "c"}),
        ({"status": "ACTIVE"}, {"a", "b"}),
        ({"status": ["ACTIVE", "PAUSED"], "type": "spot"}, {"a"}),
        ({"type": ["spot", "futures"]}, {"a", "b"}),
        ({"version": {">=": "1.2", "<": "1.10"}}, {"a"}),
        ({"version": {"<": "5"}}, {"a", "b"}),
        ({"version": "1.10.0"}, {"b"}),
        ({"labels": {"region": "eu"}}, {"a"}),
        ({"labels": {"region": ["eu", "us"], "a.b/c": "1"}}, {"b"}),
        ({"not": {"labels": {"region": "eu"}}}, {"b", "c"}),
        ({"not": {"version": {"<": "5"}}}, {"c"}),
        ({"connected": True}, {"a"}),
        ({"connected": False}, {"b", "c"}),
        ({"last_seen": {"within": "5m"}}, {"a"}),
        ({"last_seen": {"within": "100000s"}}, {"a", "b"}),
        ({"last_seen": {"within": "999999d"}}, {"a", "b"}),
        ({"last_seen": {"before": "1h"}}, {"b"}),
        ({"not": {"last_seen": {"within": "5m"}}}, {"b", "c"}),
        ({"or": [{"connected": True}, {"type": "other"}]}, {"a", "c"}),
        ({"and": [{"status": "ACTIVE"}, {"not": {"connected": True}}]}, {"b"}),
    ],
)
def test_each_term_selects_whom_it_names(node: StreamNode, selector: Any, expected: set[str]) -> None:
    now = timezone.now()
    made("a", node, status="ACTIVE", type="spot", version="1.9", labels={"region": "eu"}, last_seen=now)
    long_ago = now - timedelta(hours=20)
    labels = {"region": "us", "a.b/c": "1"}
    made("b", status="ACTIVE", type="futures", version="1.10", labels=labels, last_seen=long_ago)
    made("c", status="PAUSED", type="other", version="nightly")
    assert names(selector) == expected


def test_ids_must_exist(db: None) -> None:
    known, unknown = made("known"), uuid4()
    assert names({"ids": [str(known.id)]}) == {"known"}
    with pytest.raises(InvalidParameters) as refused:
        compile_selector({"ids": [str(known.id), str(unknown)]})
    assert str(unknown) in refused.value.errors["selector.ids"][0]


@pytest.mark.parametrize(
    ("selector", "path"),
    [
        (None, "selector"),
        ({}, "selector"),
        ({"colour": "red"}, "selector.colour"),
        ({"all": False}, "selector.all"),
        ({"and": []}, "selector.and"),
        ({"and": [{"all": True}, {"or": [{"stauts": 1}]}]}, "selector.and[1].or[0].stauts"),
        ({"not": []}, "selector.not"),
        ({"ids": ["x"]}, "selector.ids[0]"),
        ({"status": "SLEEPY"}, "selector.status"),
        ({"version": {"~": "1"}}, "selector.version.~"),
        ({"version": {">": "new"}}, "selector.version.>"),
        ({"labels": {"0": "x"}}, "selector.labels.0"),
        ({"labels": {"a__contains": 5}}, "selector.labels.a__contains"),
        ({"last_seen": {"within": "soon"}}, "selector.last_seen.within"),
        ({"last_seen": {"before": "2024-99-01T00:00:00Z"}}, "selector.last_seen.before"),
        ({"connected": "yes"}, "selector.connected"),
        ({"operation": {"id": str(uuid4())}}, "selector.operation.id"),
        ({"type": "nul\x00"}, "selector.type"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(db: None, selector: Any, path: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        compile_selector(selector)
    assert list(refused.value.errors) == [path]


def test_depth_and_size_are_bounded(db: None) -> None:
    deep: Any = {"all": True}
    for _ in range(50):
        deep = {"not": deep}
    with pytest.raises(InvalidParameters, match="too deeply"):
        compile_selector(deep)
    with pytest.raises(InvalidParameters, match="at most"):
        compile_selector({"or": [{"type": "x"}] * 500})


def test_a_label_named_like_a_lookup_is_a_label(db: None) -> None:
    made("odd", labels={"x__gt": "1"})
    made("even", labels={"x": "5"})
    assert names({"labels": {"x__gt": "1"}}) == {"odd"}


def test_targets_of_an_operation_by_how_they_ended(node: StreamNode) -> None:
    good, bad = bulk.clients(2, node)
    operation = bulk.started()
    for attempt in bulk.claimed(operation):
        bulk.answered([attempt], "" if attempt.client_id == good.id else "Boom")
    selector = {"operation": {"id": str(operation.pk), "states": ["FAILED"]}}
    assert names(selector) == {bad.name}
