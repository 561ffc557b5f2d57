# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network a configuration asks for, with its weights and what they say of themselves."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mfaranet_ros.backends.file_facts import read_facts
from mfaranet_ros.backends.file_fit import fit
from mfaranet_ros.core.config import ModelConfig
from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.labels import LabelSet, get_label_set
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.core.specification_file import (
    is_network_file,
    open_network_file,
    specification_path,
)

if TYPE_CHECKING:
    from torch import nn

    from mfaranet_ros.models import Weights

MOCK_LABELS = 'camvid'
"""The label set of the mock backend where none is configured."""

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Network:
    """A network ready to run, and where it comes from.

    name: for diagnostics and reports.
    model: in evaluation mode, float32, on the CPU; a NetworkFile where the weights are an ONNX or
        OpenVINO file; None where the mock stands in for it.
    mean, std: of RGB values in 0..1, in the order R, G, B; a NetworkFile has its own instead.
    weights: the file, with its path and sha256.
    """

    name: str
    model: nn.Module | NetworkFile | None
    label_set: LabelSet
    mean: Triple
    std: Triple
    weights: Weights | NetworkFile | None

    @property
    def has_confidence(self) -> bool:
        """Whether it says how likely a label is."""
        return not isinstance(self.model, NetworkFile) or self.model.specification.has_confidence


def load_network(config: ModelConfig) -> Network:
    """Build the configured network and load its weights.

    Raises UnknownNameError, ConfigError or WeightsError with what was given and what is allowed.
    """
    file = file_of(config)
    return _load_weights(config) if file is None else _load_file(config, file)


def file_of(config: ModelConfig) -> Path | None:
    """Return the network file that a configuration names, by its weights or in place of a name."""
    given = [name for name in (config.name, config.weights) if is_network_file(name)]
    if not given:
        return None
    if is_network_file(config.name) and config.weights:
        raise ConfigError(
            f'model.name = {config.name!r} is a file and model.weights = {config.weights!r} '
            'another: leave model.weights empty'
        )
    return Path(given[0]).expanduser()


def _load_weights(config: ModelConfig) -> Network:
    from mfaranet_ros.models import (
        create_model,
        find_weights,
        get_model_entry,
        load_weights,
        read_weights,
    )

    entry = get_model_entry(config.name)
    weights = read_weights(find_weights(config.name, config.weights))
    label_set = _label_set(config, weights.label_set, weights.path)
    _check_name(config, weights.model, weights.path)
    model = create_model(config.name, classes=len(label_set), scales=config.scales)
    load_weights(model, weights)
    if weights.temperature is not None:
        model.divide_logits(weights.temperature)
    mean, std = weights.mean or entry.mean, weights.std or entry.std
    return Network(config.name, model.eval(), label_set, mean, std, weights)


def _load_file(config: ModelConfig, path: Path) -> Network:
    """Return a network file; one that we exported is fixed to its model and scales."""
    file = open_network_file(path)
    facts = read_facts(file.path, config.max_file_mb)
    where = path if path.suffix == '.yaml' else specification_path(path)
    specification = fit(file.specification, facts, where)
    file = dataclasses.replace(file, specification=specification)
    _check_export(config, file)
    if config.labels not in ('', specification.label_set.name):
        raise ConfigError(
            f'model.labels = {config.labels!r}, but {file.path} was trained on '
            f'{specification.label_set.name!r}: leave model.labels empty'
        )
    plain: Triple = (0.0, 0.0, 0.0)
    return Network(file.name, file, specification.label_set, plain, (1.0, 1.0, 1.0), file)


def _check_export(config: ModelConfig, file: NetworkFile) -> None:
    export = file.specification.export
    if export is None or not export.scales:  # a network of others, perhaps in INT8
        if config.scales != ModelConfig().scales:
            raise WeightsError(
                f'model.scales is {list(config.scales)}, but {file.path} cannot leave any out: '
                'leave model.scales as it is'
            )
        return
    if not is_network_file(config.name):
        _check_name(config, export.model, file.path)
    if tuple(sorted(config.scales)) != export.scales:
        raise WeightsError(
            f'{file.path} was exported with scales {list(export.scales)}, but model.scales is '
            f'{list(config.scales)}: set model.scales to those, or export the others'
        )


def _check_name(config: ModelConfig, model: str | None, path: Path) -> None:
    if model is not None and model != config.name:
        raise WeightsError(
            f'{path} holds weights of {model}, but model.name is {config.name}: '
            f'set model.name to {model} or give other weights'
        )


def mock_network(config: ModelConfig) -> Network:
    """Return what the mock backend needs of a network: a label set."""
    label_set = get_label_set(config.labels or MOCK_LABELS)
    name = 'none: the mock draws bands, no network runs'
    return Network(name, None, label_set, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), None)


def _label_set(config: ModelConfig, trained_on: str | None, path: Path) -> LabelSet:
    if trained_on is None and not config.labels:
        raise ConfigError(
            f'{path} does not say which label set it was trained on: set model.labels '
            '(cityscapes for the published checkpoints)'
        )
    if config.labels and trained_on not in (None, config.labels):
        raise ConfigError(
            f'model.labels = {config.labels!r}, but {path} was trained on '
            f'{trained_on!r}: leave model.labels empty'
        )
    return get_label_set(trained_on or config.labels)
