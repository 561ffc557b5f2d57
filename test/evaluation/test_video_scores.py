# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A bag of video is scored as its decoded twin is."""

import numpy as np
import pytest
from fixtures.video import (
    ENCODERS,
    SIZE,
    TOPIC,
    decode_plainly,
    encode_stream,
    scene_images,
    stamp,
    write_image_bag,
    write_video_bag,
)

from mfaranet_ros import Segmenter, evaluate, open_recording

COUNT = 6


@pytest.mark.parametrize('codec', ENCODERS)
def test_labels_are_those_of_the_decoded_twin(codec, tmp_path):
    stream = encode_stream(codec, scene_images(COUNT), bframes=0 if codec == 'av1' else 2)
    labels = [(stamp(n), np.full(SIZE, n, np.uint8)) for n in range(COUNT)]
    video = write_video_bag(tmp_path / 'video', stream, 'ffmpeg', ground_truth=labels)
    raw = write_image_bag(tmp_path / 'raw', decode_plainly(stream))
    with Segmenter('eseg_lite_s', runtime_device='cpu') as segmenter:
        masks = []
        for path, topic in ((video, TOPIC), (raw, '')):
            with open_recording(path, image_topic=topic) as recording:
                masks.append({f.stamp_ns: segmenter(f.frame).labels for f in recording})
    assert masks[0].keys() == masks[1].keys()
    for stamp_ns, mask in masks[0].items():
        np.testing.assert_array_equal(mask, masks[1][stamp_ns])
    scored = evaluate(
        'eseg_lite_s', bags=[video], ground_truth_topic='/truth/labels', runtime_device='cpu'
    )
    assert scored.frames == COUNT
    assert scored.confusion.sum() == COUNT * SIZE[0] * SIZE[1]
