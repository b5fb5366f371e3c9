"""What a section of the configuration is, and what several of them speak of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Axis = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """One concern of a run. Immutable; an unknown or mistyped field is refused."""

    model_config = ConfigDict(
        frozen=True,
        defer_build=True,  # the whole config checks its sections: few are ever checked alone
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        populate_by_name=True,
        alias_generator=lambda name: name.rstrip("_"),  # section `global` is the attribute `global_`
    )
