# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Give a reader changed files one after the other, and keep what breaks its promise."""

import random
import warnings
import zlib
from dataclasses import dataclass

from fuzz.mutations import mutate
from fuzz.promise import BrokenPromise, promised


@dataclass(frozen=True)
class Finding:
    """A file that broke a promise: the target's name, the number of the change, what happened."""

    target: str
    number: int
    what: str
    content: bytes


def try_files(name, target, folder, numbers, seed=0):
    """Yield the findings among the changed files of these numbers, which follow from the seed."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = target.seeds(folder)
    place = folder / 'read'
    place.mkdir(exist_ok=True)
    path = place / target.name
    for content in seeds:
        path.write_bytes(content)
        target.read(path) if name not in MAY_REFUSE_SEEDS else None
    for number in numbers:
        chance = random.Random(zlib.crc32(f'{name} {seed} {number}'.encode()))
        content = mutate(chance.choice(seeds), chance)
        path.write_bytes(content)
        try:
            with warnings.catch_warnings(), promised():
                warnings.simplefilter('ignore')
                target.read(path)
        except BrokenPromise as broken:
            yield Finding(name, number, str(broken), content)


MAY_REFUSE_SEEDS = ('bag_metadata', 'checkpoint', 'label_image')
"""Targets some of whose seeds are refused, since what they refer to is not there."""
