# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ways of running a network, against a plain second implementation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.evaluation.runs.method import METHODS, Method
from mfaranet_ros.evaluation.runs.runner import Runner, cut

SIZE = (75, 118)


@pytest.fixture
def frame():
    smooth = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(3))
    image = F.interpolate(smooth, SIZE, mode='bicubic').clamp(0, 1)[0] * 255
    return Frame(image.permute(1, 2, 0).to(torch.uint8).numpy(), 'rgb8', 0, 'camera')


def starts(length, window, stride):
    """List where the parts of one axis begin, step by step."""
    found = [0]
    while found[-1] + window < length:
        found.append(min(found[-1] + stride, length - window))
    return found


def reference(backend, frame, method):
    """Label a frame as the authors describe it, each step on its own and at full size."""
    image = torch.from_numpy(frame.pixels).permute(2, 0, 1)[None] / 255
    total = 0
    for scale in method.test_time_scales:
        size = [round(side * scale) for side in SIZE]
        scaled = image
        if scale != 1:
            scaled = F.interpolate(image, size, mode='bilinear', antialias=True)
        window = [min(pair) for pair in zip(method.window or size, size, strict=True)]
        stride = [int(side * method.step) for side in window]
        scores, times = torch.zeros(1, 11, *size), torch.zeros(1, 1, *size)
        for top in starts(size[0], window[0], stride[0]):
            for left in starts(size[1], window[1], stride[1]):
                place = np.s_[:, :, top : top + window[0], left : left + window[1]]
                scores[place] += full_logits(backend, scaled[place], method.flip).exp()
                times[place] += 1
        total = total + F.interpolate(scores / times, SIZE, mode='bilinear')
    return total.argmax(1)[0].numpy()


def full_logits(backend, part, flip):
    size = part.shape[2:]
    logits = F.interpolate(backend(part), size, mode='bilinear', align_corners=True)
    if not flip:
        return logits
    mirrored = F.interpolate(backend(part.flip(3)), size, mode='bilinear', align_corners=True)
    return (logits + mirrored.flip(3)) / 2


CASES = {
    'windows': Method((32, 48)),
    'overlapping windows': Method((32, 48), 2 / 3),
    'window of the image': Method(SIZE),
    'window larger than the image': Method((1000, 1000)),
    'flip': Method(flip=True),
    'windows and flip': Method((40, 40), 0.5, flip=True),
    'test_time_scales': Method(test_time_scales=(0.5, 1.0, 1.5)),
    'all': Method((40, 64), 2 / 3, (0.5, 1.0, 1.75), flip=True),
}


@pytest.mark.parametrize('method', CASES.values(), ids=CASES)
def test_labels_are_those_of_the_reference(make_pipeline, frame, method):
    pipeline = make_pipeline()
    labels = Runner(pipeline, method)(frame)
    expected = reference(pipeline.backend, frame, method)
    assert labels.shape == SIZE
    assert labels.dtype == np.uint8
    assert len(np.unique(labels)) > 3
    assert (labels == expected).mean() > 0.999  # a tie may fall otherwise


@pytest.mark.parametrize(
    'method', [Method((32, 48)), Method(flip=True), Method(test_time_scales=(0.5,))]
)
def test_methods_differ_from_the_whole(make_pipeline, frame, method):
    """The reference comparison could not tell them apart otherwise."""
    pipeline = make_pipeline()
    assert (Runner(pipeline, method)(frame) != pipeline(frame).labels).mean() > 0.01


def test_one_window_around_all_is_the_whole(make_pipeline, frame):
    pipeline = make_pipeline()
    labels = Runner(pipeline, Method((1024, 1024)))(frame)
    assert (labels == pipeline(frame).labels).mean() > 0.999


def test_the_network_gets_parts_of_the_window(make_pipeline, frame):
    pipeline = make_pipeline()
    Runner(pipeline, Method((32, 48), test_time_scales=(1.0, 0.25)))(frame)
    assert pipeline.backend.sizes == [*[(32, 48)] * 9, (19, 30)]


@pytest.mark.parametrize('method', CASES.values(), ids=CASES)
def test_a_resized_input_still_labels_the_whole_image(make_pipeline, frame, method):
    config = replace(PipelineConfig(), {'input.height': 64, 'input.width': 128})  # padded
    pipeline = make_pipeline(config)
    labels = Runner(pipeline, method)(frame)
    assert labels.shape == SIZE
    if method.test_time_scales == (1.0,) and method.window in (SIZE, (1000, 1000)):
        content = pipeline.preprocess.geometry(*SIZE).content
        assert pipeline.backend.sizes == [content]


def test_huge_logits_do_not_overflow(make_pipeline, frame):
    pipeline = make_pipeline()
    pipeline.backend.weight *= 1e4
    labels = Runner(pipeline, Method((32, 48), 0.5))(frame)
    assert len(np.unique(labels)) > 3


def test_a_failing_network_is_said(make_pipeline, frame):
    pipeline = make_pipeline(error=InferenceError('out of memory'))
    for method in (Method(), Method((32, 48))):
        with pytest.raises(InferenceError, match='out of memory'):
            Runner(pipeline, method)(frame)


# -- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('size', [(1, 1), (31, 100), (64, 64), (65, 130), (200, 33)])
@pytest.mark.parametrize('window', [(64, 64), (1, 50), (300, 300)])
@pytest.mark.parametrize('step', [1.0, 2 / 3, 0.1])
def test_parts_cover_all_and_are_of_one_size(size, window, step):
    times = np.zeros(size, int)
    for part in cut(size, window, step):
        times[part] += 1
        assert times[part].shape == (min(size[0], window[0]), min(size[1], window[1]))
    assert times.min() == 1 or step < 1
    assert times.min() >= 1


@pytest.mark.parametrize(
    ('size', 'step', 'count'),
    [
        ((1024, 2048), 1.0, 2),
        ((1024, 2048), 2 / 3, 3),
        ((1792, 3584), 2 / 3, 3 * 5),
        ((512, 1024), 2 / 3, 1),
    ],
)
def test_parts_of_the_paper(size, step, count):
    assert len(list(cut(size, (1024, 1024), step))) == count


def test_the_paper_measured_in_four_ways():
    assert set(METHODS) == {'whole', 'window', 'window-flip', 'multi-scale'}
    assert METHODS['multi-scale'].test_time_scales == tuple(np.arange(0.5, 1.76, 0.25))
    assert METHODS['window'].step == 1
    assert str(METHODS['multi-scale']) == (
        'windows of 1024x1024 px, step 0.67, test-time scales 0.5, 0.75, 1, 1.25, 1.5, 1.75, flip'
    )


@pytest.mark.parametrize(
    ('fields', 'said'),
    [
        ({'window': (0, 5)}, 'window'),
        ({'step': 0.0}, 'step 0.0'),
        ({'step': 1.1}, 'step 1.1'),
        ({'test_time_scales': ()}, 'test-time scales'),
        ({'test_time_scales': (1.0, -1.0)}, 'test-time scales'),
        ({'test_time_scales': (9.0,)}, 'up to 8'),
        ({'test_time_scales': (float('nan'),)}, 'test-time scales'),
    ],
)
def test_a_method_out_of_range_is_refused(fields, said):
    with pytest.raises(ConfigError, match=said):
        Method(**fields)
