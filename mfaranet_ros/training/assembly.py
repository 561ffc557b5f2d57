# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Everything a run consists of, made from its settings and checked before the first step."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

import torch

from mfaranet_ros.backends.operators import use_row_warp
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.models import (
    SegmentationModel,
    Weights,
    create_model,
    get_model_entry,
    load_backbone,
    load_weights,
    read_weights,
)
from mfaranet_ros.training.config import NetworkConfig, TrainConfig
from mfaranet_ros.training.datasets import Cache, class_shares, count_classes
from mfaranet_ros.training.depthwise import keep_depthwise_precise
from mfaranet_ros.training.distillation import Teacher
from mfaranet_ros.training.distributed import DistributedContext, synchronise_normalisation
from mfaranet_ros.training.feed import Feed
from mfaranet_ros.training.freeze import freeze
from mfaranet_ros.training.loader import Loader
from mfaranet_ros.training.losses import JointLoss, class_weights, set_weights
from mfaranet_ros.training.mixture import open_sets
from mfaranet_ros.training.optim import (
    MovingAverage,
    add_dropout,
    make_optimizer,
    set_head_dropout,
)
from mfaranet_ros.training.paste import Paste
from mfaranet_ros.training.transforms import Augment

MOST_THREADS = 16


@dataclass(frozen=True, eq=False)
class Parts:
    """What one process trains with.

    data_hash: of the names of all images; a run is only resumed on the same.
    begun_with: the weights file it began with, None from scratch. backbone: that of others which
    its backbone began with, None without. teacher: what is distilled, None without.
    """

    config: TrainConfig
    world: DistributedContext
    label_set: LabelSet
    train: Cache
    validation: Cache
    data_hash: str
    threads: int
    feed: Feed
    loader: Loader
    model: SegmentationModel
    begun_with: Weights | None
    backbone: Weights | None
    teacher_weights: Weights | None
    teacher: Teacher | None
    loss: JointLoss
    optimizer: torch.optim.Optimizer
    average: MovingAverage | None

    @property
    def result(self) -> SegmentationModel:
        """The network that is validated and saved: the moving average where there is one."""
        return self.model if self.average is None else self.average.model


def assemble(config: TrainConfig, device: torch.device, world: DistributedContext) -> Parts:
    """Read the data's lists, build the network and what trains it; raises as each of them does."""
    _check_batch(config, world)
    torch.manual_seed(config.run.seed)
    threads = config.data.threads or min(MOST_THREADS, os.cpu_count() or 1)
    train_set, validation_set = open_sets(config.data, threads)
    label_set = train_set.label_set
    limit = config.data.cache_gb * 1e9 / (len(train_set) + len(validation_set))
    train, validation = (Cache(d, limit * len(d)) for d in (train_set, validation_set))
    entry = get_model_entry(config.network.name)
    begun_with, backbone = _read_beginning(config.network)
    model = _make_model(config, len(label_set), begun_with, backbone, device, world)
    feed = Feed(device, config.run.precision, entry.mean, entry.std)
    taught_by = read_weights(config.network.teacher) if config.network.teacher else None
    teacher = None if taught_by is None else Teacher(taught_by, label_set, feed)
    loader, weights = _make_loader(config, train, threads, device, world)
    return Parts(
        config=config,
        world=world,
        label_set=label_set,
        train=train,
        validation=validation,
        data_hash=_hash((*train_set.names, '', *validation_set.names)),
        threads=threads,
        feed=feed,
        loader=loader,
        model=model,
        begun_with=begun_with,
        backbone=backbone,
        teacher_weights=taught_by,
        teacher=teacher,
        loss=JointLoss(
            config.loss,
            None if weights is None else weights.to(device),
            world,
            train_set.codes.sets,
        ),
        optimizer=make_optimizer(model, config.optim),
        average=MovingAverage(model, config.optim.ema) if config.optim.ema else None,
    )


def _check_batch(config: TrainConfig, world: DistributedContext) -> None:
    parts = world.size * config.optim.accumulate
    if config.optim.batch % parts:
        raise ConfigError(
            f'optim.batch = {config.optim.batch}: cannot be shared by {world.size} processes with '
            f'{config.optim.accumulate} parts each, give a multiple of {parts}'
        )


def _read_beginning(config: NetworkConfig) -> tuple[Weights | None, Weights | None]:
    """Return the weights of the whole network and of its backbone, None where not given."""
    if config.weights and config.backbone_weights:
        raise ConfigError(
            'network.weights and network.backbone_weights are both given, but the first hold the '
            'backbone, too: give one of them'
        )
    paths = config.weights, config.backbone_weights
    whole, backbone = (read_weights(path) if path else None for path in paths)
    return whole, backbone


def _make_model(
    config: TrainConfig,
    classes: int,
    begun_with: Weights | None,
    backbone: Weights | None,
    device: torch.device,
    world: DistributedContext,
) -> SegmentationModel:
    heads = bool(config.loss.boundary or config.loss.attention)
    model = create_model(config.network.name, classes=classes, training_heads=heads)
    if begun_with is not None:
        load_weights(model, begun_with)
    if backbone is not None:
        load_backbone(model, backbone)
    synchronise_normalisation(model, device, world)
    freeze(model, config.network)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == 'cpu':
        use_row_warp(model)
        keep_depthwise_precise(model)
    add_dropout(model, config.network.dropout)
    set_head_dropout(model, config.network.head_dropout)
    world.copy_first([*model.parameters(), *model.buffers()])
    return model.train()


def _make_loader(
    config: TrainConfig,
    train: Cache,
    threads: int,
    device: torch.device,
    world: DistributedContext,
) -> tuple[Loader, torch.Tensor | None]:
    """Return the loader, and the weights of the classes, which also need all labels counted."""
    augment, weights, paste = config.augment, None, None
    if config.loss.class_weights != 'none' or augment.paste_share:
        counts, dataset = count_classes(train, threads), train.dataset
        shares = torch.from_numpy(class_shares(dataset, counts))
        weights = class_weights(shares, config.loss.class_weights)
        if weights is not None:
            weights = set_weights(weights, shares, dataset.codes.sets)
        if augment.paste_share:  # only what is certainly of a class is cut out
            paste = Paste(train.read, counts[:, : len(dataset.label_set)], augment)
    entry = get_model_entry(config.network.name)
    red, green, blue = (255 * value for value in entry.mean)
    loader = Loader(
        data=train,
        augment=Augment(augment, (red, green, blue), paste),
        size=(augment.height, augment.width),
        batch=config.optim.batch,
        seed=config.run.seed,
        threads=threads,
        world=world,
        pinned=device.type == 'cuda',
        parts=tuple((len(part.pairs), part.weight) for part in train.dataset.parts),
    )
    return loader, weights


def _hash(names: tuple[str, ...]) -> str:
    return hashlib.sha256('\n'.join(names).encode()).hexdigest()
