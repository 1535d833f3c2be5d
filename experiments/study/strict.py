"""Base of the models in a study description: frozen, and a misspelt field is named."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from photonic.hardware.config import suggestion


class StrictModel(BaseModel):
    """A frozen model that refuses unknown fields and says which one may have been meant."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                raise ValueError(f"unknown field {key!r}{suggestion(key, known)}")
        return data
