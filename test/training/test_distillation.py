# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Distillation: the loss is the one published, and a teacher must fit the training."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.models import create_model, read_weights, save_weights
from mfaranet_ros.training.config import make_config
from mfaranet_ros.training.distillation import Teacher, distillation_loss
from mfaranet_ros.training.feed import Feed

NETWORK = 'eseg_lite_s'
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def logits(seed, size=(4, 6)):
    return 3 * torch.randn(2, 5, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('temperature', [1.0, 2.0, 5.0])
def test_the_loss_is_the_divergence_of_the_probabilities(temperature):
    student, teacher = logits(0), logits(1)
    p, q = ((x / temperature).softmax(1) for x in (teacher, student))
    expected = temperature**2 * (p * (p / q).log()).sum(1).mean()
    assert torch.isclose(distillation_loss(student, teacher, temperature), expected, rtol=1e-5)


def test_equal_networks_have_no_distance_and_a_learning_one_approaches_its_teacher():
    teacher = logits(1)
    assert distillation_loss(teacher, teacher, 2.0) < 1e-6
    student = logits(0).requires_grad_()
    before = distillation_loss(student, teacher, 2.0)
    before.backward()
    assert distillation_loss(student - 0.5 * student.grad, teacher, 2.0) < before


def test_a_teacher_of_another_stride_is_resized():
    assert torch.isfinite(distillation_loss(logits(0), logits(1, (8, 12)), 2.0))


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = create_model(NETWORK, classes=len(CITYSCAPES))
    save_weights(model, tmp_path / 'teacher.safetensors', label_set=CITYSCAPES)
    return read_weights(tmp_path / 'teacher.safetensors')


def feed():
    return Feed(torch.device('cpu'), 'float32', MEAN, STD)


def test_a_teacher_answers_with_its_own_normalisation_and_temperature(weights):
    images = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    teacher = Teacher(dataclasses.replace(weights, temperature=2.0), CITYSCAPES, feed())
    answer = teacher(images)
    model = create_model(NETWORK, classes=len(CITYSCAPES)).eval()
    model.load_state_dict(weights.state, strict=False)
    x = images.permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (weights.mean, weights.std))
    with torch.no_grad():
        expected = model.stage_outputs((x - mean) / std).fused / 2
    assert answer.shape == expected.shape
    assert torch.allclose(answer, expected, atol=1e-3)
    assert not answer.requires_grad
    assert torch.equal(F.interpolate(answer, scale_factor=1), answer)


@pytest.mark.parametrize(
    ('change', 'label_set', 'message'),
    [
        ({'model': None}, CITYSCAPES, 'do not name a network'),
        ({}, CAMVID, 'label set is cityscapes, the training uses camvid'),
    ],
)
def test_a_teacher_that_does_not_fit(weights, change, label_set, message):
    with pytest.raises(ConfigError, match=message):
        Teacher(dataclasses.replace(weights, **change), label_set, feed())


@pytest.mark.parametrize(
    'values', [{'network.teacher': 'x.safetensors'}, {'loss.distillation': 1.0}]
)
def test_distillation_needs_a_teacher_and_a_weight(values):
    with pytest.raises(ConfigError, match='distillation needs both'):
        make_config('small', {'data.root': 'x', **values})
