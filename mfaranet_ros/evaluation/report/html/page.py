# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Puts the report together: figures first, then plots, tables, images, and what ran on what."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.describe import band_names
from mfaranet_ros.evaluation.metrics.measures import flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS_M
from mfaranet_ros.evaluation.report.frame_images import MEDIAN, WORST, Shown
from mfaranet_ros.evaluation.report.html import plots
from mfaranet_ros.evaluation.report.html.look import STYLE
from mfaranet_ros.evaluation.report.report import cell, class_scores
from mfaranet_ros.evaluation.report.report_file import About
from mfaranet_ros.evaluation.runs.parts import Part, Results
from mfaranet_ros.monitoring.monitor import PROCESSING

SHOWN_SKIPPED = 5
"""So many of the frames that could not be read are named."""

Row = Sequence[str]


def render(about: About, results: Results, shown: Sequence[Shown]) -> str:
    """Return the report as one page of HTML that loads nothing from anywhere."""
    together = results.together
    body = ''.join(
        (
            _head(about, together),
            _warnings(results),
            _tiles(about, together),
            _plots(about, together),
            _tables(about, results),
            _images(shown),
            _facts(about, results),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(about.model["name"])}: evaluation</title><style>{STYLE}</style></head>'
        f'<body><main>{body}</main></body></html>\n'
    )


def _head(about: About, part: Part) -> str:
    model = about.model
    names = ', '.join(account.name for account in part.accounts)
    return (
        f'<h1>{escape(model["name"])} on {escape(names)}</h1>'
        f'<p class="faint">{len(part.frames)} frames, scales {escape(model["scales"])}, input '
        f'{escape(model["input_size"])}, {escape(model["precision"])} by '
        f'{escape(model["backend"])} on {escape(model["device"])}, {escape(str(about.method))}</p>'
    )


def _warnings(results: Results) -> str:
    """What is odd about the sources, and the frames that could not be read."""
    together = results.together
    lines = [
        f'{account.name}: {line}'
        for account in together.accounts
        for line in filter(None, (account.truncated, *account.notes))
    ]
    skipped = together.skipped
    lines += [f'{one.source}, {one.name}: {one.why}' for one in skipped[:SHOWN_SKIPPED]]
    if len(skipped) > SHOWN_SKIPPED:
        lines.append(f'{len(skipped) - SHOWN_SKIPPED} more frames could not be read')
    items = ''.join(f'<li>{escape(line)}</li>' for line in lines)
    return f'<div class="warn"><ul>{items}</ul></div>' if lines else ''


# -- figures ----------------------------------------------------------------------------------


def _tiles(about: About, part: Part) -> str:
    tiles = [*_score_tiles(part), *_other_tiles(about, part)]
    cells = (
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in tiles
    )
    return f'<h2>Figures</h2><div class="tiles">{"".join(cells)}</div>'


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
    believed = part.reliability
    if believed.pixels:
        yield 'calibration error (ECE)', cell(believed.ece)
    if part.frames:
        spread = part.spreads[PROCESSING]
        yield 'processing time, p50', _ms(spread.p50)
        yield 'processing time, p99', _ms(spread.p99)
        over = part.over(about.budget_ms)
        yield f'of {spread.frames} frames over {about.budget_ms:g} ms', f'{over}'


def _ms(value: float) -> str:
    return f'{value:.0f} ms' if value >= 100 else f'{value:.1f} ms'


# -- plots ------------------------------------------------------------------------------------


def _plots(about: About, part: Part) -> str:
    budget_ms = about.budget_ms
    cards = (
        ('IoU of each class', plots.class_bars(part)),
        ('Confusion: rows are the ground truth, columns the labels', plots.confusion(part)),
        ('IoU of the drivable area by distance, in the image', plots.distance_bars(part)),
        ('Error of the boundary by distance, 95 % are within', plots.boundary_bars(part)),
        ('Confidence calibration', plots.reliability_diagram(part)),
        ('Flicker', plots.flicker_line(part)),
        ('Processing time', plots.latency_histogram(part, budget_ms)),
        ('Processing time, frame by frame', plots.latency_line(part, budget_ms)),
        ('Median time of each stage, in ms', plots.stage_bars(part)),
    )
    drawn = (
        f'<div class="card"><h3>{escape(title)}</h3>{plot}</div>' for title, plot in cards if plot
    )
    return f'<h2>Plots</h2><div class="cards">{"".join(drawn)}</div>'


# -- tables -----------------------------------------------------------------------------------


def _tables(about: About, results: Results) -> str:
    together = results.together
    tables = [_class_table(together)]
    if len(results.parts) > 1:
        tables.append(_part_table(about, results))
    tables += [_distance_table(together), _metric_table(together), _latency_table(together)]
    return ''.join(tables)


def _class_table(part: Part) -> str:
    if part.scores is None:
        return ''
    matrix = part.scores.matrix
    rows = []
    for entry, scores in zip(part.label_set.classes, class_scores(part.scores), strict=True):
        pixels = int(matrix.counts[entry.id].sum() + matrix.unlabeled[entry.id])
        share = f'{pixels / matrix.pixels:.2%}' if matrix.pixels else '-'
        red, green, blue = entry.color
        swatch = f'<i class="swatch" style="background:rgb({red} {green} {blue})"></i>'
        cells = map(cell, (scores.iou, scores.precision, scores.recall))
        rows.append((swatch + escape(entry.name), *cells, share))
    rows.append(('<b>drivable</b>', *_binary(matrix, part.label_set), ''))
    return _table('Classes', ('class', 'IoU', 'precision', 'recall', 'share'), rows)


def _binary(matrix: ConfusionMatrix, label_set: LabelSet) -> Row:
    scores = matrix.drivable(label_set)
    return cell(scores.iou), cell(scores.precision), cell(scores.recall)


def _part_table(about: About, results: Results) -> str:
    rows = []
    for part in results.parts:
        matrix = part.counts.matrix()
        times = part.spreads.get(PROCESSING)
        rows.append(
            (
                escape(part.name),
                str(len(part.frames)),
                cell(matrix.mean_iou()),
                *_binary(matrix, part.label_set),
                cell(part.flicker.all),
                f'{times.p50:.1f}' if times else '-',
                f'{times.p99:.1f}' if times else '-',
                str(part.over(about.budget_ms)),
            )
        )
    head = (
        'bag', 'frames', 'mean IoU', 'drivable IoU', 'precision', 'recall', 'flicker', 'p50 ms',
        'p99 ms', 'over budget',
    )  # fmt: skip
    return _table('Each bag', head, rows)


def _distance_table(part: Part) -> str:
    if not part.has_distances:
        return ''
    rows = []
    for band, name in enumerate(band_names()):
        matrix = part.counts.matrix(band)
        changed = flicker(part.counts.flicker[band])
        ece = reliability(part.counts.calibration[band]).ece
        scores = (*_binary(matrix, part.label_set), cell(matrix.mean_iou()))
        if part.counts.pixels[band].any():
            rows.append((name, *scores, cell(changed.still), cell(changed.all), cell(ece)))
    head = (
        'ground at', 'drivable IoU', 'precision', 'recall', 'mean IoU', 'ground truth stays, '
        'flicker',
        'flicker', 'ECE',
    )  # fmt: skip
    return _table('In the image, by distance', head, rows)


def _metric_table(part: Part) -> str:
    if not part.is_metric:
        return ''
    rows = []
    edges = (0.0, *BANDS_M)
    for name, low, high in zip(band_names(), edges[:-1], edges[1:], strict=True):
        scores = part.counts.metric.between(low, high)
        if math.isnan(scores.free_iou) and not scores.vertices and not scores.occluded:
            continue
        p50, p95 = (scores.boundary_error_m(percent) for percent in (50, 95))
        rows.append(
            (
                name,
                cell(scores.free_iou),
                f'{scores.occluded_free} of {scores.occluded}',
                cell(scores.obstacle_recall),
                cell(scores.obstacle_precision),
                '-' if math.isnan(p50) else f'{p50:.2f} m',
                '-' if math.isnan(p95) else f'{p95:.2f} m',
            )
        )
    head = (
        'distance', 'free IoU', 'occluded marked free', 'obstacle recall', 'obstacle precision',
        'boundary p50', 'p95',
    )  # fmt: skip
    return _table('In metres', head, rows)


def _latency_table(part: Part) -> str:
    rows = [
        (escape(stage), *(f'{value:.2f}' for value in (one.p50, one.p95, one.p99, one.max)))
        for stage, one in part.spreads.items()
    ]
    return _table('Latency in ms', ('stage', 'p50', 'p95', 'p99', 'max'), rows)


def _table(title: str, head: Row, rows: Iterable[Row], kind: str = '') -> str:
    """Return a table; the cells of rows are HTML."""
    top = ''.join(f'<th>{escape(name)}</th>' for name in head)
    top = f'<thead><tr>{top}</tr></thead>' if head else ''
    cells = ''.join(f'<tr>{"".join(f"<td>{one}</td>" for one in row)}</tr>' for row in rows)
    return (
        f'<h2>{escape(title)}</h2><div class="wide"><table class="{kind}">{top}'
        f'<tbody>{cells}</tbody></table></div>'
    )


# -- images ---------------------------------------------------------------------------------


def _images(shown: Sequence[Shown]) -> str:
    parts = []
    for kind, title in ((WORST, 'The worst frames'), (MEDIAN, 'Frames around the median')):
        figures = ''.join(_figure(one) for one in shown if one.kind == kind)
        if figures:
            parts.append(f'<h2>{title}</h2><div class="pairs">{figures}</div>')
    return ''.join(parts)


def _figure(shown: Shown) -> str:
    frame = shown.frame
    words = [f'{frame.source}, {frame.name}']
    if frame.score:
        words.append(f'mean IoU {cell(frame.mean_iou)}')
    if not math.isnan(frame.flicker):
        words.append(f'flicker {frame.flicker:.2%}')
    words.append(
        'first what was found, then ' + ('the ground truth' if frame.score else 'the bare image')
    )
    return (
        f'<figure><div>{_image(shown.found, "what was found")}'
        f'{_image(shown.ground_truth, "ground_truth" if frame.score else "image")}</div>'
        f'<figcaption>{escape("; ".join(words))}</figcaption></figure>'
    )


def _image(jpeg: bytes, says: str) -> str:
    data = base64.b64encode(jpeg).decode('ascii')
    return f'<img alt="{escape(says)}" src="data:image/jpeg;base64,{data}">'


# -- what ran on what -------------------------------------------------------------------------


def _facts(about: About, results: Results) -> str:
    rows = [
        *((name, value) for name, value in about.model.items()),
        ('method', str(about.method)),
        *((f'given: {name}', value) for name, value in about.given.items() if name != 'sources'),
        *((f'run: {name}', value) for name, value in about.run.items()),
        ('run: seconds', f'{about.seconds:.1f}'),
        *((f'version: {name}', value) for name, value in about.versions.items()),
    ]
    for account in results.together.accounts:
        rows.append((f'{account.name}: files', ', '.join(account.files)))
        rows.append((f'{account.name}: sha256', account.sha256))
        rows.append((f'{account.name}: frames', f'{account.frames}, taken {account.taken}'))
        for source in account.pairing:
            paired = (
                f'{source.paired} of {source.ground_truths} paired, {source.exact} by exact stamp'
            )
            rows.append((f'{account.name}: {source.source}', paired))
    settings = ' '.join(f'{name}={value}' for name, value in about.config.items())
    rows.append(('settings', settings))
    cells = [(escape(name), escape(str(value))) for name, value in rows if value is not None]
    return _table('What ran on what', (), cells, 'facts')
