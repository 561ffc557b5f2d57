# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page: figures, plots, tables, images, model and settings."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import jinja2

from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.measures import flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS
from mfaranet_ros.evaluation.report import plots
from mfaranet_ros.evaluation.report.figures import About, class_scores
from mfaranet_ros.evaluation.report.frame_images import MEDIAN, WORST, Shown
from mfaranet_ros.evaluation.report.tables import cell
from mfaranet_ros.evaluation.runs.parts import Part, Results
from mfaranet_ros.monitoring.monitor import PROCESSING

SHOWN_SKIPPED = 5
"""Number of skipped frames that are listed by name."""


@dataclass(frozen=True)
class Tile:
    """One figure. value: formatted."""

    name: str
    value: str


@dataclass(frozen=True)
class Plot:
    """One plot. svg: an inline SVG, already safe for HTML."""

    title: str
    svg: str


@dataclass(frozen=True)
class Row:
    """The cells of a table row.

    color: a CSS colour shown before the first cell, or empty. link: a relative URL that the first
    cell leads to, or empty.
    """

    cells: tuple[str, ...]
    color: str = ''
    link: str = ''


@dataclass(frozen=True)
class Table:
    """A table. kind: its CSS class."""

    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    kind: str = ''


@dataclass(frozen=True)
class Figure:
    """Two images of one frame, JPEG in base64. beside: what `other` shows."""

    prediction: str
    other: str
    beside: str
    caption: str


@dataclass(frozen=True)
class Picture:
    """An image file beside the page, loaded when it is looked at. href: a relative URL."""

    href: str
    caption: str


@dataclass(frozen=True)
class FigureGroup:
    """Figures below one title."""

    title: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Page:
    """All that the template shows; every text is escaped there.

    pictures: the contact sheet above the tables.
    """

    model: str
    sources: str
    summary: str
    warnings: tuple[str, ...]
    tiles: tuple[Tile, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]
    images: tuple[FigureGroup, ...]
    facts: Table
    pictures: tuple[Picture, ...] = ()


def render(about: About, results: Results, shown: Sequence[Shown]) -> str:
    """Return the report as one page of HTML that loads nothing from anywhere."""
    together, model = results.together, about.model
    page = Page(
        model=model['name'],
        sources=', '.join(summary.name for summary in together.summaries),
        summary=(
            f'{len(together.frames)} frames, scales {model["scales"]}, input '
            f'{model["input_size"]}, {model["precision"]} by {model["backend"]} on '
            f'{model["device"]}, {about.method}'
        ),
        warnings=tuple(_warnings(together)),
        tiles=tuple(
            Tile(name, value)
            for name, value in (*_score_tiles(together), *_other_tiles(about, together))
        ),
        plots=tuple(_plots(about, together)),
        tables=tuple(_tables(about, results)),
        images=tuple(_images(shown)),
        facts=_facts(about, results),
    )
    return render_page(page)


def render_page(page: Page) -> str:
    """Return a page as HTML that loads nothing from anywhere."""
    return _template().render(page=page) + '\n'


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template('page.html.j2')


def _warnings(part: Part) -> Iterable[str]:
    """Yield what is odd about the sources, and the frames that could not be read."""
    for summary in part.summaries:
        for line in filter(None, (summary.truncated, *summary.notes)):
            yield f'{summary.name}: {line}'
    for one in part.skipped[:SHOWN_SKIPPED]:
        yield f'{one.source}, {one.name}: {one.why}'
    if len(part.skipped) > SHOWN_SKIPPED:
        yield f'{len(part.skipped) - SHOWN_SKIPPED} more frames could not be read'


# -- figures and plots ----------------------------------------------------------------------------


def _score_tiles(part: Part) -> Iterable[tuple[str, str]]:
    if part.scores is not None:
        matrix = part.scores.matrix
        road = matrix.drivable(part.label_set)
        yield 'mean IoU', cell(matrix.mean_iou())
        yield 'drivable IoU', cell(road.iou)
        yield 'drivable precision', cell(road.precision)
        yield 'drivable recall', cell(road.recall)
        yield 'pixel accuracy', cell(matrix.pixel_accuracy())
    if part.is_metric:
        scores = part.counts.metric.between(0.0, 20.0)
        yield 'free cells to 20 m, IoU', cell(scores.free_iou)
        if scores.vertices:
            yield 'boundary within 0.15 m to 20 m', f'{scores.boundary_within(0.15):.1%}'


def _other_tiles(about: About, part: Part) -> Iterable[tuple[str, str]]:
    found = part.flicker
    if found.still_pixels:
        yield 'flicker where the ground truth stays', f'{found.still:.2%}'
    elif found.all_pixels:
        yield 'flicker', f'{found.all:.2%}'
    calibration = part.reliability
    if calibration.pixels:
        yield 'calibration error (ECE)', cell(calibration.ece)
    if part.frames:
        spread = part.spreads[PROCESSING]
        yield 'processing time, p50', _ms(spread.p50)
        yield 'processing time, p99', _ms(spread.p99)
        over = part.over(about.budget_ms)
        yield f'of {spread.frames} frames over {about.budget_ms:g} ms', f'{over}'


def _ms(value: float) -> str:
    return f'{value:.0f} ms' if value >= 100 else f'{value:.1f} ms'


def _plots(about: About, part: Part) -> Iterable[Plot]:
    budget_ms = about.budget_ms
    for title, svg in (
        ('IoU of each class', plots.class_bars(part)),
        ('Confusion: rows are the ground truth, columns the predictions', plots.confusion(part)),
        ('IoU of the drivable area by distance, in the image', plots.distance_bars(part)),
        ('Error of the boundary by distance, 95th percentile', plots.boundary_bars(part)),
        ('Confidence calibration', plots.reliability_diagram(part)),
        ('Flicker', plots.flicker_line(part)),
        ('Processing time', plots.latency_histogram(part, budget_ms)),
        ('Processing time, frame by frame', plots.latency_line(part, budget_ms)),
        ('Median time of each stage, in ms', plots.stage_bars(part)),
    ):
        if svg:
            yield Plot(title, svg)


# -- tables ---------------------------------------------------------------------------------------


def _tables(about: About, results: Results) -> Iterable[Table]:
    together = results.together
    if together.scores is not None:
        yield _class_table(together)
    if len(results.parts) > 1:
        yield _part_table(about, results)
    if together.has_distances:
        yield _distance_table(together)
    if together.is_metric:
        yield _metric_table(together)
    rows = (
        Row((stage, *(f'{value:.2f}' for value in (one.p50, one.p95, one.p99, one.max))))
        for stage, one in together.spreads.items()
    )
    yield Table('Latency in ms', ('stage', 'p50', 'p95', 'p99', 'max'), tuple(rows))


def _class_table(part: Part) -> Table:
    assert part.scores is not None
    matrix, rows = part.scores.matrix, []
    for entry, scores in zip(part.label_set.classes, class_scores(part.scores), strict=True):
        pixels = int(matrix.counts[entry.id].sum() + matrix.unlabeled[entry.id])
        share = f'{pixels / matrix.pixels:.2%}' if matrix.pixels else '-'
        values = map(cell, (scores.iou, scores.precision, scores.recall))
        rows.append(Row((entry.name, *values, share), 'rgb({} {} {})'.format(*entry.color)))
    rows.append(Row(('drivable', *_drivable(matrix, part), '')))
    return Table('Classes', ('class', 'IoU', 'precision', 'recall', 'share'), tuple(rows))


def _drivable(matrix: ConfusionMatrix, part: Part) -> tuple[str, str, str]:
    scores = matrix.drivable(part.label_set)
    return cell(scores.iou), cell(scores.precision), cell(scores.recall)


def _part_table(about: About, results: Results) -> Table:
    """Return a row per bag: first those that are not evaluated, then the worst."""
    rows = []
    for part in sorted(results.parts, key=_badness):
        matrix, times = part.counts.matrix(), part.spreads.get(PROCESSING)
        rows.append(
            Row(
                (
                    part.name,
                    str(len(part.frames)),
                    cell(matrix.mean_iou()),
                    *_drivable(matrix, part),
                    cell(part.flicker.all),
                    f'{times.p50:.1f}' if times else '-',
                    f'{times.p99:.1f}' if times else '-',
                    str(part.over(about.budget_ms)),
                    '; '.join(one.truncated for one in part.summaries),
                )
            )
        )
    head = (
        'bag', 'frames', 'mean IoU', 'drivable IoU', 'precision', 'recall', 'flicker', 'p50 ms',
        'p99 ms', 'over budget', 'problem',
    )  # fmt: skip
    return Table('Each bag', head, tuple(rows), kind='sortable')


def _badness(part: Part) -> tuple[bool, float, float]:
    """Return by what bags are ordered, the worst first."""
    mean_iou, flicker_share = part.counts.matrix().mean_iou(), part.flicker.all
    return (
        bool(part.frames),
        2.0 if math.isnan(mean_iou) else mean_iou,
        0.0 if math.isnan(flicker_share) else -flicker_share,
    )


def _distance_table(part: Part) -> Table:
    rows = []
    for band, name in enumerate(BANDS):
        if not part.counts.pixels[band].any():
            continue
        matrix = part.counts.matrix(band)
        changed = flicker(part.counts.flicker[band])
        ece = reliability(part.counts.calibration[band]).ece
        values = map(cell, (matrix.mean_iou(), changed.still, changed.all, ece))
        rows.append(Row((str(name), *_drivable(matrix, part), *values)))
    head = (
        'ground at', 'drivable IoU', 'precision', 'recall', 'mean IoU',
        'flicker, ground truth unchanged', 'flicker', 'ECE',
    )  # fmt: skip
    return Table('In the image, by distance', head, tuple(rows))


def _metric_table(part: Part) -> Table:
    rows = []
    for band in BANDS:
        scores = part.counts.metric.between(*band)
        if math.isnan(scores.free_iou) and not scores.vertices and not scores.occluded:
            continue
        errors_m = (scores.boundary_error_m(percent) for percent in (50, 95))
        rows.append(
            Row(
                (
                    str(band),
                    cell(scores.free_iou),
                    f'{scores.occluded_free} of {scores.occluded}',
                    cell(scores.obstacle_recall),
                    cell(scores.obstacle_precision),
                    *('-' if math.isnan(error) else f'{error:.2f} m' for error in errors_m),
                )
            )
        )
    head = (
        'distance', 'free-space IoU', 'occluded cells marked free', 'obstacle recall',
        'obstacle precision', 'boundary error p50', 'p95',
    )  # fmt: skip
    return Table('In metres', head, tuple(rows))


# -- images and facts -----------------------------------------------------------------------------


def _images(shown: Sequence[Shown]) -> Iterable[FigureGroup]:
    for kind, title in ((WORST, 'Worst frames'), (MEDIAN, 'Frames around the median')):
        figures = tuple(_figure(one) for one in shown if one.kind == kind)
        if figures:
            yield FigureGroup(title, figures)


def _figure(shown: Shown) -> Figure:
    frame = shown.frame
    beside = 'ground truth' if frame.score else 'camera image'
    words = [f'{frame.source}, {frame.name}']
    if frame.score:
        words.append(f'mean IoU {cell(frame.mean_iou)}')
    if not math.isnan(frame.flicker):
        words.append(f'flicker {frame.flicker:.2%}')
    words.append(f'prediction and {beside}')
    prediction, other = (
        base64.b64encode(jpeg).decode('ascii') for jpeg in (shown.found, shown.ground_truth)
    )
    return Figure(prediction, other, beside, '; '.join(words))


def _facts(about: About, results: Results) -> Table:
    run = asdict(about.speed)
    seconds = run.pop('seconds')
    rows = [
        *about.model.items(),
        ('method', about.method),
        ('compared in', about.comparison.label_set.name),
        *(('labels', note) for note in about.comparison.notes),
        *((f'given: {name}', value) for name, value in about.given.items() if name != 'sources'),
        *((f'run: {name}', value) for name, value in run.items()),
        ('run: seconds', f'{seconds:.1f}'),
        *((f'version: {name}', value) for name, value in about.versions.items()),
    ]
    for summary in results.together.summaries:
        rows.append((f'{summary.name}: files', ', '.join(summary.files)))
        rows.append((f'{summary.name}: sha256', summary.sha256))
        rows.append((f'{summary.name}: frames', f'{summary.taken} of {summary.frames}'))
        rows += [
            (
                f'{summary.name}: {source.source}',
                f'{source.paired} of {source.ground_truths} paired, {source.exact} by equal stamp',
            )
            for source in summary.pairing
        ]
    settings = ' '.join(f'{name}={value}' for name, value in about.config.items())
    rows.append(('settings', settings))
    cells = tuple(Row((name, str(value))) for name, value in rows if value is not None)
    return Table('What was run', (), cells, 'facts')
