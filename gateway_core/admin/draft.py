"""What every draft has: the base, references to secrets, and problems that are told beside a field."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway_core.registry.slugs import secret_name_problem


def _secret_name(text: str) -> str:
    problem = secret_name_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


Checked = TypeVar("Checked")
SecretName = Annotated[str, AfterValidator(_secret_name)]


MAX_GUESSED: Final = 10
"""Unknown fields of one mapping for which the nearest known one is looked for: that is work, and anybody's to cause."""
Problem = tuple[tuple[str | int, ...], str]
"""Where something is wrong, and what to write there instead."""


def agreed(draft: Checked, problems: Iterable[Problem]) -> Checked:
    """`draft`, for the end of a validator of the whole.

    Raises:
        ValidationError: There are problems; each is told beside its field.
    """
    details = [
        InitErrorDetails(type=PydanticCustomError("refused", "{said}", {"said": said}), loc=path, input=None)
        for path, said in problems
    ]
    if details:
        raise ValidationError.from_exception_data("draft", details)
    return draft


class Draft(BaseModel):
    """Base of everything that comes from outside: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _knows_every_field(cls, data: Any) -> Any:
        if isinstance(data, dict):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            unknown = [name for name in data if name not in known]
            near = {name: _nearest(name, known) for name in unknown[:MAX_GUESSED]}
            there = ", ".join(known)
            told = (f"unknown field {name[:80]!r} (there is: {there}){near.get(name, '')}" for name in unknown)
            agreed(data, (((name,), said) for name, said in zip(unknown, told, strict=True)))
        return data


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:80], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class SecretReference(Draft):
    """`{secret: name}`: the value is set apart, with `gatehouse secrets set name`."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_value(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("write {secret: NAME}, and set it with: gatehouse secrets set NAME")  # noqa: TRY004 - told
        return data

    secret: SecretName
