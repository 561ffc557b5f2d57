# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How results are shown: colours, transparency, frames, and other mask values by `class_remap`."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.parsing import parse_count

logger = logging.getLogger(__name__)

Pixels = NDArray[np.uint8]

PALETTES = {'classes': 'palette', 'roles': 'role_palette'}
"""What `output.palette` may be, and the attribute of a label set it stands for."""


@dataclass(frozen=True, eq=False)
class Style:
    """How results are shown; everything that is not in the result itself.

    remap: uint8 (256,), the published value of each class id, or None for the ids themselves.
    palette: one of PALETTES; overlay_alpha: the share of the colour in the overlay, 0..1.
    base_frame: the frame_id of the metric outputs.
    Raises UnknownNameError for a palette that does not exist.
    """

    label_set: LabelSet
    remap: Pixels | None = None
    palette: str = 'classes'
    overlay_alpha: float = 0.5
    base_frame: str = 'base_link'

    def __post_init__(self) -> None:
        if self.palette not in PALETTES:
            raise UnknownNameError('palette', self.palette, PALETTES)

    @property
    def colors(self) -> Pixels:
        """The RGB colour of each class id, uint8 (256, 3)."""
        colors: Pixels = getattr(self.label_set, PALETTES[self.palette])
        return colors

    def published(self, labels: Pixels) -> Pixels:
        """Return class ids as the values that consumers expect; a view where they are the same."""
        return labels if self.remap is None else np.asarray(cv2.LUT(labels, self.remap))


def parse_remap(text: str, label_set: LabelSet) -> Pixels | None:
    """Read the setting `output.class_remap`, such as `Road=7, Car=26`.

    Returns uint8 (256,), a value for each class id (its own where the text does not name it), or
    None for an empty text. Raises UnknownNameError for a class that the label set has not, and
    ConfigError for a value out of 0..255, a class named twice, or a text of another form.
    """
    table = np.arange(256, dtype=np.uint8)
    given: set[str] = set()
    for item in filter(None, (part.strip() for part in text.split(','))):
        name, value = _parse_remap_item(item)
        if name not in label_set.names:
            raise UnknownNameError(f'class of {label_set.name}', name, label_set.names)
        if name in given:
            raise ConfigError(f'output.class_remap names {name!r} twice: once is allowed')
        given.add(name)
        table[label_set.names.index(name)] = value
    _warn_of_shared_values(table, label_set)
    return table if given else None


def _parse_remap_item(item: str) -> tuple[str, int]:
    name, equals, digits = (part.strip() for part in item.rpartition('='))
    value = parse_count(digits, 255)
    if not (name and equals) or value is None:
        raise ConfigError(
            f'output.class_remap has {item!r}: must be CLASS=VALUE with a value of 0 to 255, '
            'several separated by commas'
        )
    return name, value


def _warn_of_shared_values(table: Pixels, label_set: LabelSet) -> None:
    by_value: dict[int, list[str]] = {}
    for name, value in zip(label_set.names, table[: len(label_set)].tolist(), strict=True):
        by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        if len(names) > 1 and value != UNLABELED:
            logger.warning(
                'output.class_remap: %s share the mask value %d', ' and '.join(names), value
            )
