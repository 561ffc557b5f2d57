# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The record of a curation: which frames were chosen, where they come from, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.files import printable, write_json
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.curation.scoring import Candidate

RECORD = 'curation.json'
SCHEMA = {'name': 'mfaranet curation', 'version': 1}


@dataclass(frozen=True)
class Pick:
    """A frame that was chosen. stem: the name of its files; path: of its recording."""

    stem: str
    path: Path
    number: int
    name: str
    height: int
    width: int


@dataclass(frozen=True)
class Curation:
    """What was chosen, in order, and the label set of the masks."""

    label_set: LabelSet
    image_topic: str
    picks: tuple[Pick, ...]


def stem_of(index: int, candidate: Candidate) -> str:
    """Return the name of the files of a frame: its place among the chosen, bag and frame."""
    bag = re.sub(r'[^A-Za-z0-9.-]+', '_', candidate.path.stem) or 'frame'
    return f'{index:04}_{bag}_{candidate.number:06}'


def write_curation(
    folder: Path, curation: Curation, facts: dict[str, Any], candidates: Sequence[Candidate]
) -> None:
    """Write the record into a folder; facts: how the frames were scored. Raises OutputError."""
    picks = [{**asdict(each), 'path': printable(each.path.resolve())} for each in curation.picks]
    frames = [
        {
            'path': printable(each.path), 'number': each.number, 'name': each.name,
            **asdict(each.values), 'problem': each.problem,
        }
        for each in candidates
    ]  # fmt: skip
    content = {
        'schema': SCHEMA, 'label_set': curation.label_set.name,
        'image_topic': curation.image_topic, **facts, 'picks': picks, 'frames': frames,
    }  # fmt: skip
    write_json(folder / RECORD, content)


def read_curation(folder: Path) -> Curation:
    """Read the record in a folder that `mfaranet curate --out` wrote; raises SourceError."""
    path = folder.expanduser() / RECORD
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: {error.strerror}; give the --out of `mfaranet curate`'
        ) from error
    except ValueError as error:
        raise SourceError(f'{path} is not JSON ({error}): curate again') from error
    if not isinstance(content, dict) or content.get('schema') != SCHEMA:
        raise SourceError(f'{path} is no record of `mfaranet curate` of this version')
    try:
        picks = tuple(
            Pick(
                str(each['stem']), Path(each['path']), int(each['number']), str(each['name']),
                int(each['height']), int(each['width']),
            )
            for each in content['picks']
        )  # fmt: skip
        return Curation(get_label_set(content['label_set']), str(content['image_topic']), picks)
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f'{path} is broken ({error!r}): curate again') from error
