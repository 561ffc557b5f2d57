# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report of a curation: the contact sheet of the chosen frames, and every frame in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mfaranet_ros.core.files import printable
from mfaranet_ros.curation.scoring import VALUES, Scored
from mfaranet_ros.evaluation.report.page import Page, Picture, Row, Table, Tile, render_page

SHOWN_NOTES = 20


def render_curation(
    model: str, scored: Scored, worth: Sequence[float], chosen: Mapping[int, str]
) -> str:
    """Return the page; chosen: the stem of each chosen frame by its index, in order of choice."""
    candidates, notes = scored.candidates, scored.notes
    pictures = tuple(
        Picture(f'pictures/{stem}.jpg', f'{place}. {stem}, worth {worth[index]:.2f}')
        for place, (index, stem) in enumerate(chosen.items(), 1)
    )
    shown = notes[:SHOWN_NOTES]
    if len(notes) > SHOWN_NOTES:
        shown += (f'and {len(notes) - SHOWN_NOTES} more',)
    rejected = sum(bool(each.problem) for each in candidates)
    page = Page(
        model=model,
        sources=f'{len({each.path for each in candidates})} recordings',
        summary='Frames worth labelling, the best first; click on a heading to sort the table',
        warnings=shown,
        tiles=(
            Tile('frames', str(len(candidates))),
            Tile('chosen', str(len(chosen))),
            Tile('black, saturated or identical', str(rejected)),
        ),
        plots=(),
        tables=(_table(scored, worth, chosen),),
        images=(),
        facts=Table('Facts', (), (Row(('distances by', scored.features)),), 'facts'),
        pictures=pictures,
    )
    return render_page(page)


def _table(scored: Scored, worth: Sequence[float], chosen: Mapping[int, str]) -> Table:
    places = {index: str(place) for place, index in enumerate(chosen, 1)}
    rows = []
    for index in sorted(range(len(worth)), key=lambda index: -worth[index]):
        each = scored.candidates[index]
        values = (_cell(getattr(each.values, name)) for name in VALUES)
        where = printable(each.path), each.name, places.get(index, '-')
        rows.append(Row((*where, f'{worth[index]:.4f}', *values, each.problem)))
    head = ('recording', 'frame', 'chosen', 'worth', *VALUES, 'problem')
    return Table('Each frame', head, tuple(rows), kind='sortable')


def _cell(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'
