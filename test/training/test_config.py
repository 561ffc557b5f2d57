# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The recipes: what the paper says, and values that are checked."""

import pytest

from mfaranet_ros.core.config import settings_of, value_of
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.training.config import RECIPES, TrainConfig, make_config
from mfaranet_ros.training.datasets import KINDS

ROOT = {'data.root': 'somewhere'}

PUBLISHED = {
    'optim.optimizer': 'sgd', 'optim.momentum': 0.9, 'optim.weight_decay': 5e-4,
    'optim.decay_all': True, 'optim.learning_rate': 0.005, 'optim.decoder_factor': 10.0,
    'optim.schedule': 'poly', 'optim.power': 0.9, 'optim.warm_up': 0.0, 'optim.batch': 14,
    'run.epochs': 200, 'run.seed': 0, 'run.precision': 'float32',
    'augment.scale_min': 0.5, 'augment.scale_max': 2.0, 'augment.rotation_deg': 10.0,
    'augment.rotation_share': 0.5, 'augment.flip_share': 0.5, 'augment.height': 1024,
    'augment.width': 1024, 'augment.color_share': 0.0, 'augment.blur_share': 0.0,
    'augment.paste_share': 0.0, 'loss.segmentation': 1.0, 'loss.boundary': 0.3,
    'loss.attention': 0.1, 'loss.hard_probability': 0.7, 'loss.class_weights': 'none',
    'loss.stride': 1, 'network.dropout': 0.0, 'network.name': 'mfaranet_resnet18',
}  # fmt: skip


@pytest.mark.parametrize('name', PUBLISHED)
def test_default_is_the_published_recipe(name):
    assert value_of(make_config('paper', ROOT), name) == PUBLISHED[name]


@pytest.mark.parametrize('recipe', RECIPES)
def test_every_value_of_a_recipe_is_allowed(recipe):
    for setting in settings_of(TrainConfig):
        setting.check(value_of(RECIPES[recipe], setting.name))
    assert RECIPES[recipe].recipe == recipe


@pytest.mark.parametrize('setting', settings_of(TrainConfig), ids=lambda s: s.name)
def test_every_setting_says_what_it_means(setting):
    assert setting.rule.description


def test_kinds_of_data_are_all_described():
    (setting,) = (s for s in settings_of(TrainConfig) if s.name == 'data.kind')
    for kind in KINDS:
        assert kind in setting.rule.description


@pytest.mark.parametrize(
    ('recipe', 'values', 'error', 'said'),
    [
        ('papre', {}, UnknownNameError, "did you mean 'paper'"),
        ('paper', {'optim.btach': 2}, UnknownNameError, 'optim.batch'),
        ('paper', {'optim.batch': 0}, ConfigError, '1 to'),
        ('paper', {'augment.scale_min': 3.0}, ConfigError, 'scale_max'),
        ('paper', {'run.epochs': 0}, ConfigError, 'max_minutes'),
        ('paper', {'data.root': ''}, ConfigError, 'data.root'),
        ('paper', {'loss.class_weights': 'other'}, ConfigError, 'none, sqrt, log'),
    ],
)
def test_values_that_are_refused(recipe, values, error, said):
    with pytest.raises(error, match=said):
        make_config(recipe, {**ROOT, **values})


@pytest.mark.parametrize(
    ('values', 'epochs'),
    [
        ({}, 200),
        ({'run.max_minutes': 5.0}, 0),
        ({'run.max_minutes': 5.0, 'run.epochs': 3}, 3),
        ({'run.max_minutes': 0.0}, 200),
    ],
)
def test_budget_alone_goes_without_a_number_of_epochs(values, epochs):
    assert make_config('small', {**ROOT, **values}).run.epochs == epochs
