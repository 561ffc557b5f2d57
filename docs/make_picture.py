"""Makes the picture of the README: a drawn frame, its overlay, its metric grid, side by side.

    ./dev run python docs/make_picture.py

The frame is the one of the self-test, drawn by rule, so the picture holds no one else's image.
Overlay and grid are what the node publishes for it: the same pipeline, the same encode functions.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.errors import MfaranetError
from mfaranet_ros.frame import Frame, Output, Segmentation
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.config import PipelineConfig, replace
from mfaranet_ros.pipeline.drivable import BLOCKED, FREE
from mfaranet_ros.pipeline.ground import CameraModel, GroundProjection, MountingPose
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline
from mfaranet_ros.pipeline.stored_frame import stored_frame

OUTPUT = Path(__file__).resolve().parent / 'segmentation.jpg'
JPEG_QUALITY = 88

FOCAL_PX, HORIZON_PX = 415.0, 165
"""Of the camera that could have taken the drawn street: 60 degrees wide, a little tilted."""

SETTINGS = {
    'runtime.device': 'cpu',
    'runtime.precision': 'float32',
    'ground.x_max': 30.0,
    'drivable.boundary_bearings': 90,
}

CAPTION_PX, GAP_PX = 26, 6
PAPER, INK = (250, 250, 250), (40, 40, 40)
CELL_COLORS = {FREE: (96, 174, 39), BLOCKED: (43, 57, 192)}
UNSEEN_COLOR, LINE_COLOR = (92, 86, 82), (255, 255, 255)

Picture = NDArray[np.uint8]
"""uint8 (H, W, 3), blue green red."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--weights', default='', help='weights file of --model; default: shipped')
    parser.add_argument('--model', default='mfaranet_resnet18', help='default: %(default)s')
    parser.add_argument('--labels', default='', help='label set, for a published .pth')
    parser.add_argument('--output', type=Path, default=OUTPUT, help='default: %(default)s')
    args = parser.parse_args()
    given = {'model.name': args.model, 'model.weights': args.weights, 'model.labels': args.labels}
    try:
        config = replace(PipelineConfig(), {**SETTINGS, **given})
        picture = make_picture(config)
    except MfaranetError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    if not cv2.imwrite(str(args.output), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        print(f'error: {args.output} cannot be written', file=sys.stderr)
        return 2
    height, width = picture.shape[:2]
    print(f'{args.output}: {width}x{height} px, {args.output.stat().st_size / 1000:.0f} kB')
    return 0


def make_picture(config: PipelineConfig) -> Picture:
    """Segment the drawn street and return the three panels."""
    frame, pipeline = stored_frame(), SegmentationPipeline(config)
    ground = _ground(frame, config)
    result = pipeline(frame, (Output.OVERLAY, Output.GRID, Output.BOUNDARY), ground)
    style = encode.Style(pipeline.label_set)
    overlay = encode.overlay(result, style)
    panels = (
        _captioned(frame.pixels, 'frame'),
        _captioned(overlay.data.reshape(frame.pixels.shape)[..., ::-1], '~/overlay'),
        _captioned(_draw_grid(result, style, frame.size[0]), '~/drivable/grid, boundary'),
    )
    gap = np.full((len(panels[0]), GAP_PX, 3), PAPER, np.uint8)
    return np.hstack([panels[0], gap, panels[1], gap, panels[2]])


def _ground(frame: Frame, config: PipelineConfig) -> GroundProjection:
    height, width = frame.size
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    camera = CameraModel(width, height, FOCAL_PX, FOCAL_PX, centre_x, centre_y)
    pitch = math.atan((centre_y - HORIZON_PX) / FOCAL_PX)
    pose = MountingPose.from_xyz_rpy(0.0, 0.0, config.ground.z, 0.0, pitch, 0.0)
    return GroundProjection(camera, pose, config.ground, frame.size)


def _draw_grid(result: Segmentation, style: encode.Style, height_px: int) -> Picture:
    """Draw the grid as one looks ahead: x up, y to the left, with a line every 10 metres."""
    grid = result.drivable.grid
    colors = np.full((*grid.cells.shape, 3), UNSEEN_COLOR, np.uint8)
    for value, color in CELL_COLORS.items():
        colors[grid.cells == value] = color
    rows, columns = grid.cells.shape
    px_per_m = height_px / (columns * grid.resolution_m)
    width_px = round(rows * grid.resolution_m * px_per_m)
    ahead = np.ascontiguousarray(colors.transpose(1, 0, 2)[::-1, ::-1])
    picture = cv2.resize(ahead, (width_px, height_px), interpolation=cv2.INTER_AREA)

    def place(x_m: float, y_m: float) -> tuple[int, int]:
        left_m = grid.y_min_m + rows * grid.resolution_m - y_m
        return round(left_m * px_per_m), round(height_px - (x_m - grid.x_min_m) * px_per_m)

    for x_m in range(10, int(columns * grid.resolution_m), 10):
        _, y = place(x_m, 0)
        cv2.line(picture, (0, y), (width_px, y), (140, 134, 130), 1)
        _write(picture, f'{x_m} m', (4, y - 4), LINE_COLOR)
    outline = encode.boundary(result, style).polygon.points
    vertices = np.array([place(point.x, point.y) for point in outline], np.int32)
    cv2.polylines(picture, [vertices], True, LINE_COLOR, 1, cv2.LINE_AA)
    return np.asarray(picture)


def _captioned(picture: Picture, caption: str) -> Picture:
    strip = np.full((CAPTION_PX, picture.shape[1], 3), PAPER, np.uint8)
    _write(strip, caption, (4, CAPTION_PX - 8), INK)
    return np.vstack([strip, picture])


def _write(picture: Picture, text: str, at: tuple[int, int], color: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)


if __name__ == '__main__':
    sys.exit(main())
