# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several evaluations on one page: a row for each bag, the worst first."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.evaluation.report.figures import SCHEMA, VERSION
from mfaranet_ros.evaluation.report.page import Page, Row, Table, Tile, render_page
from mfaranet_ros.evaluation.report.tables import cell
from mfaranet_ros.evaluation.runs.run import PAGE, REPORT
from mfaranet_ros.monitoring.monitor import PROCESSING


@dataclass(frozen=True)
class BagRow:
    """What is shown of one bag of an evaluation; nan for what was not measured.

    evaluation: the folder of its report. over_budget: frames. problem: what is missing of it.
    """

    evaluation: Path
    model: str
    name: str
    frames: int
    mean_iou: float
    drivable_iou: float
    flicker: float
    p50_ms: float
    p99_ms: float
    over_budget: int
    problem: str


def read_bags(folder: Path) -> list[BagRow]:
    """Return the bags of an evaluation, from the report.json in its folder.

    Raises SourceError where there is none, or it is broken or of another version.
    """
    path = folder / REPORT
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise SourceError(
            f'{folder} holds no {REPORT} ({error.strerror}): give the --out of an evaluation'
        ) from error
    except ValueError as error:
        raise SourceError(f'{path} is broken ({error}): evaluate again') from error
    try:
        if content['schema'] != {'name': SCHEMA, 'version': VERSION}:
            raise SourceError(
                f'{path} has schema {content["schema"]}, but {SCHEMA} {VERSION} is read: evaluate '
                'again with this version'
            )
        return [_bag(folder, content['model']['name'], part) for part in content['parts']]
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(f'{path} is broken ({error!r}): evaluate again') from error


def _bag(folder: Path, model: str, part: Mapping[str, Any]) -> BagRow:
    scores, measures = part['scores'] or {}, part['measures']
    latency = measures['latency']
    times = latency['stages'].get(PROCESSING, {})
    return BagRow(
        folder,
        str(model),
        str(part['name']),
        int(measures['frames']),
        _number(scores.get('mean_iou')),
        _number(scores.get('drivable', {}).get('iou')),
        _number(measures['flicker']['all']),
        _number(times.get('p50')),
        _number(times.get('p99')),
        int(latency['over_budget']),
        str(part['source']['truncated']),
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def render_fleet(folders: Sequence[Path], beside: Path) -> str:
    """Return a page of HTML with a row for each bag of all evaluations, the worst first.

    beside: where the page will be; each row links to the report of its evaluation, which has
    images of the worst frames. Raises SourceError as `read_bags` does.
    """
    bags = sorted((bag for folder in folders for bag in read_bags(folder)), key=_badness)
    models = sorted({bag.model for bag in bags})
    frames = sum(bag.frames for bag in bags)
    failed = [bag for bag in bags if bag.problem]
    rows = tuple(_row(bag, beside) for bag in bags)
    head = (
        'bag', 'evaluation', 'model', 'frames', 'mean IoU', 'drivable IoU', 'flicker', 'p50 ms',
        'p99 ms', 'over budget', 'problem',
    )  # fmt: skip
    page = Page(
        model=', '.join(models),
        sources=f'{len(bags)} bags',
        summary=f'{len(folders)} evaluations, {frames} frames; click on a heading to sort',
        warnings=tuple(bag.problem for bag in failed),
        tiles=tuple(_tiles(bags, frames)),
        plots=(),
        tables=(Table('Each bag, the worst first', head, rows, kind='sortable'),),
        images=(),
        facts=_facts(folders),
    )
    return render_page(page)


def _badness(bag: BagRow) -> tuple[bool, float, float]:
    return (
        bool(bag.frames),
        2.0 if math.isnan(bag.mean_iou) else bag.mean_iou,
        0.0 if math.isnan(bag.flicker) else -bag.flicker,
    )


def _row(bag: BagRow, beside: Path) -> Row:
    times = ('-' if math.isnan(ms) else f'{ms:.1f}' for ms in (bag.p50_ms, bag.p99_ms))
    scores = map(cell, (bag.mean_iou, bag.drivable_iou, bag.flicker))
    cells = (
        bag.name, bag.evaluation.name, bag.model, str(bag.frames), *scores, *times,
        str(bag.over_budget), bag.problem,
    )  # fmt: skip
    page = bag.evaluation / PAGE
    link = ''
    if page.is_file():
        link = quote(os.path.relpath(page.resolve(), beside.resolve().parent))
    return Row(cells, link=link)


def _tiles(bags: Sequence[BagRow], frames: int) -> Iterable[Tile]:
    yield Tile('bags', str(len(bags)))
    yield Tile('frames', str(frames))
    yield Tile('bags with a problem', str(sum(bool(bag.problem) for bag in bags)))
    known = [bag.mean_iou for bag in bags if not math.isnan(bag.mean_iou)]
    if known:
        yield Tile('lowest mean IoU of a bag', cell(min(known)))


def _facts(folders: Sequence[Path]) -> Table:
    rows = tuple(Row((f'evaluation {n}', str(f))) for n, f in enumerate(folders, start=1))
    return Table('Evaluations', (), rows, 'facts')
