"""Describes what ``--json`` prints, from the JSON schema of the models. A field's docstring is its description."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Sequence
from textwrap import dedent
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

ANCHOR, TITLE = "objects-that---json-prints", "Objects that `--json` prints"
_NAMES = {"boolean": "true or false", "integer": "number", "string": "text"}


class _Described(GenerateJsonSchema):
    """A JSON schema that has the docstrings of fields: reading the sources when a command starts would take too long."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        found = super().model_schema(schema)
        for name, text in _docstrings(schema["cls"]):
            if name in found.get("properties", {}):
                found["properties"][name].setdefault("description", text)
        return found


def _docstrings(model: type) -> Iterator[tuple[str, str]]:
    """Iterate over (field, docstring) of a model and its bases, the model's own first."""
    for one in model.__mro__:
        if one.__module__.startswith(("schemas.", "services.")):
            (body,) = ast.parse(dedent(inspect.getsource(one))).body
            assert isinstance(body, ast.ClassDef)
            for field, after in zip(body.body, body.body[1:], strict=False):
                match field, after:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        yield name.rstrip("_"), " ".join(text.split())


def schemas(results: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the JSON schema of each type, and the definitions that they share by name."""
    mode: JsonSchemaMode = "serialization"
    adapters = [(number, mode, TypeAdapter(one)) for number, one in enumerate(results)]
    by_number, shared = TypeAdapter.json_schemas(adapters, schema_generator=_Described, ref_template="{model}")
    return [by_number[number, mode] for number in range(len(results))], shared["$defs"]


def sections(definitions: dict[str, Any]) -> Iterator[str]:
    """Iterate over the parts of the page that describe each object."""
    for name, definition in sorted(definitions.items()):
        if "properties" not in definition:
            continue
        yield f"\n### {name}\n\n{definition.get('description', '').partition(chr(10))[0]}\n"
        yield "| key | value | |\n|---|---|---|"
        for key, value in definition["properties"].items():
            text = value.get("description", "").replace("``", "`").replace("|", "\\|")
            yield f"| `{key}` | {kind(value, definitions)} | {text} |"


def kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:  # noqa: PLR0911 - one return per kind
    """Return what a value is, in words."""
    match schema:
        case {"$ref": name}:
            return f"[{name}](#{name.lower()})" if "properties" in definitions[name] else kind(definitions[name], {})
        case {"anyOf": several}:
            return " or ".join(kind(one, definitions) for one in several)
        case {"enum": [*most, last]}:
            return f"{', '.join(f'`{one}`' for one in most)} or `{last}`" if most else f"`{last}`"
        case {"type": "array", "items": inner}:
            return f"list of {kind(inner, definitions)}"
        case {"type": "object", "additionalProperties": {} as inner}:
            keys = kind(schema.get("propertyNames", {"type": "string"}), definitions)
            return f"object: {kind(inner, definitions)} by {keys}"
        case {"format": "date-time"}:
            return "moment"
        case {"type": name}:
            return _NAMES.get(name, str(name))
        case _:
            return "any value"
