"""What directories are shown: resources, lists, errors, and what this server can do (RFC 7643)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hubsite.scim.models import ScimGroup, ScimUser
from hubsite.scim.reading import ScimError

COUNT_MAX = 200
_CORE = "urn:ietf:params:scim:schemas:core:2.0"
_API = "urn:ietf:params:scim:api:messages:2.0"
USER = f"{_CORE}:User"
GROUP = f"{_CORE}:Group"

Shape = dict[str, Any]


def user_shape(user: ScimUser, base: str) -> Shape:
    """Return a user; `base` is the address of the service."""
    person = user.person
    shape: Shape = {
        "schemas": [USER],
        "id": person.pk,
        "userName": user.user_name,
        "displayName": person.name,
        "name": {"formatted": person.name},
        "active": person.ended_at is None,
        "meta": {"resourceType": "User", "location": f"{base}/Users/{person.pk}"},
    }
    return {**shape, **({"externalId": user.external_id} if user.external_id else {})}


def group_shape(group: ScimGroup, members: Iterable[str] | None, base: str) -> Shape:
    """Return a group; `members` is None where they are not asked for."""
    shape: Shape = {
        "schemas": [GROUP],
        "id": str(group.pk),
        "displayName": group.group.name,
        "meta": {"resourceType": "Group", "location": f"{base}/Groups/{group.pk}"},
    }
    if members is not None:
        shape["members"] = [
            {"value": key, "$ref": f"{base}/Users/{key}", "type": "User"} for key in members
        ]
    return {**shape, **({"externalId": group.external_id} if group.external_id else {})}


def list_shape(resources: list[Shape], total: int, first: int) -> Shape:
    """Return a list, as one page of it."""
    return {
        "schemas": [f"{_API}:ListResponse"],
        "totalResults": total,
        "startIndex": first,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


def error_shape(error: ScimError) -> Shape:
    """Return an error."""
    shape: Shape = {
        "schemas": [f"{_API}:Error"],
        "status": str(error.status),
        "detail": str(error),
    }
    return {**shape, **({"scimType": error.word} if error.word else {})}


def service_shape(base: str) -> Shape:
    """Return what this service can do."""
    no = {"supported": False}
    return {
        "schemas": [f"{_CORE}:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": COUNT_MAX},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A token that an operator made",
            }
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": f"{base}/ServiceProviderConfig",
        },
    }


def types_shape(base: str) -> list[Shape]:
    """Return which resources there are."""
    return [
        {
            "schemas": [f"{_CORE}:ResourceType"],
            "id": name,
            "name": name,
            "endpoint": f"/{name}s",
            "schema": schema,
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{name}"},
        }
        for name, schema in (("User", USER), ("Group", GROUP))
    ]


def schemas_shape(base: str) -> list[Shape]:
    """Return what resources are made of."""
    person = [
        _attribute("userName", required=True, uniqueness="server"),
        _attribute("displayName", required=True),
        _attribute("active", kind="boolean", required=True),
        _attribute("name", kind="complex", parts=[_attribute("formatted")]),
    ]
    ref = {**_attribute("$ref", kind="reference"), "referenceTypes": ["User"]}
    parts = [_attribute("value"), ref, _attribute("type")]
    group = [
        _attribute("displayName", required=True, uniqueness="server"),
        _attribute("members", kind="complex", parts=parts, many=True),
    ]
    return [
        {
            "schemas": [f"{_CORE}:Schema"],
            "id": schema,
            "name": name,
            "attributes": attributes,
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{schema}"},
        }
        for name, schema, attributes in (("User", USER, person), ("Group", GROUP, group))
    ]


def _attribute(
    name: str,
    kind: str = "string",
    required: bool = False,
    uniqueness: str = "none",
    many: bool = False,
    parts: list[Shape] | None = None,
) -> Shape:
    shape: Shape = {
        "name": name,
        "type": kind,
        "multiValued": many,
        "required": required,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": uniqueness,
    }
    return shape if parts is None else {**shape, "subAttributes": parts}
