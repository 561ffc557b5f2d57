# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Makes the image of the README: a frame of the scene, its segmentation, and the ground.

    ./dev run python docs/make_image.py

Above: the frame, the colour mask and the overlay. Below: the grid with its boundary, as the node
publishes it, and its ground truth. Everything but the ground truth comes from the pipeline of the
node.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.benchmark.ground import extent_of, project_ground
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.frame import Frame, GroundGrid, Output
from mfaranet_ros.geometry.ground_source import FixedGround
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.drivable import BLOCKED, FREE
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

OUTPUT = Path(__file__).resolve().parent / 'scene.jpg'
JPEG_QUALITY = 88

SEED, INDEX = 0, 150
WANTED = (Output.GRID, Output.BOUNDARY)

SETTINGS = {'runtime.device': 'cpu', 'runtime.precision': 'float32'}

CAPTION_PX, GAP_PX = 26, 6
PAPER, INK = (250, 250, 250), (40, 40, 40)
CELL_COLORS = {FREE: (96, 174, 39), BLOCKED: (43, 57, 192)}
UNSEEN_COLOR, LINE_COLOR, RULE_COLOR = (92, 86, 82), (255, 255, 255), (140, 134, 130)

Image = NDArray[np.uint8]
"""uint8 (H, W, 3), blue green red."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default='', help='weights file of --model; default: shipped')
    parser.add_argument('--model', default='mfaranet_resnet18', help='default: %(default)s')
    parser.add_argument('--labels', default='', help='label set, for a published .pth')
    parser.add_argument(
        '--seed', type=int, default=SEED, help='of the scene; default: %(default)s'
    )
    parser.add_argument('--frame', type=int, default=INDEX, help='default: %(default)s')
    parser.add_argument('--output', type=Path, default=OUTPUT, help='default: %(default)s')
    args = parser.parse_args()
    given = {'model.name': args.model, 'model.weights': args.weights, 'model.labels': args.labels}
    try:
        config = replace(PipelineConfig(), {**SETTINGS, **given})
        image = make_image(config, args.seed, args.frame)
    except MfaranetError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    if not cv2.imwrite(str(args.output), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        print(f'error: {args.output} cannot be written', file=sys.stderr)
        return 2
    height, width = image.shape[:2]
    print(f'{args.output}: {width}x{height} px, {args.output.stat().st_size / 1000:.0f} kB')
    return 0


def make_image(config: PipelineConfig, seed: int = SEED, index: int = INDEX) -> Image:
    """Segment one frame of the scene and return the panels."""
    scene = SyntheticScene(seed)
    ground = FixedGround(project_ground(scene.camera, config.ground))
    pipeline = build_processor(config, ground=ground)
    drawn = scene.frame(index)
    frame = Frame(drawn.rgb, 'rgb8', drawn.stamp_ns, 'camera')
    result = pipeline(frame, WANTED)
    ground_truth = MetricGroundTruthFinder(scene, extent_of(config.ground)).at(index)
    style = Style(pipeline.label_set)

    def pixels(image: encode.Image) -> Image:
        return image.data.reshape(drawn.rgb.shape)[..., ::-1]

    above = _beside(
        _captioned(drawn.rgb[..., ::-1], 'frame'),
        _captioned(pixels(encode.color_mask(result, style)), '~/color_mask'),
        _captioned(pixels(encode.overlay(result, style)), '~/overlay'),
    )
    outline_m = [(p.x, p.y) for p in encode.boundary(result, style).polygon.points]
    width_px = (above.shape[1] - GAP_PX) // 2
    below = _beside(
        _captioned(
            _draw_grid(result.drivable.grid, outline_m, width_px), '~/drivable/grid, boundary'
        ),
        _captioned(_draw_grid(ground_truth.grid, (), width_px), 'ground truth'),
    )
    return np.vstack([above, below])


def _draw_grid(
    grid: GroundGrid, outline_m: list[tuple[float, float]] | tuple[()], width: int
) -> Image:
    """Draw a grid seen from above, x to the right and y up, with a line every 10 metres."""
    colors = np.full((*grid.cells.shape, 3), UNSEEN_COLOR, np.uint8)
    for value, color in CELL_COLORS.items():
        colors[grid.cells == value] = color
    rows, columns = grid.cells.shape
    px_per_m = width / (columns * grid.resolution_m)
    height = round(rows * grid.resolution_m * px_per_m)
    ahead = np.ascontiguousarray(colors[::-1])
    image = cv2.resize(ahead, (width, height), interpolation=cv2.INTER_AREA)

    def place(x_m: float, y_m: float) -> tuple[int, int]:
        top_m = grid.y_min_m + rows * grid.resolution_m
        return round((x_m - grid.x_min_m) * px_per_m), round((top_m - y_m) * px_per_m)

    for x_m in range(10, int(columns * grid.resolution_m), 10):
        x, _ = place(x_m, 0)
        cv2.line(image, (x, 0), (x, height), RULE_COLOR, 1)
        _write(image, f'{x_m} m', (x + 4, height - 6), LINE_COLOR)
    if len(outline_m):
        vertices = np.array([place(x, y) for x, y in outline_m], np.int32)
        cv2.polylines(image, [vertices], True, LINE_COLOR, 1, cv2.LINE_AA)
    return np.asarray(image)


def _beside(*panels: Image) -> Image:
    gap = np.full((len(panels[0]), GAP_PX, 3), PAPER, np.uint8)
    return np.hstack([part for panel in panels for part in (gap, panel)][1:])


def _captioned(image: Image, caption: str) -> Image:
    strip = np.full((CAPTION_PX, image.shape[1], 3), PAPER, np.uint8)
    _write(strip, caption, (4, CAPTION_PX - 8), INK)
    return np.vstack([strip, image])


def _write(image: Image, text: str, at: tuple[int, int], color: tuple[int, int, int]) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)


if __name__ == '__main__':
    sys.exit(main())
