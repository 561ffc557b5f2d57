# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Declaration of settings: each once, with its default, unit, allowed values and meaning.

A config class is a frozen dataclass whose fields are made by `setting`, or are config classes
themselves. Values are checked when `replace` puts them in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mfaranet_ros.core.errors import ConfigError, UnknownNameError

Value = bool | int | float | str | tuple[int, ...] | tuple[str, ...]
ConfigT = TypeVar('ConfigT')


@dataclass(frozen=True)
class Rule:
    """The meaning of a setting and its allowed values."""

    description: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    items: type = int
    """Type of list items. A list of integers has at least one, a list of strings may be empty."""
    live: bool = False
    """Whether it may change while the node runs; the others are read when it is configured."""


@dataclass(frozen=True)
class Setting:
    """One setting of a config class under its full, dotted name."""

    name: str
    default: Value
    rule: Rule

    @property
    def type_name(self) -> str:
        """bool, int, float, str, int[] or str[]."""
        if isinstance(self.default, tuple):
            return f'{self.rule.items.__name__}[]'
        return type(self.default).__name__

    @property
    def allowed(self) -> str:
        """The allowed values as text, such as `0.0 to 1.0` or `auto, cpu`."""
        if self.rule.choices:
            return ', '.join(choice or repr(choice) for choice in self.rule.choices)
        low, high = self.rule.low, self.rule.high
        if low is None and high is None:
            return f'any {self.type_name}'
        if high is None:
            return f'{low:g} or more'
        return f'{low:g} to {high:g}' if low is not None else f'up to {high:g}'

    def check(self, value: Any) -> Value:
        """Return the value in the setting's type, or raise ConfigError.

        An int is accepted for a float and a list for a tuple; nothing else is converted.
        """
        given = f'{self.name} = {value!r}'
        if isinstance(self.default, tuple):
            return self._check_list(value, given)
        if isinstance(self.default, float) and isinstance(value, int):
            value = float(value) if not isinstance(value, bool) else value
        if type(value) is not type(self.default):
            raise ConfigError(f'{given}: must be {self.type_name} ({self.allowed})')
        if self.rule.choices and value not in self.rule.choices:
            raise ConfigError(f'{given}: allowed are {self.allowed}')
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._check_range(value, given)
        return value

    def _check_range(self, value: float, given: str) -> None:
        low, high = self.rule.low, self.rule.high
        inside = (low is None or value >= low) and (high is None or value <= high)
        if not inside or not math.isfinite(value):
            raise ConfigError(f'{given}: must be {self.allowed} {self.rule.unit}'.rstrip())

    def _check_list(self, value: Any, given: str) -> tuple[int, ...] | tuple[str, ...]:
        items = () if isinstance(value, str | bytes) or not isinstance(value, Iterable) else value
        items = tuple(items)
        if self.rule.items is str:
            if isinstance(value, str | bytes) or any(not isinstance(item, str) for item in items):
                raise ConfigError(f"{given}: must be a list of strings, as in ['1,2', '2']")
            return items
        if not items or any(isinstance(i, bool) or not isinstance(i, int) for i in items):
            raise ConfigError(f'{given}: must be a list of one or more integers ({self.allowed})')
        for item in items:
            self._check_range(item, given)
        if len(set(items)) != len(items):
            raise ConfigError(f'{given}: each entry is allowed once')
        return items


def setting(
    default: Any,
    description: str,
    *,
    unit: str = '',
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    items: type = int,
    live: bool = False,
) -> Any:
    """Declare one field of a config class."""
    rule = Rule(description, unit, low, high, choices, items, live)
    return field(default=default, metadata={'rule': rule})


def settings_of(config: Any) -> tuple[Setting, ...]:
    """Return the settings of a config class (or of one of its objects), in order."""
    return tuple(_settings(config if isinstance(config, type) else type(config), ''))


def _settings(config_class: Any, prefix: str) -> Iterator[Setting]:
    for entry in dataclasses.fields(config_class):
        if 'rule' in entry.metadata:
            default: Any = entry.default
            yield Setting(prefix + entry.name, default, entry.metadata['rule'])
        else:
            yield from _settings(entry.default_factory, f'{prefix}{entry.name}.')


def value_of(config: Any, name: str) -> Value:
    """Return the value of one setting by its dotted name."""
    value = config
    for part in name.split('.'):
        value = getattr(value, part)
    return value  # type: ignore[no-any-return]


def values_of(config: Any) -> dict[str, Value]:
    """Return the values of all settings by their dotted names."""
    return {setting.name: value_of(config, setting.name) for setting in settings_of(config)}


def changes(config: Any, base: Any) -> dict[str, Value]:
    """Return the values of the settings that differ from those of another config."""
    before = values_of(base)
    return {name: value for name, value in values_of(config).items() if value != before[name]}


def replace(config: ConfigT, values: Mapping[str, Any]) -> ConfigT:
    """Return the config with some settings changed, each checked.

    Raises ConfigError for a value out of range and UnknownNameError for a name that is none.
    """
    known = {setting.name: setting for setting in settings_of(config)}
    result = config
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError('setting', name, known)
        result = _replace_one(result, name.split('.'), known[name].check(value))
    return result


def _replace_one(config: ConfigT, path: list[str], value: Value) -> ConfigT:
    inner = value if len(path) == 1 else _replace_one(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: inner})  # type: ignore[type-var]


BOOLEANS = {'true': True, 'false': False}
"""What stands for a bool in a text."""


def parse_settings(
    assignments: Iterable[str], config: type[Any], flag: str = '--set'
) -> dict[str, Value]:
    """Return the settings given as texts NAME=VALUE, each checked.

    config: the config class they belong to. flag: how they were given, for errors.
    Raises ConfigError for a value, UnknownNameError with the nearest names for a name.
    """
    known = {setting.name: setting for setting in settings_of(config)}
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, sign, text = assignment.partition('=')
        if not sign:
            raise ConfigError(f'{flag} {assignment}: write NAME=VALUE')
        if name not in known:
            raise UnknownNameError('setting', name, known)
        values[name] = parse_value(known[name], text)
    return values


def parse_boolean(name: str, text: str) -> bool:
    """Return what true or false stands for, in any case; raises ConfigError."""
    if text.lower() not in BOOLEANS:
        raise ConfigError(f'{name} = {text!r}: must be true or false')
    return BOOLEANS[text.lower()]


def parse_value(setting: Setting, text: str) -> Value:
    """Return the value a text stands for, checked; raises ConfigError.

    A list is written as 1,2,3 (with or without brackets), one of texts with blanks between them,
    a bool as true or false.
    """
    return setting.check(_convert(setting, text.strip()))


def _convert(setting: Setting, text: str) -> Any:
    """Convert if possible; a value that remains a string is refused by the setting's check."""
    try:
        if setting.type_name == 'str[]':
            return tuple(part.strip("',") for part in text.strip('[]()').split())
        if isinstance(setting.default, tuple):
            return tuple(int(part) for part in text.strip('[]()').split(','))
        if isinstance(setting.default, bool):
            return BOOLEANS.get(text.lower(), text)
        if isinstance(setting.default, int | float):
            return type(setting.default)(text)
    except ValueError:
        return text
    return text
