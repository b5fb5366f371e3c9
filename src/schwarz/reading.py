"""Reading a configuration: from files, flags and the pipeline's JSON; every fault is one message.

It names the field, the value, the place (file:line) and the remedy.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from schwarz.config import Config, PartitionConfig, Section, fields, sections
from schwarz.errors import WrongInput, nearest, nearest_path

AnySection = TypeVar("AnySection", bound=Section)
EXAMPLE = "`schwarz show quickstart` prints a valid file."
COMMAND_LINE = "the command line"
_BRANCH = re.compile(r"(constrained-)?(int|float|str)$|(literal|tuple)\[")  # pydantic's mark of a union's branch


def build(values: Mapping[str, Any], where: str) -> Config:
    """A Config from nested values; every fault is one message naming the field, the value, `where` and the remedy."""
    try:
        return Config.model_validate(values)
    except ValidationError as fault:
        raise WrongInput(explain(fault, where)) from None


def override(config: Config, changes: Mapping[str, Any]) -> Config:
    """`config` with dotted fields replaced, validated as a whole."""
    values = config.model_dump(mode="json", by_alias=True)
    cut = {name.removeprefix("partition."): value for name, value in changes.items() if name.startswith("partition.")}
    values["partition"] = PartitionConfig.beneath(values["partition"], cut)
    for name, value in changes.items():
        *path, field = name.split(".")
        target = values
        for part in path:
            target = target[part]
        target[field] = value
    return build(values, COMMAND_LINE)


def load(path: Path, base: Config | None = None) -> Config:
    """A Config from a TOML file as `show` prints it; a file that names no `preset` changes fields of `base`."""
    text, values = toml(path, EXAMPLE)
    if base is not None:
        values = _over(base, values, f"{path}:{_line(text, ['preset'])}")
    return checked(Config, values, path, text)


def toml(path: Path, example: str) -> tuple[str, dict[str, Any]]:
    """The text and the values of a TOML file; `example` says where a person finds a valid one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise WrongInput(f"{path}: no such file.{nearest_path(path)}") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise WrongInput(f"{path}: cannot be read as text: {fault}") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise WrongInput(f"{path}: not TOML: {fault}. {example}") from None


def checked(kind: type[AnySection], values: Mapping[str, Any], path: Path, text: str) -> AnySection:
    """The values of a file as what they should be."""
    try:  # as JSON and strictly: a file says 8 or "8", a flag cannot
        return kind.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as fault:
        raise WrongInput(explain(fault, str(path), text, kind)) from None


def _over(base: Config, values: dict[str, Any], where: str) -> dict[str, Any]:
    """A file's values laid over `base`; a file that names its preset is whole, and must be that preset's."""
    if "preset" in values:
        if values["preset"] != base.preset:
            raise WrongInput(f"{where}: preset = {values['preset']!r}, not {base.preset!r}: leave out one of the two.")
        return values
    below = base.model_dump(mode="json", by_alias=True)
    for name, value in values.items():
        both = isinstance(value, dict) and isinstance(below.get(name), dict)
        if both and name == "partition":
            below[name] = PartitionConfig.beneath(below[name], value)
        below[name] = below[name] | value if both else value
    return below


def read_section(kind: type[AnySection], text: str, where: str) -> AnySection:
    """A section from its JSON, the form in which the pipeline carries it."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as fault:
        raise WrongInput(explain(fault, where)) from None


def explain(fault: ValidationError, where: str, text: str | None = None, kind: type[Section] = Config) -> str:
    """The first fault in plain words: where it stands, what is wrong, what would be right. The whole is a `kind`."""
    first = fault.errors(include_url=False)[0]
    place = [part for part in first["loc"] if isinstance(part, str) and not _BRANCH.match(part)]
    name = ".".join(place)
    line = f":{_line(text, place)}" if text is not None and place else ""
    if first["type"] == "extra_forbidden":
        return f"{where}{line}: unknown field {name!r}.{nearest(place[-1], _siblings(kind, place))}"
    spot = f"--{name}" if where == COMMAND_LINE else f"{where}{line}: {name}"
    if first["type"] == "missing" and isinstance(first["loc"][-1], int):
        return (
            f"{spot} = {list(first['input'])}: too few values. A list such as {fields()[name].examples[0]} is wanted."
        )
    if first["type"] == "missing":
        return f"{where}: field {name!r} is missing."
    if first["type"] == "value_error":
        return f"{where}{line}: {name + ': ' if name else ''}{first.get('ctx', {}).get('error')}."
    return f"{spot} = {first['input']!r}: {_wanted(first)}.{_remedy(fault, first['input'])}"


def _siblings(kind: type[Section], place: list[str]) -> list[str]:
    """The fields that stand where `place` does, which is none of them."""
    if len(place) == 1:
        return [*sections(kind), *fields(kind)]
    section = sections(kind)[place[0]]
    for name in place[1:-1]:  # the items of a list: a section each
        section = get_args(section.model_fields[name].annotation)[0]
    return list(section.model_fields)


PLAIN = {
    "string_pattern_mismatch": "input should be letters, digits, '.', '_' and '-', a letter or digit first",
    "model_type": "this is a section: its fields stand below a line with its name in brackets",
}
"""What pydantic says of Python and of patterns, in a person's words."""


def _wanted(error: Any) -> str:
    message: str = error["msg"]
    return PLAIN.get(error["type"]) or message[0].lower() + message[1:]


def _remedy(fault: ValidationError, given: Any) -> str:
    """The words that are allowed in place of `given`, where there are any: the nearest, else all that are not said."""
    faults = fault.errors(include_url=False)
    literals = (error for error in faults if error["type"] == "literal_error")
    expected = next((error.get("ctx", {}).get("expected", "") for error in literals if error["input"] == given), "")
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ") if word]
    if not words or not isinstance(given, str):
        return ""
    said = faults[0]["type"] == "literal_error"
    return nearest(given, words) or ("" if said else f" Or one of: {', '.join(words)}.")


def _line(text: str, place: list[str]) -> int:
    """Line of a dotted field in TOML text, for file:line in a message; its table's line if it is not written out."""
    table, found = "", 0
    for number, row in enumerate(text.splitlines(), 1):
        if row.startswith("[") and "," not in row.split("#")[0]:  # not a line of a list
            table = row.split("#")[0].strip(" []")
            if table == ".".join(place):
                return number
            found = number if table == ".".join(place[:-1]) else found
        elif row.split("=")[0].strip(' "') == place[-1] and table == ".".join(place[:-1]):
            return number
    return found or 1
