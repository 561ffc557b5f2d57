# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes `NAME.yaml`, the specification beside a network file.

What the file may hold is in specification.schema.json alone. Every error is one line with the file
and the field, such as `net.yaml: input.channels: 'rbg' ...`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from mfaranet_ros.core.errors import ConfigError, MfaranetError, UnknownNameError, WeightsError
from mfaranet_ros.core.files import hash_files
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import Color, LabelClass, LabelSet, Role, get_label_set
from mfaranet_ros.core.parsing import parse_yaml
from mfaranet_ros.core.specification import (
    KEEP,
    VERSION,
    ExportFacts,
    Head,
    InputForm,
    NetworkFile,
    Specification,
)

NETWORK_SUFFIXES = ('.onnx', '.xml')
"""What a network file is called; .xml is OpenVINO's, whose weights are in a .bin beside it."""

FILE_SUFFIXES = (*NETWORK_SUFFIXES, '.yaml')
"""What may be given for a network file: itself or its specification."""

LARGEST_BYTES = 1_000_000
"""Size of a specification that is read."""

_LENGTHS = {'minItems': 'at least', 'maxItems': 'at most'}
"""Rules of the schema for the length of a list."""

_ROLES = {role.name.lower(): role for role in Role}
_SCHEMA = Path(__file__).with_name('specification.schema.json')
_COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233),
           (213, 94, 0), (240, 228, 66), (120, 120, 120))  # fmt: skip
"""Colours of classes that have none: those of Okabe and Ito, for all kinds of colour vision."""


def is_network_file(name: str | Path) -> bool:
    """Return whether a name is that of a network file or of its specification."""
    return Path(name).suffix in FILE_SUFFIXES


def specification_path(path: Path) -> Path:
    """Return where the specification of a network file is."""
    return path.with_suffix('.yaml')


def open_network_file(path: str | Path) -> NetworkFile:
    """Return a network file with its specification; the network itself is not opened.

    path: the network, or its specification.
    Raises WeightsError, in one line, where either is missing or broken, or they do not belong
    together.
    """
    path = Path(path).expanduser()
    beside = path if path.suffix == '.yaml' else specification_path(path)
    remedy = f'write one with `mfaranet inspect {path}`' if beside != path else 'give another'
    specification, named = _read(beside, remedy)
    network = path if beside != path else _network_of(path, named)
    if named and network.name != named:
        raise WeightsError(f'{beside}: file: it belongs to {named}, not to {network.name}')
    if not network.is_file():
        raise WeightsError(f'network file {network} does not exist: copy it beside {beside}')
    files = [network]
    if network.suffix == '.xml':
        files.append(network.with_suffix('.bin'))
        if not files[1].is_file():
            raise WeightsError(f'{files[1]} does not exist: OpenVINO needs it beside {network}')
    digest = hash_files(files)
    if specification.sha256 not in ('', digest):
        raise WeightsError(
            f'{beside}: sha256: it belongs to another file than {network}, or that file is '
            'damaged: copy both again'
        )
    return NetworkFile(network, specification, digest)


def read_specification(path: Path) -> Specification:
    """Read a specification; raises WeightsError, in one line that names the field."""
    return _read(path, 'give another')[0]


def parse_specification(text: str, where: str | Path) -> Specification:
    """Return the specification of a text; where: its file, for errors. Raises WeightsError."""
    return _parse(_load(text, Path(where)), Path(where))


def _network_of(path: Path, named: str) -> Path:
    if named:
        return path.with_name(named)
    found = [path.with_suffix(suffix) for suffix in NETWORK_SUFFIXES]
    there = [each for each in found if each.is_file()]
    if len(there) == 1:
        return there[0]
    raise WeightsError(
        f'{path}: file: {"both" if there else "neither"} {found[0].name} and {found[1].name} '
        f'exist{"" if there else " beside it"}: name the network file'
    )


def _read(path: Path, remedy: str) -> tuple[Specification, str]:
    if not path.is_file():
        raise WeightsError(f'specification {path} does not exist: {remedy}')
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise WeightsError(f'{path}: larger than {LARGEST_BYTES} bytes: no specification')
        text = path.read_text(encoding='utf-8')
    except UnicodeDecodeError as error:
        raise WeightsError(f'{path}: no text in UTF-8: give a specification') from error
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror or error}') from error
    values = _load(text, path)
    specification = _parse(values, path)
    named = str(values.get('file', ''))
    if named and (Path(named).name != named or Path(named).suffix not in NETWORK_SUFFIXES):
        raise WeightsError(
            f'{path}: file: {named!r}, but it must be an .onnx or .xml in the same folder'
        )
    return specification, named


def _load(text: str, path: Path) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise WeightsError(f'{path}: no YAML: {error}') from error


# -- reading -------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """Return the JSON schema of a specification."""
    values: dict[str, Any] = json.loads(_SCHEMA.read_text(encoding='utf-8'))
    return values


def _parse(values: Any, path: Path) -> Specification:
    if isinstance(values, dict) and type(values.get('version')) is int:
        version = values['version']
        if version > VERSION:
            raise WeightsError(
                f'{path}: version: {version}, but this package reads {VERSION}: update '
                'mfaranet_ros, or write the file in that version'
            )
    _check(values, path)
    try:
        return _specification(values, path)
    except MfaranetError as error:
        raise WeightsError(f'{path}: {error}') from error


def _check(values: Any, path: Path) -> None:
    import jsonschema

    found = jsonschema.Draft202012Validator(schema()).iter_errors(values)
    error = jsonschema.exceptions.best_match(found)
    if error is not None and error.validator == 'type' and error.parent is not None:
        # Older versions of jsonschema choose the type that was not meant.
        meant = [one for one in error.parent.context if one.validator != 'type']
        error = meant[0] if meant else error
    if error is not None:
        raise WeightsError(f'{path}: {_explain(error)}')
    for name, value in _numbers(values, ''):
        if not math.isfinite(value):
            raise WeightsError(f'{path}: {name}: {value}, but it must be finite')


def _explain(error: Any) -> str:
    """Return what one error of jsonschema says, with the name of the field."""
    parts, rules = list(error.absolute_path), error.schema
    known = rules.get('properties', {}) if isinstance(rules, dict) else {}
    if error.validator == 'additionalProperties' and known:
        unknown = next(key for key in error.instance if key not in known)
        said = UnknownNameError('field', str(unknown), known)
        return f'{field_name([*parts, str(unknown)])}: {said}'
    if error.validator == 'required':
        missing = next(key for key in error.validator_value if key not in error.instance)
        meaning = known.get(missing, {}).get('description', '')
        return f'{field_name([*parts, missing])}: missing, but it is needed: {meaning}'
    text = str(error.message).split('\n')[0]
    if error.validator in _LENGTHS:  # the message of jsonschema holds the whole list
        limit = f'{_LENGTHS[error.validator]} {error.validator_value}'
        text = f'{len(error.instance)} entries, but {limit} are allowed'
    if not parts:
        return f'{text}: a specification is a list of fields such as `labels: cityscapes`'
    meaning = rules.get('description', '') if isinstance(rules, dict) else ''
    return f'{field_name(parts)}: {text}' + (f' ({meaning})' if meaning else '')


def field_name(parts: Any) -> str:
    """Return the name of a field, such as `outputs[1].kind`, for its path."""
    name = ''
    for part in parts:
        name += f'[{part}]' if isinstance(part, int) else f'.{part}' if name else str(part)
    return name


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f'{name}.{key}' if name else str(key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _numbers(item, f'{name}[{number}]')


def _specification(values: Mapping[str, Any], path: Path) -> Specification:
    label_set = _label_set(values['labels'], path.stem)
    outputs = []
    for number, entry in enumerate(values.get('outputs', [{}])):
        try:
            classes = tuple(
                _class_id(name, label_set, f'classes[{place}]')
                for place, name in enumerate(entry.get('classes', ()))
            )
            outputs.append(Head(**{**entry, 'classes': classes}))
        except MfaranetError as error:
            raise WeightsError(f'outputs[{number}].{error}') from error
    export = values.get('export')
    return Specification(
        name=values.get('name', path.stem),
        label_set=label_set,
        input=_input(values.get('input', {})),
        outputs=tuple(outputs),
        **{key: values[key] for key in ('sha256', 'source', 'licence') if key in values},
        export=None if export is None else _export(export),
    )


def _input(values: Mapping[str, Any]) -> InputForm:
    given: dict[str, Any] = dict(values)
    if given.get('padding') == 'mean':
        given['padding'] = None
    for key in ('range', 'mean', 'std'):
        if key in given:
            given[key] = tuple(map(float, given[key]))
    if given.get('channels') == 'gray':
        given = {'mean': (0.0,), 'std': (1.0,), **given}
    size = given.pop('size', None)
    given.setdefault('dynamic', size is None)
    return InputForm(**given, size=None if size is None else (size[0], size[1]))


def _export(values: Mapping[str, Any]) -> ExportFacts:
    versions = tuple(values.get('versions', {}).items())
    return ExportFacts(**{**values, 'scales': tuple(values['scales']), 'versions': versions})


def _label_set(value: Any, name: str) -> LabelSet:
    if isinstance(value, str):
        try:
            return get_label_set(value)
        except ConfigError as error:
            raise WeightsError(f'labels: {error}') from error
    names = [entry['name'] for entry in value]
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice is not None:
        raise WeightsError(f'labels: {twice!r} is there twice: give each class a name of its own')
    reserved = next((each for each in names if each in ('keep', 'unlabeled')), None)
    if reserved is not None:
        raise WeightsError(f'labels: {reserved!r} has a meaning of its own: choose another name')
    classes = (
        LabelClass(
            number, entry['name'], _color(entry.get('color'), number), _ROLES[entry['role']]
        )
        for number, entry in enumerate(value)
    )
    return LabelSet(name, tuple(classes))


def class_color(number: int) -> Color:
    """Return the colour of a class that has none of its own, by its number."""
    return _COLORS[number % len(_COLORS)]


def _color(given: list[int] | None, number: int) -> Color:
    if given is None:
        return class_color(number)
    red, green, blue = given
    return red, green, blue


def _class_id(name: str | int, label_set: LabelSet, where: str) -> int:
    special = {'keep': KEEP, 'unlabeled': UNLABELED}
    if name in special:
        return special[str(name)]
    if isinstance(name, int):
        if name < len(label_set) or name == UNLABELED:
            return name
        raise WeightsError(f'{where}: {name}, but the labels have 0 to {len(label_set) - 1}')
    if name in label_set.names:
        return label_set.names.index(name)
    known = ', '.join((*label_set.names, 'unlabeled', 'keep'))
    raise WeightsError(f'{where}: {name!r} is no class of the labels: choose from {known}')


# -- writing -------------------------------------------------------------------------------------


def dump_specification(specification: Specification, *, file: str = '') -> str:
    """Return the text of a specification; `parse_specification` gives it back.

    file: the name of the network file, which is left out where it is empty.
    Raises ConfigError for a label set that is not registered and not that of the file.
    """
    values: dict[str, Any] = {'version': VERSION, 'name': specification.name}
    if file:
        values['file'] = file
    for key in ('sha256', 'source', 'licence'):
        if getattr(specification, key):
            values[key] = getattr(specification, key)
    values['labels'] = _labels_value(specification.label_set)
    form = specification.input
    given = _changed(form, InputForm())
    if 'resize' in given and form.resize != 'stretch':
        given['padding'] = 'mean' if form.padding is None else form.padding
    values['input'] = {key: _plain(value) for key, value in given.items()}
    if form.size is None and form.dynamic:
        values['input'].pop('dynamic', None)
    values['outputs'] = [_head_value(head, specification.label_set) for head in
                         specification.outputs]  # fmt: skip
    if specification.export is not None:
        export = dataclasses.asdict(specification.export)
        export['versions'] = {name: str(text) for name, text in specification.export.versions}
        values['export'] = {key: _plain(value) for key, value in export.items()}
    text: str = yaml.safe_dump(
        values, sort_keys=False, default_flow_style=None, width=99, allow_unicode=True
    )
    return text


def _changed(value: Any, default: Any) -> dict[str, Any]:
    """Return the fields of a value that are not those of the default."""
    return {
        field.name: getattr(value, field.name)
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != getattr(default, field.name)
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _labels_value(label_set: LabelSet) -> Any:
    try:
        if get_label_set(label_set.name) == label_set:
            return label_set.name
    except ConfigError:
        pass
    return [
        {'name': each.name, 'color': list(each.color), 'role': each.role.name.lower()}
        for each in label_set.classes
    ]


def _head_value(head: Head, label_set: LabelSet) -> dict[str, Any]:
    values = {'kind': head.kind, 'layout': head.layout, **_changed(head, Head())}
    if head.classes:
        special = {KEEP: 'keep', UNLABELED: 'unlabeled'}
        values['classes'] = [special.get(i) or label_set.names[i] for i in head.classes]
    return values
