# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network a configuration asks for, with its weights and what they say of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mfaranet_ros.backends.onnx_file import OnnxNetwork, read_sidecar
from mfaranet_ros.core.config import ModelConfig
from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.models import (
    Weights,
    check_scales,
    create_model,
    find_weights,
    get_model_entry,
    load_weights,
    read_weights,
)

MOCK_LABELS = 'camvid'
"""The label set of the mock backend where none is configured."""


@dataclass(frozen=True)
class Network:
    """A network ready to run, and where it comes from.

    model: in evaluation mode, float32, on the CPU; None where the mock stands in for it; an
        OnnxNetwork where the weights are an exported ONNX file.
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
    path = find_weights(config.name, config.weights)
    if path.suffix == '.onnx':
        return _load_exported(config, path)
    weights = read_weights(path)
    label_set = _label_set(config, weights)
    _check_name(config, weights)
    model = create_model(config.name, classes=len(label_set), scales=config.scales)
    load_weights(model, weights)
    if weights.temperature is not None:
        model.divide_logits(weights.temperature)
    return Network(
        model.eval(), label_set, weights.mean or entry.mean, weights.std or entry.std, weights
    )


def _load_exported(config: ModelConfig, path: Path) -> Network:
    """Return what an ONNX file and its sidecar hold; it is fixed to its model and scales."""
    sidecar = read_sidecar(path)
    weights = Weights(
        path=path,
        sha256=sidecar.onnx_sha256,
        state={},
        model=sidecar.model,
        classes=sidecar.classes,
        label_set=sidecar.label_set,
        mean=sidecar.mean,
        std=sidecar.std,
        scales=sidecar.scales,
    )
    _check_name(config, weights)
    if check_scales(config.scales) != sidecar.scales:
        raise WeightsError(
            f'{path} was exported with scales {list(sidecar.scales)}, but model.scales is '
            f'{list(config.scales)}: set model.scales to those, or export the others'
        )
    if sidecar.outputs != 'logits':
        raise WeightsError(
            f'{path} gives {sidecar.outputs}, but the node computes on logits: export it with '
            '--outputs logits'
        )
    label_set = _label_set(config, weights)
    if len(label_set) != sidecar.classes:
        raise WeightsError(
            f'{path} has {sidecar.classes} classes, but label set {label_set.name} has '
            f'{len(label_set)}: export it again'
        )
    model = OnnxNetwork(path, sidecar).eval()
    return Network(model, label_set, sidecar.mean, sidecar.std, weights)


def _check_name(config: ModelConfig, weights: Weights) -> None:
    if weights.model is not None and weights.model != config.name:
        raise WeightsError(
            f'{weights.path} holds weights of {weights.model}, but model.name is {config.name}: '
            f'set model.name to {weights.model} or give other weights'
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
