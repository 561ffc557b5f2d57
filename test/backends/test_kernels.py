# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The kernels against the torch code that they stand for.

On a machine with a GPU and Triton they run there; with Triton alone they run in its interpreter,
which must be chosen before Triton is imported: `test_kernels_without_gpu.py` does so.
"""

from __future__ import annotations

import itertools
import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.backends import operators
from mfaranet_ros.backends.fast_mfaranet import CollapsedFlowNet, sum_gated
from mfaranet_ros.backends.rewrite import rewrite
from mfaranet_ros.core.frame import CHANNELS, Frame, Geometry
from mfaranet_ros.models import create_model
from mfaranet_ros.models.layers import FlowNet, sampling_grid
from mfaranet_ros.models.layers import warp as torch_warp
from mfaranet_ros.pipeline import postprocess as postprocess_module
from mfaranet_ros.pipeline import preprocess as preprocess_module
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
DEVICE = torch.device('cpu') if INTERPRETED else torch.device('cuda', 0)
CPU = torch.device('cpu')
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ROUNDING = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not find_spec('triton'), reason='Triton is not installed'),
    pytest.mark.skipif(
        not INTERPRETED and not torch.cuda.is_available(),
        reason='no CUDA device, and the interpreter is not chosen',
    ),
]


@pytest.fixture(autouse=True)
def kernels_run_here(monkeypatch):
    """Let what asks for kernels have them, also where they are interpreted on the CPU."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)  # float32 is meant
    if INTERPRETED:
        for module in (postprocess_module, preprocess_module, operators):
            monkeypatch.setattr(module, 'why_no_kernels', lambda device: '')


def random(*shape, seed=0, scale=1.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- labels --------------------------------------------------------------------------------------


def coarse(size):
    return -(-size[0] // 4), -(-size[1] // 4)


def same(size):
    return Geometry(size, size, size)


def both_ways(monkeypatch, logits, geometry, resolution, with_confidence=True):
    """Return what the kernel makes of logits on the CPU, and what torch makes of them there."""
    wanted = {'geometry': geometry, 'resolution': resolution, 'with_confidence': with_confidence}
    found = postprocess(logits.to(DEVICE), **wanted)
    with monkeypatch.context() as patch:
        patch.setattr(postprocess_module, 'why_no_kernels', lambda device: 'for a test')
        return found, postprocess(logits, **wanted)


def assert_nearly(found, wanted):
    """Only where two logits are equal but for rounding may another label be taken."""
    assert found[0].shape == wanted[0].shape
    assert found[0].dtype == found[1].dtype == np.uint8
    assert np.count_nonzero(found[0] != wanted[0]) <= 1e-3 * wanted[0].size
    np.testing.assert_allclose(found[1].astype(int), wanted[1], atol=1)
    assert np.mean(found[1] != wanted[1]) < 0.02


GEOMETRIES = [
    same((1, 1)),
    same((3, 9)),
    same((33, 47)),
    same((20, 300)),  # more than one block of columns
    Geometry((45, 97), (58, 83), (61, 83)),  # enlarged and padded
    Geometry((90, 70), (50, 39), (50, 64)),  # reduced and padded
]


@pytest.mark.parametrize('resolution', ['camera', 'network'])
@pytest.mark.parametrize('geometry', GEOMETRIES, ids=str)
def test_labels_and_confidence_are_those_of_torch(monkeypatch, geometry, resolution):
    logits = random(1, 11, *coarse(geometry.input), scale=4)
    found, wanted = both_ways(monkeypatch, logits, geometry, resolution)
    assert_nearly(found, wanted)
    labels, none = postprocess(
        logits.to(DEVICE), geometry, resolution=resolution, with_confidence=False
    )
    assert none is None
    np.testing.assert_array_equal(labels, found[0])


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', ROUNDING)
@pytest.mark.parametrize('classes', [1, 2, 19, 255])
def test_every_number_of_classes_type_and_layout(monkeypatch, classes, dtype, layout):
    logits = random(1, classes, 5, 7, scale=4).to(dtype).contiguous(memory_format=layout)
    assert_nearly(*both_ways(monkeypatch, logits, same((18, 25)), 'camera'))


@pytest.mark.parametrize('classes', [3, 11])
def test_where_arithmetic_is_exact_labels_and_ties_are_identical(monkeypatch, classes):
    # 33 = 4 * 8 + 1: every place is a whole number of quarters, so that nothing is rounded, and
    # of whole logits from -2 to 2 many are equal.
    logits = random(1, classes, 9, 17, scale=1.5).round().clamp(-2, 2)
    found, wanted = both_ways(monkeypatch, logits, same((33, 65)), 'camera')
    full = F.interpolate(logits, (33, 65), mode='bilinear', align_corners=True)[0]
    ties = (full == full.amax(dim=0)).sum(dim=0) > 1
    assert ties.float().mean() > 0.05
    np.testing.assert_array_equal(found[0], wanted[0])
    lowest = (full == full.amax(dim=0)).int().argmax(dim=0)
    np.testing.assert_array_equal(found[0], lowest.numpy())


@pytest.mark.parametrize('classes', [2, 5, 6, 255])
def test_of_equal_logits_the_lowest_class_wins(monkeypatch, classes):
    found, wanted = both_ways(
        monkeypatch, torch.full((1, classes, 3, 4), 7.0), same((12, 16)), 'camera'
    )
    assert not found[0].any()
    np.testing.assert_allclose(found[1].astype(int), wanted[1], atol=0 if INTERPRETED else 1)


def test_a_result_stays_when_the_next_one_is_computed():
    logits = random(1, 5, 6, 8, scale=4).to(DEVICE)
    first, _ = postprocess(logits, same((24, 32)), resolution='camera', with_confidence=True)
    before = first.copy()
    postprocess(-logits, same((24, 32)), resolution='camera', with_confidence=True)
    np.testing.assert_array_equal(first, before)


# -- the network's input -------------------------------------------------------------------------


def input_by_torch(pixels, encoding, geometry):
    """Return the input (1, 3, h, w) of an image, float32, with torch alone and no rounding."""
    order = preprocess_module._ORDER[encoding] or (0, 1, 2)
    rgb = torch.from_numpy(pixels[..., list(order)].copy()).permute(2, 0, 1)[None].float()
    if geometry.content != geometry.camera:
        rgb = F.interpolate(rgb, geometry.content, mode='bilinear', antialias=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    (height, width), (rows, columns) = geometry.input, geometry.content
    return F.pad((rgb / 255 - mean) / std, (0, width - columns, 0, height - rows))


@pytest.mark.parametrize(
    ('camera', 'wanted'),
    [
        ((7, 5), (0, 0)),
        ((6, 270), (0, 0)),  # more than one block of columns
        ((31, 45), (0, 20)),  # reduced
        ((31, 45), (20, 48)),  # reduced and padded
        ((11, 13), (29, 0)),  # enlarged
        ((24, 18), (3, 2)),  # reduced to next to nothing
        ((1, 1), (4, 6)),
    ],
)
@pytest.mark.parametrize('encoding', CHANNELS)
def test_the_input_is_that_of_torch(encoding, camera, wanted):
    draw = np.random.default_rng(camera[0])
    pixels = draw.integers(0, 256, (*camera, CHANNELS[encoding]), dtype=np.uint8)
    preprocess = Preprocess(MEAN, STD, wanted, DEVICE, torch.float32)
    tensor, geometry = preprocess(Frame(pixels, encoding, 0, ''))
    assert tensor.shape == (1, 3, *geometry.input)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        tensor.cpu(), input_by_torch(pixels, encoding, geometry), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_the_input_has_the_precision_of_the_backend(dtype):
    pixels = np.random.default_rng(1).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    frame = Frame(pixels, 'bgr8', 0, '')
    tensor, _ = Preprocess(MEAN, STD, (12, 16), DEVICE, dtype)(frame)
    exact, _ = Preprocess(MEAN, STD, (12, 16), DEVICE, torch.float32)(frame)
    assert tensor.dtype == dtype
    # The interpreter cuts off what bfloat16 does not hold, where a GPU rounds.
    last_bit = 2**-7 if INTERPRETED and dtype == torch.bfloat16 else 0
    torch.testing.assert_close(tensor, exact.to(dtype), rtol=last_bit, atol=0)


def test_rows_may_be_padded_and_frames_may_change_their_size():
    preprocess = Preprocess(MEAN, STD, (0, 0), DEVICE, torch.float32)
    for height, width in ((8, 10), (6, 14), (8, 10)):
        wide = np.random.default_rng(2).integers(0, 256, (height, width + 3, 3), dtype=np.uint8)
        pixels = wide[:, :width]
        tensor, geometry = preprocess(Frame(pixels, 'rgb8', 0, ''))
        wanted = input_by_torch(pixels, 'rgb8', geometry)
        torch.testing.assert_close(tensor.cpu(), wanted, rtol=0, atol=1e-5)


# -- the operators of the network ----------------------------------------------------------------


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', ROUNDING)
@pytest.mark.parametrize('channels', [1, 19, 128])
@pytest.mark.parametrize(
    ('source', 'target'), [((5, 7), (9, 13)), ((6, 5), (6, 5)), ((1, 1), (4, 3)), ((8, 1), (5, 2))]
)
def test_the_warp_is_that_of_torch(source, target, channels, dtype, layout):
    x = random(2, channels, *source).to(dtype).contiguous(memory_format=layout).to(DEVICE)
    grid = sampling_grid(random(2, 2, *target, seed=1, scale=6.0)).to(DEVICE)
    found = operators.warp_on_gpu(x, grid)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    wanted = torch_warp(x.float(), grid)
    assert wanted.abs().max() > 0.1
    torch.testing.assert_close(found.float(), wanted, rtol=ROUNDING[dtype], atol=ROUNDING[dtype])


def test_the_warp_is_zero_outside_however_far():
    x = torch.ones(1, 4, 3, 3, device=DEVICE)
    grid = torch.tensor([[-1e30, 0.0], [0.0, 1e30], [3.0, 3.0], [1.0, 1.0]], device=DEVICE)
    found = operators.warp_on_gpu(x, grid.view(1, 1, 4, 2))
    assert found[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 1.0]


def test_half_precision_does_not_move_what_is_sampled():
    # A coordinate in half precision would be up to an eighth of a pixel off in a map so wide.
    x = torch.arange(512.0, device=DEVICE).view(1, 1, 1, 512).half()
    places = torch.linspace(-0.999, 0.999, 64, device=DEVICE)
    grid = torch.stack([places, torch.zeros_like(places)], dim=-1).view(1, 1, 64, 2)
    found = operators.warp_on_gpu(x, grid)[0, 0, 0]
    wanted = (places + 1) * 255.5
    torch.testing.assert_close(found, wanted.half(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('dtype', ROUNDING)
@pytest.mark.parametrize(
    ('fine', 'coarse'),
    [((9, 13), (5, 7)), ((1, 1), (1, 1)), ((4, 130), (2, 65)), ((6, 1), (3, 1))],
)
def test_the_grid_is_that_of_torch(fine, coarse, dtype, layout):
    torch.manual_seed(1)
    flow = random(2, 2, *fine).to(dtype).contiguous(memory_format=layout).to(DEVICE)
    taps = random(2, 18, *coarse, seed=1).to(dtype).contiguous(memory_format=layout).to(DEVICE)
    ours, theirs = operators.FlowNetOnGpu(FlowNet(8, 4)), CollapsedFlowNet(FlowNet(8, 4))
    found, wanted = ours._grid(flow, taps), theirs._grid(flow, taps)
    assert found.dtype == torch.float32
    assert wanted.abs().max() > 1
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_each_kernel_passes_its_trial_and_a_wrong_one_does_not(monkeypatch):
    from mfaranet_ros.backends.kernels import trial

    trial.run_each(DEVICE)
    for name in ('warp', 'sum_gated', 'flow_grid', 'label_pixels', 'normalise_image'):
        right = getattr(trial, name)
        with monkeypatch.context() as patch:
            patch.setattr(trial, name, lambda *args, right=right, **how: right(*args, **how) * 0)
            with pytest.raises(RuntimeError, match='something else than torch'):
                trial.run_each(DEVICE)


@pytest.mark.parametrize('dtype', ROUNDING)
@pytest.mark.parametrize('scales', [2, 3, 4])
@pytest.mark.parametrize('shape', [(1, 19, 9, 13), (2, 1, 1, 1), (1, 11, 40, 30)])
def test_the_sum_of_gated_scores_is_that_of_torch(shape, scales, dtype):
    scores = [random(*shape, seed=i, scale=3).to(dtype).to(DEVICE) for i in range(scales)]
    gates = [random(*shape, seed=9 + i, scale=3).to(dtype).to(DEVICE) for i in range(scales)]
    gates[0] = gates[0].contiguous(memory_format=torch.channels_last)
    found = operators.sum_gated_on_gpu(scores, gates)
    assert found.dtype == dtype
    wanted = sum_gated([x.float() for x in scores], [x.float() for x in gates])
    tolerance = ROUNDING[dtype]
    torch.testing.assert_close(found.float(), wanted, rtol=tolerance, atol=tolerance)


SCALE_SETS = [
    scales for count in range(1, 5) for scales in itertools.combinations((1, 2, 3, 4), count)
]


@pytest.mark.parametrize('scales', SCALE_SETS, ids=str)
@torch.inference_mode()
def test_a_network_of_any_scales_gives_its_logits(scales, lively):
    torch.manual_seed(5)
    model = lively(create_model('mfaranet_resnet18', classes=5, scales=scales))
    x = random(1, 3, 33, 50)
    wanted = model.coarse_logits(x)
    fast = rewrite(model, torch.device('cuda'))
    found = fast.to(DEVICE).coarse_logits(x.to(DEVICE)).cpu()
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@torch.inference_mode()
def test_the_compiler_reads_torch_code(monkeypatch):
    x, grid = random(1, 4, 5, 6), sampling_grid(random(1, 2, 7, 8))

    class Warp(torch.nn.Module):
        def forward(self, x, grid):
            return operators.sum_gated_on_gpu(
                [operators.warp_on_gpu(x, grid)], [operators.warp_on_gpu(x, -grid)]
            )

    exported = torch.export.export(Warp(), (x, grid))
    called = {str(node.target) for node in exported.graph.nodes}
    assert any('grid_sampler' in name for name in called)
    wanted = sum_gated([torch_warp(x, grid)], [torch_warp(x, -grid)])
    torch.testing.assert_close(exported.module()(x, grid), wanted)
