# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Muon: all directions alike, at the size of AdamW's steps, and AdamW itself for the rest."""

import copy

import pytest
import torch
from torch import nn

from mfaranet_ros.models import create_model
from mfaranet_ros.training.config import OptimConfig
from mfaranet_ros.training.muon import Muon, orthogonalise
from mfaranet_ros.training.optim import make_optimizer

RATE = 0.01


def optimizer_of(weights, decay=0.0):
    return Muon([{'params': weights, 'weight_decay': decay}], RATE, momentum=0.9)


@pytest.mark.parametrize('shape', [(1, 32, 288), (3, 288, 32), (2, 64, 64)])
def test_singular_values_are_brought_close_to_one(shape):
    values = torch.linalg.svdvals(orthogonalise(1e-6 * torch.randn(shape)))
    assert values.max() < 1.3
    assert (values > 0.6).float().mean() > 0.9


def test_directions_are_kept():
    matrix = torch.randn(1, 32, 288)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    kept = torch.diagonal(u.mT @ orthogonalise(matrix) @ v.mT, dim1=1, dim2=2)
    assert (kept > 0.5).float().mean() > 0.9
    assert (kept > 0).all()


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_a_step_is_as_large_as_one_of_adamw_whatever_the_gradient(layout):
    weight = nn.Parameter(torch.zeros(64, 32, 3, 3).to(memory_format=layout))
    for size in (1e-8, 1e4):
        before = weight.detach().clone()
        weight.grad = (size * torch.randn(64, 32, 3, 3)).to(memory_format=layout)
        optimizer_of([weight]).step()
        change = (weight.detach() - before).square().mean().sqrt()
        assert change == pytest.approx(0.2 * RATE, rel=0.25)
        assert ((before - weight.detach()) * weight.grad).sum() > 0  # downhill


def test_what_is_no_map_of_features_is_stepped_as_by_adamw():
    shapes = [(7,), (11, 128, 1, 1), (64, 3, 3, 3)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(weight.detach().clone()) for weight in ours]
    muon = optimizer_of(ours, decay=0.1)
    adamw = torch.optim.AdamW(theirs, RATE, weight_decay=0.1)
    for _ in range(5):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape)
            other.grad = one.grad.clone()
        muon.step()
        adamw.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_weight_without_a_gradient_stays_as_it_is():
    weight = nn.Parameter(torch.ones(16, 16, 3, 3))
    optimizer_of([weight], decay=0.5).step()
    assert (weight == 1).all()


def test_its_state_is_taken_up_bit_for_bit():
    def step(weights, optimizer, times):
        for _ in range(times):
            for weight in weights:
                weight.grad = weight.detach().cos() + 0.1
            optimizer.step()

    first = [nn.Parameter(torch.linspace(-1, 1, 16 * 16 * 9).view(16, 16, 3, 3))]
    first.append(nn.Parameter(torch.ones(5)))
    optimizer = optimizer_of(first)
    step(first, optimizer, 2)
    second = [nn.Parameter(weight.detach().clone()) for weight in first]
    resumed = optimizer_of(second)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(first, optimizer, 2)
    step(second, resumed, 2)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


def test_a_network_learns_by_it(tiny_network):
    model = create_model(tiny_network, classes=3, training_heads=True).train()
    made = make_optimizer(model, OptimConfig(optimizer='muon', learning_rate=0.02))
    assert isinstance(made, Muon)
    labels = torch.randint(0, 3, (2, 1, 4, 4)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    images, labels = labels.expand(2, 3, 32, 32) - 1.0, labels[:, 0]
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(images), labels)
        made.zero_grad()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
