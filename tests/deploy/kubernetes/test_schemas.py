"""Everything that would be applied is what its schema allows, strictly: an unknown field is an error."""

import functools
import json
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.deploy.kubernetes.rendering import KUBERNETES_VERSION, OVERLAYS, SCHEMAS, Resource, rendered


@functools.cache
def custom_schema(group: str, version: str, kind: str) -> jsonschema.Draft7Validator | None:
    path = SCHEMAS / f"{group}_{kind.lower()}_{version}.json"
    return jsonschema.Draft7Validator(closed(json.loads(path.read_text()))) if path.exists() else None


def closed(schema: Any) -> Any:
    """The same schema, allowing no field that it does not name: CRDs drop such fields without a word."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    free = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not free:
        inner["additionalProperties"] = False
    return inner


def errors(resource: Resource) -> list[str]:
    group, _, version = resource["apiVersion"].rpartition("/")
    if (custom := custom_schema(group, version, resource["kind"])) is not None:
        return [f"{list(error.absolute_path)}: {error.message}" for error in custom.iter_errors(resource)]
    try:
        kubernetes_validate.validate(resource, KUBERNETES_VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_resource_is_valid(overlay: str) -> None:
    resources = rendered(overlay)
    wrong = {f"{each['kind']} {each['metadata']['name']}": errors(each) for each in resources}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert len(resources) > 50


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("StatefulSet", ("spec", "replica"), 3),
        ("ScaledObject", ("spec", "triggers"), "many"),
        ("KafkaUser", ("spec", "authorization", "type"), "complicated"),
        ("KafkaTopic", ("spec", "partition"), 24),
    ],
)
def test_a_mistake_would_be_noticed(kind: str, path: tuple[str, ...], value: object) -> None:
    resource = json.loads(json.dumps(next(each for each in rendered("prod") if each["kind"] == kind)))
    place = resource
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert errors(resource)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_two_resources_have_one_name(overlay: str) -> None:
    names = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in rendered(overlay)
    ]
    assert len(names) == len(set(names))
