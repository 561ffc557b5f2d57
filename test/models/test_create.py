# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the registry and of `create_model`, and how the rest is refused."""

from __future__ import annotations

import pytest
import torch

import mfaranet_ros.models as models
from mfaranet_ros.core.errors import ConfigError, UnknownNameError, WeightsError
from mfaranet_ros.models import check_scales, create_model, get_model_entry, list_models


def test_the_public_names_are_sorted_and_there():
    assert models.__all__ == sorted(models.__all__)
    assert all(hasattr(models, name) for name in models.__all__)


def test_models_are_listed_in_order():
    assert list_models() == sorted(list_models())
    assert {f'mfaranet_resnet{depth}' for depth in (18, 50, 101)} <= set(list_models())


@pytest.mark.parametrize('function', [get_model_entry, lambda n: create_model(n, classes=2)])
def test_an_unknown_model_names_the_nearest(function):
    with pytest.raises(UnknownNameError, match=r"'mfaranet_resnet34'.*'mfaranet_resnet18'"):
        function('mfaranet_resnet34')


@pytest.mark.parametrize(
    'scales', [(), (0,), (5,), (1, 1), (1, 2, 5), (2, 2, 3, 4), (True,), (2.0,), ('2',), (-1, 1)]
)
def test_sets_of_scales_that_are_none(scales):
    with pytest.raises(ConfigError, match='each once') as caught:
        create_model('mfaranet_resnet18', classes=2, scales=scales)
    assert repr(list(scales)) in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('given', 'kept'), [([3, 1], (1, 3)), ({2}, (2,)), ((4, 3, 2, 1), (1, 2, 3, 4))]
)
def test_scales_come_in_any_order(given, kept):
    assert check_scales(given) == kept


@pytest.mark.parametrize('classes', [0, -1, 256, 2.0, '19', True])
def test_numbers_of_classes_that_are_none(classes):
    with pytest.raises(ConfigError, match='1 to 255'):
        create_model('mfaranet_resnet18', classes=classes)


def test_weights_are_loaded_on_request(tmp_path):
    with pytest.raises(WeightsError, match='does not exist'):
        create_model('mfaranet_resnet18', classes=2, weights=tmp_path / 'none.pth')


def test_training_heads_are_built_on_request_only():
    with torch.device('meta'):
        run = create_model('mfaranet_resnet18', classes=2)
        train = create_model('mfaranet_resnet18', classes=2, training_heads=True)
    added = set(train.state_dict()) - set(run.state_dict())
    assert added == {
        f'boundary_heads.{i}.0.{what}' for i in range(4) for what in ('weight', 'bias')
    }
