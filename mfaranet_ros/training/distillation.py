# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Knowledge distillation: a network also learns the probabilities of a trained one.

Hinton et al., "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.models import Weights, create_model, get_model_entry, load_weights
from mfaranet_ros.models.layers import resize
from mfaranet_ros.training.feed import Feed


class Teacher:
    """A trained network that answers for a training batch.

    weights: a file that says of which network it is. Raises ConfigError for a file without that or
    of another label set.
    """

    def __init__(self, weights: Weights, label_set: LabelSet, like: Feed) -> None:
        if not weights.model:
            raise ConfigError(
                f'network.teacher = {weights.path}: its metadata do not name a network, use a '
                'file of `mfaranet train`'
            )
        if weights.label_set != label_set.name:
            raise ConfigError(
                f'network.teacher = {weights.path}: its label set is '
                f'{weights.label_set or "unknown"}, the training uses {label_set.name}'
            )
        entry = get_model_entry(weights.model)
        self._feed = like.normalised_by(weights.mean or entry.mean, weights.std or entry.std)
        self._model = create_model(weights.model, classes=len(label_set)).eval()
        load_weights(self._model, weights)
        self._model.requires_grad_(False)
        self._model.to(like.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._temperature = weights.temperature or 1.0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return coarse logits, float32 (N, C, h, w), of uint8 (N, H, W, 3) RGB images."""
        with self._feed.autocast():
            logits = self._model.stage_outputs(self._feed.normalise(images)).fused
        return logits.float() / self._temperature


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the mean Kullback-Leibler divergence of the student from the teacher, times T^2.

    student, teacher: logits, float (N, C, h, w); the teacher's are brought to the student's size.
    temperature: T, which both are divided by; the factor keeps the size of the gradients.
    """
    target = F.log_softmax(resize(teacher, student.shape[2:]).float() / temperature, 1)
    log_probabilities = F.log_softmax(student.float() / temperature, 1)
    distance = (target.exp() * (target - log_probabilities)).sum(1)  # (N, h, w)
    return temperature**2 * distance.mean()
