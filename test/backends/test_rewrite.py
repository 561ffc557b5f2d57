# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A rewritten network gives the logits of the published one: every network, every scale set."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from mfaranet_ros.backends.fold import fold_batch_norm
from mfaranet_ros.backends.rewrite import rewrite
from mfaranet_ros.models import ALL_SCALES, create_model, get_model_entry, list_models

CLASSES = 5
CPU = torch.device('cpu')
SIZES = [(97, 131), (64, 96), (33, 20), (1, 1)]
SCALE_SETS = [
    scales for count in range(1, 5) for scales in itertools.combinations(ALL_SCALES, count)
]


def image(size):
    generator = torch.Generator().manual_seed(size[0])
    return torch.randn(1, 3, *size, generator=generator)


@torch.inference_mode()
def assert_same(model, size, tolerance=1e-4, device=CPU):
    x = image(size).to(next(model.parameters()).dtype)
    wanted = model.coarse_logits(x)
    found = rewrite(model, device).coarse_logits(x)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


@pytest.fixture(scope='module')
def whole(lively):
    """The whole network; one of fewer scales takes its weights."""
    return lively(create_model('mfaranet_resnet18', classes=CLASSES))


def part(whole, scales):
    model = create_model('mfaranet_resnet18', classes=CLASSES, scales=scales).eval()
    state = whole.state_dict()
    model.load_state_dict({name: state[name] for name in model.state_dict()})
    return model


@pytest.mark.parametrize('scales', SCALE_SETS, ids=str)
def test_every_scale_set_gives_its_logits(whole, scales):
    assert_same(part(whole, scales), (97, 131))


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('scales', [(1, 2, 3, 4), (2,), (4,)])
def test_sizes_that_fit_badly_give_their_logits(whole, scales, size):
    assert_same(part(whole, scales), size)


@pytest.mark.parametrize('scales', [(1, 2, 3, 4), (3,)])
def test_only_rounding_differs(whole, scales):
    assert_same(part(whole, scales).double(), (64, 96), tolerance=1e-12)


def test_what_runs_on_a_gpu_samples_as_published(whole):
    assert_same(whole, (64, 96), device=torch.device('cuda'))


@pytest.mark.parametrize('name', [n for n in list_models() if n != 'mfaranet_resnet101'])
def test_every_network_gives_its_logits(name, lively):
    scales = (1, 3) if get_model_entry(name).has_scales else ALL_SCALES
    assert_same(lively(create_model(name, classes=CLASSES, scales=scales)), (64, 96))


def test_another_size_follows_and_a_batch_does(whole):
    network = rewrite(whole, CPU)
    with torch.inference_mode():
        for size in ((64, 96), (33, 20), (64, 96)):
            x = torch.cat([image(size), -image(size)])
            wanted = whole.coarse_logits(x)
            found = network.coarse_logits(x)
            assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@torch.inference_mode()
def test_what_a_recording_would_read_stays_where_it_is(whole):
    network = rewrite(whole, torch.device('cuda'))
    network.coarse_logits(image((64, 96)))
    before = [dict(flow._bases) for flow in network.flows]
    network.coarse_logits(image((33, 20)))
    network.coarse_logits(image((64, 96)))
    assert [list(bases) for bases in before] == [[(16, 24)], [(8, 12)], [(4, 6)]]
    for flow, bases in zip(network.flows, before, strict=True):
        assert all(flow._bases[size] is base for size, base in bases.items())


def test_the_model_given_stays_as_it_is(whole):
    before = {name: value.clone() for name, value in whole.state_dict().items()}
    rewrite(whole, CPU)
    after = whole.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_no_normalisation_is_left_to_run(whole):
    for model in (whole, create_model('mfaranet_resnet50', classes=CLASSES, scales=(2,))):
        kinds = [type(module) for module in rewrite(model, CPU).modules()]
        assert nn.BatchNorm2d not in kinds
        assert kinds.count(nn.Conv2d) > 30


class Odd(nn.Module):
    """Has a normalisation that follows no convolution, and is no family that is known."""

    def __init__(self):
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.convolution = nn.Conv2d(3, 5, 3, stride=4, padding=1)
        self.second = nn.BatchNorm2d(5)

    def coarse_logits(self, x):
        return self.second(self.convolution(self.first(x)))


def test_a_normalisation_after_no_convolution_stays(lively):
    model = lively(Odd())
    folded = rewrite(model, CPU)
    assert isinstance(folded.first, nn.BatchNorm2d)
    assert isinstance(folded.second, nn.Identity)
    x = image((16, 16))
    torch.testing.assert_close(folded.coarse_logits(x), model.coarse_logits(x))


def test_folding_needs_evaluation_mode():
    with pytest.raises(AssertionError):
        fold_batch_norm(Odd().train())
