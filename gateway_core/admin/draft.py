"""What every draft has: the base, and references to secrets."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from gateway_core.registry.slugs import secret_name_problem


def _secret_name(text: str) -> str:
    problem = secret_name_problem(text)
    if problem is not None:
        raise ValueError(problem)
    return text


SecretName = Annotated[str, AfterValidator(_secret_name)]


class Draft(BaseModel):
    """Base of everything that comes from outside: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SecretReference(Draft):
    """`{secret: name}`: the value is set apart, with `gatehouse secrets set name`."""

    secret: SecretName
