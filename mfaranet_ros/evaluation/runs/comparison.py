# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The label set in which predictions and ground truth are compared, if theirs differ.

Two tables lead to it (data/label_table.py): one merges classes of the network into those that are
compared, the other says which of these each id of the ground truth may be. Where it may be
several, a prediction of any of them is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.data.images import Layout
from mfaranet_ros.data.label_table import LabelCodes, LabelTable, read_table
from mfaranet_ros.data.labels import GroundTruthReader, LabelReader

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabelComparison:
    """How predictions and ground truth are converted to one label set.

    codes: what ground truth is converted to: classes of the label set, and partial labels.
    merge: the class of each class of the network; None where the network has this label set.
    table: what each id of the ground truth may be; None where its ids are those of the label set.
    notes: a line for each class that several were merged into, and for each partial label.
    """

    codes: LabelCodes
    merge: Labels | None = None
    table: LabelTable | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, label_set: LabelSet) -> LabelComparison:
        """Return the comparison of a network with ground truth of its own label set."""
        return cls(LabelCodes(label_set))

    @classmethod
    def between(
        cls,
        network: LabelSet,
        target: LabelSet,
        *,
        merge: LabelTable | None = None,
        table: LabelTable | None = None,
    ) -> LabelComparison:
        """Return how the labels of a network and ground truth are compared in a target label set.

        merge: what each class of the network becomes there; None where it is its own label set.
        table: what each id of the ground truth may be there; None where its ids are those of the
        target.
        Raises ConfigError where a table does not give what it must.
        """
        notes: list[str] = []
        predicted = None
        if merge is not None:
            _check_merge(network, merge, target)
            predicted = LabelCodes(target).encode(merge)
            predicted[len(network) :] = UNLABELED
            notes += _merged(merge, network.names)
        elif network.name != target.name:
            raise ConfigError(
                f'the network labels in {network.name}, but {target.name} is to be compared: give '
                f'--merge FILE with the class of {target.name} for each class of {network.name}'
            )
        if table is None:
            return cls(LabelCodes(target), predicted, notes=tuple(notes))
        _check_target(table, target)
        codes = LabelCodes.of(target, [table])
        notes += _merged(table, [f'id {number}' for number in range(256)])
        notes += [
            f'id {number} may be {codes.describe(code)}'
            for number, code in enumerate(codes.encode(table))
            if len(target) <= code < UNLABELED
        ]
        return cls(codes, predicted, table, tuple(notes))

    @classmethod
    def read(
        cls,
        network: LabelSet,
        labels: str = '',
        merge: str | Path | None = None,
        table: str | Path | None = None,
    ) -> LabelComparison:
        """Return `between` with tables that are read from files.

        labels: the name of the target label set; empty for that of the network.
        Raises ConfigError for a table that is missing, broken, or does not fit.
        """
        target = get_label_set(labels) if labels else network
        return cls.between(
            network,
            target,
            merge=read_table(merge, target) if merge else None,
            table=read_table(table, target) if table else None,
        )

    @property
    def label_set(self) -> LabelSet:
        """The label set that is compared."""
        return self.codes.label_set

    def convert(self, labels: Labels) -> Labels:
        """Return the labels (H, W) of the network in the label set that is compared."""
        return labels if self.merge is None else self.merge[labels]

    def reader(self, layout: Layout | None = None, ignored: Iterable[int] = ()) -> LabelReader:
        """Return what reads ground truth as codes.

        layout: of the files, where their ids are those of the label set. ignored: further ids that
        mean no class. Raises ConfigError where the layout's ids are not of this label set.
        """
        if self.table is None:
            return GroundTruthReader(self.label_set, layout, ignored)
        known = self.codes.encode(self.table)
        allowed = np.zeros(256, bool)
        known[[*ignored]], allowed[[*self.table.allowed, *ignored]] = UNLABELED, True
        name = self.table.name
        refused = f'have no row in table {name}: add them (with no class where they are void)'
        return LabelReader(name, known, allowed, refused)

    def identity(self) -> dict[str, Any]:
        """Return plain values by which the same comparison is known again."""
        return {
            'label_set': self.label_set.name,
            'merge': None if self.merge is None else self.merge.tolist(),
            'table': None if self.table is None else {
                str(number): list(classes) for number, classes in self.table.allowed.items()
            },
        }  # fmt: skip


def _check_merge(network: LabelSet, merge: LabelTable, target: LabelSet) -> None:
    _check_target(merge, target)
    missing = [entry.name for entry in network.classes if entry.id not in merge.allowed]
    several = [entry.name for entry in network.classes if len(merge.allowed.get(entry.id, ())) > 1]
    if missing or several:
        wrong = f'{", ".join(missing)} have no row' if missing else f'{", ".join(several)} may be '
        more = '' if missing else 'several classes'
        raise ConfigError(
            f'table {merge.name}: {wrong}{more}, so {network.name} cannot be expressed in '
            f'{target.name}: give each class a row with one class, or with none for void'
        )


def _check_target(table: LabelTable, target: LabelSet) -> None:
    if table.label_set.name != target.name:
        raise ConfigError(
            f'table {table.name} leads to {table.label_set.name}, but {target.name} is compared: '
            f'give a table to {target.name}'
        )


def _merged(table: LabelTable, names: Sequence[str]) -> list[str]:
    return [
        f'{", ".join(names[number] for number in ids if number < len(names))} merged into '
        f'{table.label_set.names[entry]}'
        for entry, ids in table.merged().items()
    ]
