# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Parameters and multiply-accumulates, against the published figures (models.md 1.1 and 1.4)."""

import pytest
import torch

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import create_model
from mfaranet_ros.models.macs import count_macs, count_parameters, measure_model

GIGA = 2**30
SIZES = ((1024, 2048), (1024, 1024), (512, 1024), (720, 960))

PUBLISHED = {
    (1, 2, 3, 4): (12_996_748, 203.17, 101.58, 50.79, 67.08),
    (1,): (11_894_483, 152.14, 76.07, 38.04, 50.26),
    (2,): (12_208_595, 162.67, 81.34, 40.67, 53.73),
    (3,): (12_522_707, 165.30, 82.65, 41.33, 54.60),
    (4,): (12_689_107, 165.68, 82.84, 41.42, 54.73),
    (1, 2): (12_361_190, 181.27, 90.63, 45.32, 59.86),
    (1, 2, 3): (12_752_825, 193.34, 96.67, 48.34, 63.84),
    (2, 3, 4): (12_919_225, 193.72, 96.86, 48.43, 63.97),
    (1, 3, 4): (12_919_225, 193.72, 96.86, 48.43, 63.97),
    (1, 2, 4): (12_919_225, 193.72, 96.86, 48.43, 63.97),
}
"""By scale set: parameters, and multiply-accumulates at each of SIZES in units of 2^30."""


@pytest.mark.parametrize('scales', PUBLISHED, ids=str)
def test_every_scale_set_has_its_published_size(scales):
    parameters, *macs = PUBLISHED[scales]
    found = [
        measure_model('mfaranet_resnet18', classes=19, scales=scales, height=h, width=w)
        for h, w in SIZES
    ]
    assert {size.parameters for size in found} == {parameters}
    assert [size.macs / GIGA for size in found] == pytest.approx(macs, abs=0.006)


@pytest.mark.parametrize(
    ('name', 'parameters', 'macs'),
    [('mfaranet_resnet18', 12_996_748, 203.17), ('mfaranet_resnet50', 25_672_204, 294.29)],
)
def test_every_backbone_has_its_published_size(name, parameters, macs):
    size = measure_model(name, classes=19, height=1024, width=2048)
    assert size.parameters == parameters
    assert size.macs / GIGA == pytest.approx(macs, abs=0.006)


@pytest.mark.parametrize('size', [(64, 96), (50, 33)])
def test_the_count_is_that_of_a_real_run(size):
    model = create_model('mfaranet_resnet18', classes=11, scales=(1, 3)).eval()
    done = []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda conv, _, out: done.append(macs_by_hand(conv, out)))
    with torch.inference_mode():
        model.coarse_logits(torch.zeros(1, 3, *size))
    expected = sum(done)
    done.clear()
    assert count_macs(model, *size) == expected


def macs_by_hand(conv, out):
    _, channels, height, width = out.shape
    kernel = conv.kernel_size[0] * conv.kernel_size[1]
    return height * width * channels * kernel * conv.in_channels // conv.groups


def test_the_count_leaves_the_network_as_it_was():
    model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_macs(model, 64, 64)
    assert model.training
    assert not any(layer._forward_hooks for layer in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert count_parameters(model) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize('size', [(0, 64), (64, -1)])
def test_a_image_of_no_size_is_refused(size):
    with pytest.raises(ConfigError, match='1 or more'):
        measure_model('mfaranet_resnet18', classes=11, height=size[0], width=size[1])
