# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Facts of the families beside MFARANet: what they are made of, and what is frozen."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfaranet_ros.models import create_model
from mfaranet_ros.models.bifpn import BiFPNLayer, Fusion, halve
from mfaranet_ros.models.macs import measure_model
from mfaranet_ros.models.mmbconv_unet import LEVELS, MMBConv

SIZES = {
    'eseg_lite_s': (3_218_937, 4.85),
    'eseg_lite_m': (4_205_595, 6.98),
    'eseg_lite_l': (7_247_997, 11.96),
    'eseg_s': (3_855_477, 4.85),
    'early_fusion_w18': (33_407_701, 73.02),
    'early_fusion_w48': (91_992_571, 254.89),
    'mmbconv_unet_s': (5_987_563, 57.44),
    'mmbconv_unet_m': (20_106_203, 187.07),
    'mmbconv_unet_l': (47_539_659, 435.46),
}
"""Parameters with 11 classes, and 10^9 multiply-accumulates at 512x1024: docs/models.md."""


@pytest.mark.parametrize('name', SIZES)
def test_sizes_are_those_of_the_documents(name):
    parameters, gmac = SIZES[name]
    found = measure_model(name, classes=11, height=512, width=1024)
    assert found.parameters == parameters
    assert found.macs / 1e9 == pytest.approx(gmac, abs=0.006)


def meta(name, **settings):
    with torch.device('meta'):
        return create_model(name, classes=11, **settings)


# -- ESeg ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('size', 'coarsest'), [((512, 1024), (1, 2)), ((513, 40), (2, 1)), ((7, 5), (1, 1))]
)
def test_the_pyramid_ends_at_a_512th(size, coarsest):
    model = meta('eseg_lite_s').eval()
    levels = model._levels(torch.empty(1, 3, *size, device='meta'))
    sizes = [tuple(level.shape[2:]) for level in levels]
    assert sizes == [tuple(-(-side // 2**k) for side in size) for k in range(2, 10)]
    assert sizes[-1] == coarsest


@pytest.mark.parametrize('name', ['eseg_lite_s', 'eseg_s'])
def test_nothing_is_atrous_and_only_the_lite_ones_have_no_gates(name):
    model = meta(name)
    dilations = {m.dilation for m in model.modules() if isinstance(m, nn.Conv2d)}
    assert dilations == {(1, 1)}
    kinds = {type(m) for m in model.modules()}
    assert (nn.ReLU6 in kinds, nn.SiLU in kinds, nn.Sigmoid in kinds) == (
        (True, False, False) if 'lite' in name else (False, True, True)
    )


def test_a_fusion_counts_each_input_by_a_positive_share():
    fusion = Fusion(3)
    fusion.weights.data = torch.tensor([3.0, -1.0, 1.0])
    a, b, c = torch.rand(3, 1, 2, 4, 4).unbind()
    torch.testing.assert_close(fusion([a, b, c]), 0.75 * a + 0.25 * c, rtol=1e-3, atol=1e-4)


def test_the_pyramid_carries_every_level_to_every_other():
    layer = BiFPNLayer(4, 2, nn.Identity).eval()
    for source in range(4):
        levels = [torch.ones(1, 2, 8 >> k, 8 >> k) for k in range(4)]
        levels[source].requires_grad_()
        for target in layer(levels):
            (gradient,) = torch.autograd.grad(target.sum(), levels[source], retain_graph=True)
            assert gradient.abs().max() > 0


def test_halving_rounds_up_and_keeps_the_largest():
    x = torch.arange(15.0).view(1, 1, 3, 5)
    assert halve(x).tolist() == [[[[6, 8, 9], [11, 13, 14]]]]


# -- Early Fusion --------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def early_fusion():
    return create_model('early_fusion_w18', classes=11, training_heads=True).train()


def kept_bytes(model, x):
    """Return how many bytes a forward pass keeps for the backward pass, parameters aside."""
    own = {p.data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept = {}

    def note(tensor):
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model.stage_outputs(x)
    return sum(kept.values())


def test_a_frozen_backbone_keeps_nothing_and_does_not_change(early_fusion, make_image):
    model, x = early_fusion, make_image(64, 96, batch=2)
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    frozen = kept_bytes(model, x)
    model.stage_outputs(x).fused.square().mean().backward()
    assert not any(layer.training for layer in model.backbone.modules())
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.backbone.state_dict().items())
    model.freeze_backbone(False)
    trained = kept_bytes(model, x)
    model.freeze_backbone()
    assert frozen < 0.6 * trained


def test_a_backbone_trains_again_when_it_is_asked_to(early_fusion):
    early_fusion.freeze_backbone(False)
    assert all(layer.training for layer in early_fusion.modules())
    assert all(p.requires_grad for p in early_fusion.parameters())
    early_fusion.freeze_backbone()
    assert early_fusion.score.weight.requires_grad
    assert early_fusion.fusions.training


# -- MMBConv U-Net -------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['mmbconv_unet_s', 'mmbconv_unet_m', 'mmbconv_unet_l'])
def test_every_branch_has_the_same_width_and_depth(name):
    model = meta(name)
    width, depth = model.shape
    for branches in (model.down, model.up):
        assert [len(branch) for branch in branches] == [depth] * LEVELS
    blocks = [m for m in model.modules() if isinstance(m, MMBConv)]
    assert {block.project[0].out_channels for block in blocks} == {width}
    kernels = {m.kernel_size for b in blocks for m in b.modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {(3, 3)}
