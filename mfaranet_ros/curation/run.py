# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One curation from start to end: score, choose, draw and export into a new folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.core.files import make_folder, write_file, write_text
from mfaranet_ros.curation.choose import choose
from mfaranet_ros.curation.exports import EXPORTS, Labelled, write_images
from mfaranet_ros.curation.page import render_curation
from mfaranet_ros.curation.picks import Curation, Pick, stem_of, write_curation
from mfaranet_ros.curation.scoring import VALUES, Scored, to_rgb, topic_for, worth
from mfaranet_ros.data.recordings import open_recording
from mfaranet_ros.evaluation.report.frame_images import overlay
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style

PICTURE_WIDTH_PX = 640
ADVICE = 'give another DIR'


@dataclass(frozen=True)
class Wanted:
    """How many frames are chosen, by which values, and for which tools they are exported."""

    count: int
    by: tuple[str, ...] = VALUES
    exports: tuple[str, ...] = ('plain',)
    image_topic: str = ''


def refuse_existing(out: Path) -> None:
    """Raise OutputError if a folder or file is there already."""
    if out.exists() or out.is_symlink():
        raise OutputError(f'{out} exists: nothing in it is replaced, {ADVICE}')


def curate(scored: Scored, processor: FrameProcessor, wanted: Wanted, out: Path) -> Curation:
    """Choose among scored frames and write pictures, exports, record and report into `out`.

    Raises ConfigError, OutputError, and SourceError if a recording has changed meanwhile.
    """
    refuse_existing(out)
    values = worth(scored.candidates, wanted.by)
    indices = choose(scored.candidates, values, wanted.count)
    if not indices:
        raise SourceError('no frame may be chosen: all are black, saturated or identical')
    stems = {
        index: stem_of(place, scored.candidates[index]) for place, index in enumerate(indices)
    }
    make_folder(out, advice=ADVICE)
    picks = _write_frames(scored, stems, processor, wanted, out)
    curation = Curation(processor.label_set, wanted.image_topic, picks)
    facts = {'features': scored.features, 'by': list(wanted.by), 'model': processor.network.name}
    write_curation(out, curation, facts, scored.candidates)
    page = render_curation(processor.network.name, scored, values.tolist(), stems)
    write_text(out / 'report.html', page)
    return curation


def _write_frames(
    scored: Scored,
    stems: dict[int, str],
    processor: FrameProcessor,
    wanted: Wanted,
    out: Path,
) -> tuple[Pick, ...]:
    """Write the images, pictures and exports of the chosen frames; return their record."""
    frames = _labelled(scored, stems, processor, wanted.image_topic, out)
    ordered = [frames[index] for index in stems]
    write_images(out / 'images', ordered)
    for name in wanted.exports:
        folder = out if name == 'plain' else out / name
        EXPORTS[name](folder, ordered, processor.label_set)
    picks = []
    for index, stem in stems.items():
        candidate = scored.candidates[index]
        height, width = frames[index].labels.shape
        picks.append(
            Pick(stem, candidate.path.resolve(), candidate.number, candidate.name, height, width)
        )
    return tuple(picks)


def _labelled(
    scored: Scored,
    stems: dict[int, str],
    processor: FrameProcessor,
    image_topic: str,
    out: Path,
) -> dict[int, Labelled]:
    """Run the network on the chosen frames once more, write their pictures, return the labels."""
    style = Style(processor.label_set, None, 'classes', 0.5)
    found: dict[int, Labelled] = {}
    for path in dict.fromkeys(scored.candidates[index].path for index in stems):
        here = {
            scored.candidates[index].number: index
            for index in stems
            if scored.candidates[index].path == path
        }
        with open_recording(path, image_topic=topic_for(path, image_topic)) as frames:
            for frame in frames:
                if frame.number in here:
                    index = here.pop(frame.number)
                    result = processor(frame.frame)
                    picture = out / 'pictures' / f'{stems[index]}.jpg'
                    write_file(picture, _jpeg(overlay(result, style)), parents=True)
                    found[index] = Labelled(stems[index], to_rgb(frame, processor), result.labels)
                if not here:
                    break
        if here:
            raise SourceError(f'{path} no longer has its frame {min(here)}: curate again')
    return found


def _jpeg(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    height, width = rgb.shape[:2]
    size = PICTURE_WIDTH_PX, max(1, round(height * PICTURE_WIDTH_PX / width))
    small = cv2.resize(rgb[:, :, ::-1], size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode('.jpg', small)[1])
