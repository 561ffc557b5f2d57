# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several data sets in one training, named by a YAML file: weights, tables, what is held out.

    labels: cityscapes
    sets:
      - name: camvid
        root: ../camvid/train            # from the folder of this file, or absolute
        table: ../camvid/to_cityscapes19.txt
        weight: 1.5
      - name: india
        root: ../roads/idd_lite
        ground_truth: labels             # folder of the labels below root; this is the default
        table: ../roads/idd_lite/to_cityscapes19.txt
        weight: 1
        hold_out: 150                    # the last ones by name; or a list of names; or all
        validate: true                   # false: what is held out is not measured on either
        scale: 1.5                       # of images that are small for what they show

Without a table the ids are those of the label set. What is held out is validated on. All is
checked before a training begins: files, ids, tables, and that no image is on both sides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mfaranet_ros.core.errors import ConfigError, SourceError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.core.parsing import parse_yaml
from mfaranet_ros.data.images import Pair, find_pairs, read_bytes
from mfaranet_ros.data.label_table import (
    LabelCodes,
    LabelTable,
    identity_table,
    read_table,
)
from mfaranet_ros.data.labels import LabelReader, read_label_values
from mfaranet_ros.training.config import DataConfig
from mfaranet_ros.training.datasets import Dataset, Part, open_data
from mfaranet_ros.training.losses import MAX_PARTIAL_CLASSES

SHOWN = 3
"""The names that one message lists."""

ALL = 'all'
"""What `hold_out` says of a data set that is only validated on."""


@dataclass(frozen=True)
class SetConfig:
    """One data set of a mixture, as the file gives it.

    images, ground_truth: folders below root. table: to the label set that is trained, None where
    the ids are its own. weight: its share of the images that training sees, to those of the
    others.
    hold_out: how many of the last images by name, or which, or `all`. validate: whether the
    network is measured on them, which labels that are another network's opinion are not fit for.
    scale: what the random scales are multiplied by.
    """

    name: str
    root: Path
    images: str = 'images'
    ground_truth: str = 'labels'
    table: Path | None = None
    weight: float = 1.0
    hold_out: int | str | tuple[str, ...] = 0
    validate: bool = True
    scale: float = 1.0


@dataclass(frozen=True)
class MixtureConfig:
    """The data sets that are trained on together, and the label set of their tables."""

    label_set: LabelSet
    sets: tuple[SetConfig, ...]


def open_sets(config: DataConfig, threads: int) -> tuple[Dataset, Dataset]:
    """Return what is trained on and what is validated on: of a mixture, or of one data set.

    Raises ConfigError, UnknownNameError and SourceError for whatever is wrong with either.
    """
    if not config.mixture:
        return open_data(config)
    return open_mixture(read_mixture(config.mixture), threads)


# -- the file ------------------------------------------------------------------------------------


def read_mixture(path: str | Path) -> MixtureConfig:
    """Read the YAML of a mixture; raises ConfigError, which names the file and the data set."""
    path = Path(path).expanduser()
    try:
        content = parse_yaml(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f'mixture {path} cannot be read: {error}') from error
    where = f'mixture {path}'
    given = _fields(content, where, {'labels', 'sets'}, {'labels', 'sets'})
    sets = given['sets']
    if not isinstance(sets, list) or not sets:
        raise ConfigError(f'{where}: sets must be a list of one or more data sets')
    found = tuple(_read_set(entry, where, path.parent) for entry in sets)
    names = [entry.name for entry in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f'{where}: two data sets are named {twice[0]!r}, rename one of them')
    return MixtureConfig(get_label_set(str(given['labels'])), found)


def _read_set(entry: Any, where: str, folder: Path) -> SetConfig:
    known = set(SetConfig.__dataclass_fields__)
    given = _fields(entry, where, known, {'name', 'root'})
    where = f'{where}, {given["name"]}'
    for key in ('name', 'root', 'images', 'ground_truth', 'table'):
        if key in given and (not isinstance(given[key], str) or not given[key]):
            raise ConfigError(f'{where}: {key} = {given[key]!r} must be a text')
    for key in ('weight', 'scale'):
        value = given.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
            raise ConfigError(
                f'{where}: {key} = {value!r} must be a number above 0 (leave the data set out if '
                'it is not to be seen)'
            )
    if type(given.get('validate', True)) is not bool:
        raise ConfigError(f'{where}: validate = {given["validate"]!r} must be true or false')
    hold_out = _hold_out(given.get('hold_out', 0), where)
    if hold_out == ALL and 'weight' in given:
        raise ConfigError(f'{where}: all of it is held out, so it has no weight: leave weight out')
    given['hold_out'] = hold_out
    for key in ('root', 'table'):
        if key in given:
            given[key] = folder / Path(given[key]).expanduser()
    return SetConfig(**given)


def _fields(entry: Any, where: str, known: set[str], needed: set[str]) -> dict[str, Any]:
    if not isinstance(entry, dict) or not needed <= entry.keys():
        raise ConfigError(f'{where}: {_short(entry)} must have {", ".join(sorted(needed))}')
    for key in entry:
        if key not in known:
            raise ConfigError(f'{where}: {UnknownNameError("entry", str(key), known)}')
    return dict(entry)


def _hold_out(value: Any, where: str) -> int | str | tuple[str, ...]:
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    if value == ALL or (type(value) is int and value >= 0):
        return value  # type: ignore[no-any-return]
    raise ConfigError(
        f'{where}: hold_out = {_short(value)} must be how many of the last images, a list of '
        f'names, or {ALL}'
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


# -- the data ------------------------------------------------------------------------------------


def open_mixture(config: MixtureConfig, threads: int) -> tuple[Dataset, Dataset]:
    """Return what is trained on and what is held out, both with the same codes.

    Raises ConfigError where nothing is left for one of them, and where an image is in both;
    SourceError for folders, images and labels that are missing, broken or hold ids without a row.
    """
    tables = {
        entry.name: identity_table(config.label_set)
        if entry.table is None
        else read_table(entry.table, config.label_set)
        for entry in config.sets
    }
    codes = LabelCodes.of(config.label_set, tables.values())
    if codes.sets and len(config.label_set) > MAX_PARTIAL_CLASSES:
        raise ConfigError(
            f'{config.label_set.name} has {len(config.label_set)} classes, but partial labels are '
            f'limited to {MAX_PARTIAL_CLASSES}: give tables with at most one class for each id'
        )
    train, held_out = [], []
    for entry in config.sets:
        ours, theirs = _open_set(entry, tables[entry.name], codes)
        train += [ours] if ours.pairs else []
        held_out += [theirs] if theirs.pairs else []
    measured = {entry.name for entry in config.sets if entry.validate}
    if not train or not measured & {part.name for part in held_out}:
        raise ConfigError(
            f'the mixture leaves nothing to {"validate" if train else "train"} on: '
            f'{"hold images out of a data set" if train else "hold out less"}'
        )
    _check_apart(train, held_out)
    held_out = [part for part in held_out if part.name in measured]
    _check_ids([*train, *held_out], threads)
    return Dataset(codes, tuple(train)), Dataset(codes, tuple(held_out))


def _open_set(entry: SetConfig, table: LabelTable, codes: LabelCodes) -> tuple[Part, Part]:
    if not entry.root.is_dir():
        raise SourceError(f'{entry.name}: root {entry.root} is no folder')
    pairs = find_pairs(entry.root / entry.images, entry.root / entry.ground_truth).pairs
    known = np.zeros(256, bool)
    known[[*table.allowed, UNLABELED]] = True
    refused = f'have no row in {table.name}: add them there (with no class where they are void)'
    reader = LabelReader(table.name, codes.encode(table), known, refused)
    out = _held_out_names(entry, [pair.name for pair in pairs])
    part = Part(entry.name, pairs, reader, entry.weight, entry.scale)
    return part.select(lambda name: name not in out), part.select(lambda name: name in out)


def _held_out_names(entry: SetConfig, names: Sequence[str]) -> set[str]:
    names = sorted(names)
    if entry.hold_out == ALL:
        return set(names)
    if isinstance(entry.hold_out, int):
        if entry.hold_out >= len(names):
            raise ConfigError(
                f'{entry.name}: hold_out = {entry.hold_out} of {len(names)} images leaves nothing '
                f'to train on: hold out less, or {ALL} to validate on it alone'
            )
        return set(names[len(names) - entry.hold_out :])
    wanted = set(entry.hold_out)
    missing = sorted(wanted - set(names))
    if missing:
        raise ConfigError(
            f'{entry.name}: hold_out names {len(missing)} images that are not there '
            f'({", ".join(missing[:SHOWN])}): correct the names'
        )
    return wanted


def _check_apart(train: Iterable[Part], held_out: Iterable[Part]) -> None:
    """Raise ConfigError where an image is trained on and held out, whatever its name there."""
    by_size: Mapping[int, list[tuple[str, Path]]] = defaultdict(list)
    for part in train:
        for pair in part.pairs:
            by_size[_size(pair.image)].append((f'{part.name}/{pair.name}', pair.image))
    hashes: dict[Path, str] = {}
    common = []
    for part in held_out:
        for pair in part.pairs:
            for name, path in by_size.get(_size(pair.image), ()):
                if _sha256(path, hashes) == _sha256(pair.image, hashes):
                    common.append(f'{part.name}/{pair.name} is {name}')
    if common:
        raise ConfigError(
            f'{len(common)} held-out images are trained on, too ({"; ".join(common[:SHOWN])}): '
            'hold the same images out of every data set that has them'
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise SourceError(f'{path} cannot be read: {error.strerror}') from error


def _sha256(path: Path, known: dict[Path, str]) -> str:
    path = path.resolve()
    if path not in known:
        known[path] = hashlib.sha256(read_bytes(path)).hexdigest()
    return known[path]


def _check_ids(parts: Sequence[Part], threads: int) -> None:
    """Raise SourceError where a label file cannot be read or holds ids without a row."""

    def problem(job: tuple[LabelReader, Pair]) -> str | None:
        reader, pair = job
        assert pair.ground_truth is not None
        try:
            values = read_label_values(pair.ground_truth)
            reader.ids_of(str(pair.ground_truth), values, values.shape[:2])
        except SourceError as error:
            return str(error)
        return None

    jobs = [(part.read_ground_truth, pair) for part in parts for pair in part.pairs]
    with ThreadPoolExecutor(threads, 'checker') as pool:
        found = [text for text in pool.map(problem, jobs) if text is not None]
    if found:
        more = f' (and {len(found) - 1} more files)' if len(found) > 1 else ''
        raise SourceError(f'{found[0]}{more}')
