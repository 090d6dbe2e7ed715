"""The base of the models that ``--json`` prints, and the decorator that names what a command prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict

F = TypeVar("F", bound=Callable[..., Any])


class Result(BaseModel):
    """A frozen value for programs."""

    model_config = ConfigDict(
        frozen=True, from_attributes=True, serialize_by_alias=True, validate_by_name=True, defer_build=True
    )

    @classmethod
    def of(cls, source: object, **more: Any) -> Self:
        """Return a result with the fields of a value of ours, and more that it does not have."""
        return cls.model_validate({name: getattr(source, name) for name in cls.model_fields if name not in more} | more)


def prints(result: Any) -> Callable[[F], F]:
    """Name the type that a command prints with ``--json``; the documentation and the tests read it."""

    def mark(function: F) -> F:
        function.__dict__["prints"] = result
        return function

    return mark
