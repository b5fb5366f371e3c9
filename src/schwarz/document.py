"""A config, or the description of a cluster, as a TOML document that explains itself and loads back."""

import json
import re
import textwrap
from types import NoneType
from typing import Any, get_args

from pydantic.fields import FieldInfo

from schwarz.config import Section, sections

COMMENT, WIDTH = 36, 120  # columns where a comment begins, and where a line ends


def document(config: Section) -> str:
    """Every field with its meaning as a comment; an unset one, for TOML has no null, as a line commented out."""
    lines, parts = [], sections(type(config))
    for name, info in type(config).model_fields.items():
        if (info.alias or name) not in parts:
            lines += _field(name, getattr(config, name), info)
    for name, info in type(config).model_fields.items():
        if (info.alias or name) in parts:
            section: Section = getattr(config, name)
            lines += ["", f"[{info.alias or name}]  # {info.description}"]
            for field, about in type(section).model_fields.items():
                lines += _field(field, getattr(section, field), about)
    return "\n".join(lines) + "\n"


def _field(name: str, value: Any, info: FieldInfo) -> list[str]:
    text = f"# {name} = {_placeholder(name, info)}" if value is None else f"{name} = {literal(value)}"
    meaning = f"{info.description}{_words(info)}"
    line = f"{text:<{COMMENT}}# {meaning}"
    if len(text) < COMMENT and len(line) <= WIDTH:
        return [line]
    return [*(f"# {line}" for line in textwrap.wrap(meaning, 100)), text]


def literal(value: Any) -> str:
    """A value of a config in TOML."""
    if isinstance(value, Section):
        return literal(value.model_dump(mode="json", exclude_none=True))
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {literal(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def _key(name: str) -> str:
    """A key of a table, in quotes where it needs them."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else literal(name)


def _words(info: FieldInfo) -> str:
    """The words a field may hold, ' (same, valid)', when it is a matter of words."""
    kinds = [info.annotation, *get_args(info.annotation)]
    words = [word for kind in kinds for word in get_args(kind) if isinstance(word, str)]
    return f" ({', '.join(dict.fromkeys(words))})" if len(words) > 1 else ""


def _placeholder(name: str, info: FieldInfo) -> str:
    """A value that an unset field could take."""
    if info.examples:
        return literal(info.examples[0])
    kind = next(kind for kind in get_args(info.annotation) if kind is not NoneType)
    if kind is str:
        return literal(name)
    bound = next((about.ge for about in info.metadata if hasattr(about, "ge")), 1)
    return str(bound) if kind is int else "[16, 16]"
