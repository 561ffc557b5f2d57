# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network input against arithmetic written out in numpy, for every encoding and size."""

import numpy as np
import pytest
import torch

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import CHANNELS, Frame, Geometry
from mfaranet_ros.pipeline.preprocess import Preprocess

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device('cpu')
RGB_AT = {'rgb8': [0, 1, 2], 'bgr8': [2, 1, 0], 'rgba8': [0, 1, 2], 'bgra8': [2, 1, 0]}


def preprocess_for(input_size=(0, 0), dtype=torch.float32) -> Preprocess:
    return Preprocess(MEAN, STD, input_size, CPU, dtype)


def frame_of(pixels, encoding='rgb8') -> Frame:
    return Frame(pixels, encoding, 1, 'camera')


def random_pixels(height, width, channels=3) -> np.ndarray:
    random = np.random.default_rng(height * width)
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8)


def normalised(rgb) -> np.ndarray:
    """(H, W, 3) of 0..255 -> (1, 3, H, W), in float64."""
    return ((np.asarray(rgb, np.float64) / 255 - MEAN) / STD).transpose(2, 0, 1)[None]


@pytest.mark.parametrize('size', [(1, 1), (4, 6), (7, 5), (33, 64)])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_every_encoding_becomes_the_same_normalised_rgb(encoding, size):
    pixels = random_pixels(*size, CHANNELS[encoding])
    rgb = pixels[..., RGB_AT[encoding]] if encoding in RGB_AT else pixels.repeat(3, axis=2)
    tensor, geometry = preprocess_for()(frame_of(pixels, encoding))
    assert tensor.shape == (1, 3, *size)
    assert geometry == Geometry(size, size, size)
    np.testing.assert_allclose(tensor.numpy(), normalised(rgb), atol=2e-6)


def padded_rows(pixels):
    wide = np.full((len(pixels), pixels[0].size + 5), 99, np.uint8)
    wide[:, : pixels[0].size] = pixels.reshape(len(pixels), -1)
    view = wide[:, : pixels[0].size]
    return np.lib.stride_tricks.as_strided(
        view, pixels.shape, (wide.strides[0], pixels.shape[2], 1)
    )


def read_only(pixels):
    return np.frombuffer(pixels.tobytes(), np.uint8).reshape(pixels.shape)


def upside_down_twice(pixels):
    return np.ascontiguousarray(pixels[::-1])[::-1]


@pytest.mark.parametrize('layout', [padded_rows, read_only, upside_down_twice])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'mono8'])
@pytest.mark.parametrize('input_size', [(0, 0), (12, 24)])
def test_the_memory_layout_of_a_frame_does_not_matter(layout, encoding, input_size):
    pixels = random_pixels(15, 22, CHANNELS[encoding])
    laid_out = layout(pixels)
    np.testing.assert_array_equal(laid_out, pixels)
    preprocess = preprocess_for(input_size)
    expected, _ = preprocess(frame_of(pixels.copy(), encoding))
    tensor, _ = preprocess(frame_of(laid_out, encoding))
    torch.testing.assert_close(tensor, expected, rtol=0, atol=0)


@pytest.mark.parametrize('input_size', [(0, 0), (9, 9)])
def test_the_frame_is_left_as_it_was(input_size):
    pixels = random_pixels(11, 13)
    before = pixels.copy()
    tensor, _ = preprocess_for(input_size)(frame_of(pixels))
    with torch.inference_mode():
        tensor.zero_()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('input_size', [(0, 0), (0, 20), (40, 40)])
def test_the_tensor_has_the_dtype_and_channels_last(dtype, input_size):
    tensor, geometry = preprocess_for(input_size, dtype)(frame_of(random_pixels(31, 45)))
    exact, _ = preprocess_for(input_size)(frame_of(random_pixels(31, 45)))
    assert tensor.dtype == dtype
    assert tensor.shape[2:] == geometry.input
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(tensor, exact.to(dtype), rtol=0, atol=0)


@pytest.mark.parametrize(
    ('camera', 'input_size', 'content', 'network'),
    [
        ((360, 480), (0, 0), (360, 480), (360, 480)),
        ((360, 480), (180, 0), (180, 240), (180, 240)),
        ((360, 480), (0, 240), (180, 240), (180, 240)),
        ((1080, 1920), (512, 1024), (512, 910), (512, 1024)),
        ((1200, 1920), (512, 1024), (512, 819), (512, 1024)),
        ((800, 2000), (512, 1024), (410, 1024), (512, 1024)),
        ((360, 480), (720, 960), (720, 960), (720, 960)),
        ((3, 3000), (0, 300), (1, 300), (1, 300)),
        ((3, 3000), (100, 300), (1, 300), (100, 300)),
        ((361, 479), (90, 0), (90, 119), (90, 119)),
    ],
)
def test_the_image_is_scaled_to_fit_and_keeps_its_shape(camera, input_size, content, network):
    assert preprocess_for(input_size).geometry(*camera) == Geometry(camera, content, network)


def test_padding_is_right_and_below_and_is_the_mean():
    pixels = np.full((20, 40, 3), 200, np.uint8)
    tensor, geometry = preprocess_for((30, 20))(frame_of(pixels))
    assert geometry == Geometry((20, 40), (10, 20), (30, 20))
    np.testing.assert_array_equal(tensor[:, :, 10:], 0)
    flat = normalised(np.full((10, 20, 3), 200))
    np.testing.assert_allclose(tensor[:, :, :10], flat, atol=2e-6)


def test_a_shrunk_checkerboard_becomes_grey_rather_than_a_pattern():
    board = np.indices((66, 66)).sum(axis=0) % 2 * 255
    pixels = np.repeat(board[..., None], 3, axis=2).astype(np.uint8)
    tensor, _ = preprocess_for((22, 22))(frame_of(pixels))
    grey = normalised(np.full((22, 22, 3), 127.5))
    np.testing.assert_allclose(tensor[:, :, 1:-1, 1:-1], grey[:, :, 1:-1, 1:-1], atol=0.1)


@pytest.mark.parametrize('size', [(30, 41), (150, 205)])
def test_resizing_keeps_things_in_their_place(size):
    rows, columns = np.indices((60, 82)) + 0.5
    pixels = np.stack([rows * 4, columns * 3, rows + columns], axis=2).astype(np.uint8)
    tensor, geometry = preprocess_for(size)(frame_of(pixels))
    assert geometry.content == size
    scale = size[0] / 60
    rows, columns = (np.indices(size) + 0.5) / scale
    rgb = normalised(np.stack([rows * 4, columns * 3, rows + columns], axis=2))
    inside = np.s_[:, :, 8:-8, 8:-8]
    np.testing.assert_allclose(tensor.numpy()[inside], rgb[inside], atol=2 / 255 / min(STD))


def test_a_camera_may_change_its_size_from_frame_to_frame():
    preprocess = preprocess_for()
    for size in ((8, 10), (6, 14), (8, 10)):
        pixels = random_pixels(*size)
        tensor, _ = preprocess(frame_of(pixels))
        np.testing.assert_allclose(tensor.numpy(), normalised(pixels), atol=2e-6)


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'std': (0.2, 0.0, 0.2)}, 'std'),
        ({'std': (0.2, float('nan'), 0.2)}, 'std'),
        ({'mean': (0.5, 0.5)}, 'mean'),
        ({'input_size': (-1, 0)}, 'input size'),
        ({'dtype': torch.uint8}, 'uint8'),
    ],
)
def test_what_makes_no_sense_is_refused(change, named):
    given = {'mean': MEAN, 'std': STD, 'input_size': (0, 0), 'device': CPU, 'dtype': torch.float32}
    with pytest.raises(ConfigError, match=named):
        Preprocess(**(given | change))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('input_size', [(0, 0), (20, 48)])
@pytest.mark.parametrize('encoding', CHANNELS)
def test_cuda_gives_what_the_cpu_gives(encoding, input_size):
    frames = [frame_of(random_pixels(31, 45 + i, CHANNELS[encoding]), encoding) for i in (0, 0, 3)]
    on_gpu = Preprocess(MEAN, STD, input_size, torch.device('cuda', 0), torch.float32)
    on_cpu = preprocess_for(input_size)
    for frame in frames:
        tensor, geometry = on_gpu(frame)
        expected, same = on_cpu(frame)
        assert tensor.device.type == 'cuda'
        assert geometry == same
        levels = 0 if input_size == (0, 0) else 1.5  # a CPU resizes in whole levels
        torch.testing.assert_close(
            tensor.cpu(), expected, rtol=0, atol=1e-5 + levels / 255 / min(STD)
        )
