# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tables between label sets: which classes of a label set the ids of another one may be.

A table has a line for each id of the ground truth, `id : class, class ...`; what follows a # is a
comment. The classes are ids or names of the label set. One class is a plain label, several are a
partial label (a prediction of any of them is right), none is void. 255 is always void.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.parsing import parse_count

ClassSet = tuple[int, ...]
"""Two or more class ids, ascending: what one pixel may be."""


@dataclass(frozen=True)
class LabelTable:
    """Which classes of a label set each id of other ground truth may be.

    name: what errors call it. allowed: by id (0 to 255) the class ids, ascending; none is void.
    """

    name: str
    label_set: LabelSet
    allowed: Mapping[int, ClassSet]

    @property
    def sets(self) -> tuple[ClassSet, ...]:
        """The partial labels of the table: each set of several classes once, sorted."""
        return tuple(sorted({classes for classes in self.allowed.values() if len(classes) > 1}))

    def merged(self) -> dict[int, tuple[int, ...]]:
        """Return by class the ids that become it, where there are several; partial ones apart."""
        found: dict[int, list[int]] = {}
        for number, classes in sorted(self.allowed.items()):
            if len(classes) == 1:
                found.setdefault(classes[0], []).append(number)
        return {entry: tuple(ids) for entry, ids in found.items() if len(ids) > 1}


def read_table(path: str | Path, label_set: LabelSet) -> LabelTable:
    """Read a table to a label set from a file; raises ConfigError, which names file and line."""
    path = Path(path).expanduser()
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'table {path} cannot be read: {error}') from error
    return parse_table(lines, label_set, str(path))


def parse_table(lines: Iterable[str], label_set: LabelSet, name: str) -> LabelTable:
    """Return the table that lines of text are; name: what errors call it. Raises ConfigError."""
    allowed: dict[int, ClassSet] = {UNLABELED: ()}
    seen: set[int] = set()
    for row, line in enumerate(lines, start=1):
        text = line.partition('#')[0].strip()
        if not text:
            continue
        where = f'table {name}, line {row}'
        left, colon, right = text.partition(':')
        number = parse_count(left, UNLABELED)
        if not colon or number is None:
            raise ConfigError(
                f'{where}: {text!r} is no row of a table, write ID : CLASS, CLASS ... with an id '
                f'from 0 to {UNLABELED}'
            )
        if number in seen:
            raise ConfigError(f'{where}: id {number} has a row already, leave one of them')
        seen.add(number)
        allowed[number] = _classes(right, label_set, where)
    if allowed[UNLABELED]:
        raise ConfigError(
            f'table {name}: id {UNLABELED} is void in all ground truth, leave it empty'
        )
    if not any(allowed.values()):
        raise ConfigError(
            f'table {name} gives no id a class of {label_set.name}: give another one'
        )
    return LabelTable(name, label_set, allowed)


def identity_table(label_set: LabelSet) -> LabelTable:
    """Return the table of ground truth that has the ids of the label set itself."""
    allowed: dict[int, ClassSet] = {number: (number,) for number in range(len(label_set))}
    return LabelTable(f'ids of {label_set.name}', label_set, {**allowed, UNLABELED: ()})


def _classes(text: str, label_set: LabelSet, where: str) -> ClassSet:
    found = set()
    for part in filter(None, (part.strip() for part in text.split(','))):
        number = parse_count(part, len(label_set) - 1)
        if number is not None:
            found.add(number)
        elif part in label_set.names:
            found.add(label_set.names.index(part))
        else:
            known = (*label_set.names, *map(str, range(len(label_set))))
            error = UnknownNameError(f'class of {label_set.name}', part, known)
            raise ConfigError(f'{where}: {error}')
    return tuple(sorted(found))


@dataclass(frozen=True)
class LabelCodes:
    """One number for each thing a pixel may be: the classes as they are, then the partial labels.

    sets: the partial labels, in the order of their codes, which follow those of the classes.
    Raises ConfigError where 8 bits have no room for all, or a set is not one of the classes.
    """

    label_set: LabelSet
    sets: tuple[ClassSet, ...] = ()

    def __post_init__(self) -> None:
        if len(self) > UNLABELED:
            raise ConfigError(
                f'{len(self.label_set)} classes and {len(self.sets)} partial labels: a mask of 8 '
                f'bits holds {UNLABELED} of them, merge some rows of the tables'
            )
        for classes in self.sets:
            if len(classes) < 2 or not set(classes) <= set(range(len(self.label_set))):
                raise ConfigError(
                    f'{classes} is no set of several classes of {self.label_set.name}'
                )

    def __len__(self) -> int:
        return len(self.label_set) + len(self.sets)

    @classmethod
    def of(cls, label_set: LabelSet, tables: Iterable[LabelTable]) -> LabelCodes:
        """Return the codes that all tables together need."""
        return cls(label_set, tuple(sorted({classes for t in tables for classes in t.sets})))

    @cached_property
    def members(self) -> NDArray[np.bool_]:
        """Whether a code may be a class: bool (codes, classes), read-only."""
        members = np.zeros((len(self), len(self.label_set)), bool)
        for code in range(len(self.label_set)):
            members[code, code] = True
        for code, classes in enumerate(self.sets, start=len(self.label_set)):
            members[code, list(classes)] = True
        members.flags.writeable = False
        return members

    def encode(self, table: LabelTable) -> NDArray[np.uint8]:
        """Return the code of each id of a table, uint8 (256,); 255 where void or without a row."""
        codes = np.full(256, UNLABELED, np.uint8)
        for number, classes in table.allowed.items():
            if len(classes) == 1:
                codes[number] = classes[0]
            elif classes:
                codes[number] = len(self.label_set) + self.sets.index(classes)
        return codes

    def describe(self, code: int) -> str:
        """Return the names of the classes that a code may be, with `or` between them."""
        return ' or '.join(
            self.label_set.names[entry] for entry in np.flatnonzero(self.members[code])
        )
