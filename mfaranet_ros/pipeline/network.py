"""The network a configuration asks for, with its weights and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from mfaranet_ros.errors import ConfigError, WeightsError
from mfaranet_ros.labels import LabelSet, get_label_set
from mfaranet_ros.models import (
    Weights,
    create_model,
    find_weights,
    get_model_entry,
    load_weights,
    read_weights,
)
from mfaranet_ros.pipeline.config import ModelConfig

MOCK_LABELS = 'camvid'
"""The label set of the mock backend where none is configured."""


@dataclass(frozen=True)
class Network:
    """A network ready to run, and where it comes from.

    model: in evaluation mode, float32, on the CPU; None where the mock stands in for it.
    mean, std: of RGB values in 0..1, in the order R, G, B.
    """

    model: nn.Module | None
    label_set: LabelSet
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weights: Weights | None


def load_network(config: ModelConfig) -> Network:
    """Build the configured network and load its weights.

    Raises UnknownNameError, ConfigError or WeightsError with what was given and what is allowed.
    """
    entry = get_model_entry(config.name)
    weights = read_weights(find_weights(config.name, config.weights))
    label_set = _label_set(config, weights)
    if weights.model is not None and weights.model != config.name:
        raise WeightsError(
            f'{weights.path} holds weights of {weights.model}, but model.name is {config.name}: '
            f'set model.name to {weights.model} or give other weights'
        )
    model = create_model(config.name, classes=len(label_set), scales=config.scales)
    load_weights(model, weights)
    return Network(
        model.eval(), label_set, weights.mean or entry.mean, weights.std or entry.std, weights
    )


def mock_network(config: ModelConfig) -> Network:
    """Return what the mock backend needs of a network: a label set."""
    return Network(
        None, get_label_set(config.labels or MOCK_LABELS), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), None
    )


def _label_set(config: ModelConfig, weights: Weights) -> LabelSet:
    if weights.label_set is None and not config.labels:
        raise ConfigError(
            f'{weights.path} does not say which label set it was trained on: set model.labels '
            '(cityscapes for the published checkpoints)'
        )
    if config.labels and weights.label_set not in (None, config.labels):
        raise ConfigError(
            f'model.labels = {config.labels!r}, but {weights.path} was trained on '
            f'{weights.label_set!r}: leave model.labels empty'
        )
    return get_label_set(weights.label_set or config.labels)
