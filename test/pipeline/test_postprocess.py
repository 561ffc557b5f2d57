# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels and confidence against full-resolution logits, and against geometry one can compute."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.core.frame import Frame, Geometry
from mfaranet_ros.pipeline import postprocess as module
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess

SIZES = [(1, 1), (3, 9), (4, 4), (5, 8), (33, 47), (90, 121)]


def coarse(size) -> tuple[int, int]:
    return -(-size[0] // 4), -(-size[1] // 4)


def logits_for(size, classes=19, dtype=torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(size[0] * 1000 + size[1] + classes)
    return (torch.randn(1, classes, *coarse(size), generator=generator) * 4).to(dtype)


def same(size) -> Geometry:
    return Geometry(size, size, size)


def assert_best(labels, full):
    """The labels have the largest logit (C, H, W), but for rounding in the last bits."""
    chosen = np.take_along_axis(full, labels[None].astype(np.int64), axis=0)[0]
    assert np.all(full.max(axis=0) - chosen <= 1e-5 * np.abs(full).max())
    assert np.mean(labels != full.argmax(axis=0)) < 1e-3


def published(logits, size) -> np.ndarray:
    full = F.interpolate(logits.float(), size, mode='bilinear', align_corners=True)
    return full[0].numpy()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('classes', [1, 2, 11, 255])
@pytest.mark.parametrize('size', SIZES)
def test_an_unresized_frame_gets_the_labels_as_published(size, classes, dtype):
    logits = logits_for(size, classes, dtype)
    labels, confidence = postprocess(
        logits, same(size), resolution='camera', with_confidence=False
    )
    assert confidence is None
    assert labels.shape == size
    assert labels.dtype == np.uint8
    assert_best(labels, published(logits, size))


@pytest.mark.parametrize('classes', [1, 2, 19])
@pytest.mark.parametrize('size', SIZES)
def test_confidence_is_the_softmax_probability_of_the_label(size, classes):
    logits = logits_for(size, classes)
    labels, confidence = postprocess(logits, same(size), resolution='camera', with_confidence=True)
    without, _ = postprocess(logits, same(size), resolution='camera', with_confidence=False)
    np.testing.assert_array_equal(labels, without)
    probability = torch.from_numpy(published(logits, size)).double().softmax(dim=0).amax(dim=0)
    assert confidence.shape == size
    assert confidence.dtype == np.uint8
    np.testing.assert_allclose(confidence, probability.numpy() * 255, atol=0.501)


def test_of_equal_logits_the_lowest_class_wins():
    labels, confidence = postprocess(
        torch.zeros(1, 5, 3, 4), same((12, 16)), resolution='camera', with_confidence=True
    )
    assert not labels.any()
    assert np.all(confidence == 51)
    logits = torch.zeros(1, 5, 3, 4)
    logits[:, [1, 3]] = 7.0
    labels, _ = postprocess(logits, same((12, 16)), resolution='camera', with_confidence=False)
    assert np.all(labels == 1)


@pytest.mark.parametrize('values', [1, 500, 10**9])
@pytest.mark.parametrize('columns', [1, 7, 4096])
def test_bands_and_blocks_leave_no_trace(monkeypatch, values, columns):
    size = (61, 83)
    geometry = Geometry((45, 97), (58, 83), size)
    logits = logits_for(size)
    expected = postprocess(logits, geometry, resolution='camera', with_confidence=True)
    monkeypatch.setitem(module._BAND_VALUES, 'cpu', values)
    monkeypatch.setattr(module, '_COLUMNS', columns)
    result = postprocess(logits, geometry, resolution='camera', with_confidence=True)
    assert np.mean(result[0] != expected[0]) < 1e-3
    np.testing.assert_allclose(result[1].astype(int), expected[1], atol=1)


def test_the_logits_are_left_as_they_were():
    logits = logits_for((20, 20))
    before = logits.clone()
    postprocess(logits, same((20, 20)), resolution='camera', with_confidence=True)
    assert torch.equal(logits, before)


def test_network_resolution_is_the_input_without_its_padding():
    size = (64, 96)
    logits = logits_for(size)
    labels, _ = postprocess(
        logits,
        Geometry((400, 700), (50, 88), size),
        resolution='network',
        with_confidence=False,
    )
    assert labels.shape == (50, 88)
    assert_best(labels, published(logits, size)[:, :50, :88])


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize(
    ('camera', 'content', 'network'),
    [
        ((90, 120), (90, 120), (90, 120)),
        ((90, 120), (45, 60), (45, 60)),
        ((90, 120), (45, 60), (64, 61)),
        ((45, 60), (90, 120), (97, 120)),
        ((91, 121), (64, 85), (64, 128)),
    ],
)
def test_a_border_in_the_logits_stands_at_its_place_in_the_camera_image(
    axis, camera, content, network
):
    # Logits that grow linearly along an axis stay linear however often they are interpolated, so
    # the border can be computed: where the camera pixel's place in the network input exceeds it.
    border = content[axis] * 0.6
    positions = np.linspace(0, network[axis] - 1, coarse(network)[axis])
    ramp = np.broadcast_to(
        positions[:, None] if axis == 0 else positions[None], coarse(network)
    ).copy()
    logits = torch.from_numpy(np.stack([np.full_like(ramp, border), ramp]))[None].float()
    labels, _ = postprocess(
        logits, Geometry(camera, content, network), resolution='camera', with_confidence=False
    )
    place = (np.indices(camera)[axis] + 0.5) * content[axis] / camera[axis] - 0.5
    clear = np.abs(place - border) > 1e-3
    np.testing.assert_array_equal(labels[clear], (place > border)[clear])


@pytest.mark.parametrize('input_size', [(0, 0), (45, 0), (64, 128), (150, 200)])
@pytest.mark.parametrize('size', [(90, 121), (117, 80)])
def test_preprocess_and_postprocess_undo_each_other(size, input_size):
    # A "network" that calls what is bright class 1: the mask must show the bright box again.
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[30:70, 20:60] = 255
    preprocess = Preprocess((0.0,) * 3, (1.0,) * 3, input_size, torch.device('cpu'), torch.float32)
    tensor, geometry = preprocess(Frame(pixels, 'rgb8', 0, ''))
    small = F.interpolate(
        tensor[:, :1], coarse(geometry.input), mode='bilinear', align_corners=True
    )
    labels, _ = postprocess(
        torch.cat([torch.full_like(small, 0.5), small], dim=1),
        geometry,
        resolution='camera',
        with_confidence=False,
    )
    assert labels.shape == size
    rows, columns = np.nonzero(labels)
    reach = 4 * size[0] / geometry.content[0]  # one coarse pixel, in camera pixels
    for found, true in (
        (rows.min(), 30), (rows.max(), 69), (columns.min(), 20), (columns.max(), 59),
    ):  # fmt: skip
        assert abs(found - true) <= reach
    centre = rows.mean(), columns.mean()
    np.testing.assert_allclose(centre, (49.5, 39.5), atol=reach / 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('geometry', [same((90, 121)), Geometry((200, 190), (90, 86), (90, 121))])
def test_cuda_gives_what_the_cpu_gives(geometry):
    logits = logits_for(geometry.input)
    expected = postprocess(logits, geometry, resolution='camera', with_confidence=True)
    result = postprocess(logits.cuda(), geometry, resolution='camera', with_confidence=True)
    assert np.mean(result[0] != expected[0]) < 1e-3
    np.testing.assert_allclose(result[1].astype(int), expected[1], atol=1)
