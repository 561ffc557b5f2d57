# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is written for every frame: label ids of Cityscapes, a video."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import make_folder
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.labels import to_label_ids
from mfaranet_ros.evaluation.report.contact_sheet import Pixels
from mfaranet_ros.evaluation.report.frame_images import overlay
from mfaranet_ros.evaluation.report.video import VideoWriter, write_image
from mfaranet_ros.evaluation.runs.parts import flicker_share
from mfaranet_ros.evaluation.runs.score import Outcome
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style

VIDEO_RATE_HZ = 10.0
VIDEO_WIDTH_PX = 1280
BAR_PX = 36
ADVICE = 'give another DIR'


@dataclass(frozen=True)
class MakeSubmission:
    """Makes what writes the labels of each image below a folder."""

    folder: Path

    def __call__(self, name: str, pipeline: FrameProcessor) -> Submission:
        """Return the sink of one source."""
        return Submission(self.folder)


def make_submission(folder: Path, label_set: LabelSet) -> MakeSubmission:
    """Return it after the folder was made; raises ConfigError or OutputError."""
    if label_set.name != 'cityscapes':
        raise ConfigError(
            f'--submission is for cityscapes, but the weights know {label_set.name}: leave it out '
            'or give weights trained on cityscapes'
        )
    make_folder(folder, advice=ADVICE)
    return MakeSubmission(folder)


class Submission:
    """Writes label ids of Cityscapes, an image for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids = to_label_ids()

    def take(self, outcome: Outcome) -> None:
        """Write the labels of one image; raises OutputError."""
        path = self._folder / f'{outcome.sample.file or outcome.record.name}.png'
        make_folder(path.parent, advice=ADVICE)
        write_image(path, self._ids[outcome.result.labels])

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class MakeVideo:
    """Makes the annotated video of a bag or folder in a folder."""

    folder: Path

    def __call__(self, name: str, pipeline: FrameProcessor) -> Video:
        """Return the sink of one source."""
        config = pipeline.config.output
        style = Style(pipeline.label_set, None, config.palette, config.overlay_alpha)
        return Video(self.folder / f'{name.strip("/").replace("/", "_")}.mp4', style)


class Video:
    """Writes every frame under its labels, with its name and figures above it."""

    def __init__(self, path: Path, style: Style) -> None:
        self._writer = VideoWriter(path, VIDEO_RATE_HZ)
        self._style = style

    def take(self, outcome: Outcome) -> None:
        """Append a frame; raises OutputError."""
        self._writer.write(annotate(outcome, self._style))

    def close(self) -> None:
        """Finish the file; raises OutputError where not all frames are there."""
        self._writer.close()


def annotate(outcome: Outcome, style: Style) -> Pixels:
    """Return a frame under its labels with a line of figures above it, BGR, of even size."""
    image = cv2.cvtColor(overlay(outcome.result, style), cv2.COLOR_RGB2BGR)
    scale = min(1.0, VIDEO_WIDTH_PX / image.shape[1])
    width, height = (2 * max(1, round(side * scale / 2)) for side in image.shape[1::-1])
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    bar = np.full((BAR_PX, width, 3), 30, np.uint8)
    cv2.putText(
        bar, _figures(outcome), (10, BAR_PX - 12), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (235,) * 3, 1,
        cv2.LINE_AA,
    )  # fmt: skip
    return np.vstack((bar, image))


def _figures(outcome: Outcome) -> str:
    record = outcome.record
    parts = [record.name, f'{record.times.processing_ms:.0f} ms']
    if record.ground_truth:
        mean_iou = record.counts.matrix().mean_iou()
        parts += [] if math.isnan(mean_iou) else [f'mean IoU {mean_iou:.3f}']
    share = flicker_share(record)
    return '   '.join([*parts, *([] if math.isnan(share) else [f'flicker {share:.1%}'])])
