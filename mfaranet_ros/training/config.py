# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every setting of a training run, defined once, and the recipes, which are values of them.

The fields are made as those of the pipeline (mfaranet_ros/core/config.py): checked when they
are given, and each is a `--set NAME=VALUE` of `mfaranet train`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mfaranet_ros.core.config import replace, setting
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.training.conditions import CONDITIONS
from mfaranet_ros.training.views import VIEWS


@dataclass(frozen=True)
class DataConfig:
    """The training data."""

    kind: str = setting(
        'camvid', 'layout of the data: camvid, camvid_colors, cityscapes, folders, pascal_context'
    )
    root: str = setting('', 'folder of the data')
    labels: str = setting('', "label set; empty: the data's own (folders have none)")
    leave_out: str = setting(
        '',
        'drives of the training split to validate on instead, as 0001TP; the drive is the part of '
        "an image's name before the first _",
    )
    mixture: str = setting(
        '',
        'YAML file that lists several data sets, used instead of kind and root; docs/training.md',
    )
    cache_gb: float = setting(4.0, 'memory for decoded images', unit='GB', low=0.0, high=1e4)
    threads: int = setting(
        0, 'threads that read and augment images; 0: one per core, at most 16', low=0, high=256
    )


@dataclass(frozen=True)
class NetworkConfig:
    """The network."""

    name: str = setting('mfaranet_resnet18', 'network, one of `mfaranet models`')
    weights: str = setting('', 'weights file to start from; empty: from scratch')
    backbone_weights: str = setting(
        '', 'state_dict of timm or torchvision to start the backbone from; docs/models.md'
    )
    teacher: str = setting('', 'weights file of a trained network to distil from; empty: none')
    backbone: str = setting(
        'auto',
        'frozen: keep its weights; trained: train it with the rest; auto: as in its paper',
        choices=('auto', 'frozen', 'trained'),
    )
    dropout: float = setting(
        0.0, 'share of channels dropped after each stage of the backbone', low=0.0, high=0.9
    )
    head_dropout: float = setting(
        0.5, 'share of values dropped in the attention heads', low=0.0, high=0.9
    )


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation, in this order; each share is the probability that an image is changed."""

    paste_share: float = setting(
        0.0, 'share of images with pasted objects of rare classes', low=0.0, high=1.0
    )
    paste_objects: int = setting(
        3, 'maximum number of pasted objects; at least one', low=1, high=100
    )
    paste_light: float = setting(
        0.0, 'maximum change of their brightness, as a natural logarithm', low=0.0, high=3.0
    )
    paste_below: float = setting(
        0.02, 'classes below this share of all pixels are rare', low=0.0, high=1.0
    )
    scale_min: float = setting(0.5, 'smallest random scale', low=0.05, high=20.0)
    scale_max: float = setting(2.0, 'largest random scale', low=0.05, high=20.0)
    log_scale: bool = setting(False, 'draw scales uniformly in their logarithm')
    rotation_deg: float = setting(
        10.0, 'maximum rotation in either direction', unit='deg', low=0.0, high=180.0
    )
    rotation_share: float = setting(0.5, 'share of rotated images', low=0.0, high=1.0)
    flip_share: float = setting(0.5, 'share of images flipped left to right', low=0.0, high=1.0)
    height: int = setting(1024, 'height of the random crop', unit='px', low=32, high=8192)
    width: int = setting(1024, 'width of the random crop', unit='px', low=32, high=8192)
    color_share: float = setting(
        0.0, 'share of images with changed colours, see below', low=0.0, high=1.0
    )
    brightness: float = setting(0.4, 'maximum change of brightness', low=0.0, high=1.0)
    contrast: float = setting(0.4, 'maximum change of contrast', low=0.0, high=1.0)
    saturation: float = setting(0.4, 'maximum change of saturation', low=0.0, high=1.0)
    hue_deg: float = setting(10.0, 'maximum change of hue', unit='deg', low=0.0, high=180.0)
    gamma: float = setting(
        0.3, 'maximum natural logarithm of gamma, positive or negative', low=0.0, high=3.0
    )
    blur_share: float = setting(0.0, 'share of blurred images', low=0.0, high=1.0)
    blur_px: float = setting(
        1.5, 'maximum standard deviation of the blur', unit='px', low=0.1, high=20.0
    )
    condition_share: float = setting(
        0.0,
        'share of images with one of the conditions, applied before the blur',
        low=0.0,
        high=1.0,
    )
    conditions: tuple[str, ...] = setting(
        tuple(CONDITIONS),
        'weather, light and camera faults to choose from, separated by spaces',
        items=str,
    )
    view_share: float = setting(
        0.0, 'share of the images shown in the view of another camera', low=0.0, high=1.0
    )
    views: tuple[str, ...] = setting(
        tuple(VIEWS), 'views to choose from, separated by spaces', items=str
    )


@dataclass(frozen=True)
class LossConfig:
    """The multi-scale joint supervision, with the weights of the published loss."""

    fused: float = setting(1.0, 'weight of the fused logits', low=0.0, high=100.0)
    segmentation: float = setting(1.0, "weight of each scale's score", low=0.0, high=100.0)
    boundary: float = setting(0.3, "weight of each scale's boundary", low=0.0, high=100.0)
    attention: float = setting(
        0.1, "weight of each scale's score on boundary pixels", low=0.0, high=100.0
    )
    attention_images: float = setting(
        7.0, 'the attention term is the mean over images times this (the authors sum over the 7 '
        'images of one GPU); 0: the sum over the batch', low=0.0, high=1000.0,
    )  # fmt: skip
    hard_probability: float = setting(
        0.7, 'pixels whose true class has at most this probability are hard; only these count',
        low=0.0, high=1.0,
    )  # fmt: skip
    hard_pixels: int = setting(
        200_000, 'minimum number of pixels per batch that count (the authors: 100 000 per GPU)',
        low=1, high=10**9,
    )  # fmt: skip
    class_weights: str = setting(
        'none',
        'weights of rare classes: none; sqrt: inverse square root of their share; log: inverse '
        'logarithm of 1.02 + share',
        choices=('none', 'sqrt', 'log'),
    )
    distillation: float = setting(
        0.0, "weight of the distance to the teacher's probabilities", low=0.0, high=100.0
    )
    distillation_temperature: float = setting(
        2.0, 'temperature of both networks', low=0.1, high=20.0
    )
    stride: int = setting(1, 'row and column step of the labels that the loss uses', low=1, high=4)


@dataclass(frozen=True)
class OptimConfig:
    """The optimizer."""

    optimizer: str = setting(
        'sgd', 'sgd, adamw, or muon (for convolutions, with adamw for other weights)',
        choices=('sgd', 'adamw', 'muon'),
    )  # fmt: skip
    learning_rate: float = setting(
        0.005, 'maximum learning rate of the backbone', low=0.0, high=10.0
    )
    decoder_factor: float = setting(
        10.0, 'factor on the learning rate of everything but the backbone', low=0.0, high=1000.0
    )
    momentum: float = setting(0.9, 'momentum of sgd and muon', low=0.0, high=1.0)
    weight_decay: float = setting(5e-4, 'weight decay', low=0.0, high=1.0)
    decay_all: bool = setting(True, 'apply weight decay to biases and normalisations as well')
    schedule: str = setting(
        'poly', 'learning rate schedule; poly: (1 - progress) ** power', choices=('poly', 'cosine')
    )
    power: float = setting(0.9, 'exponent of poly', low=0.0, high=10.0)
    warm_up: float = setting(
        0.0, 'share of the run used to warm up the learning rate', low=0.0, high=0.9
    )
    clip_norm: float = setting(
        0.0, 'maximum norm of the gradients; 0: no clipping', low=0.0, high=1e6
    )
    batch: int = setting(14, 'images per step, over all processes', low=1, high=65536)
    accumulate: int = setting(
        1, 'number of parts that the batch of a process is split into; normalisation is per part',
        low=1, high=1024,
    )  # fmt: skip
    ema: float = setting(
        0.0, 'decay of the moving average of the weights; 0: no average',
        low=0.0, high=0.999999,
    )  # fmt: skip


@dataclass(frozen=True)
class RunConfig:
    """Duration, device and checkpoints."""

    epochs: int = setting(200, 'number of epochs; 0: until max_minutes', low=0, high=10**6)
    max_minutes: float = setting(
        0.0, 'time budget, to which the schedule is fitted; 0: none',
        unit='min', low=0.0, high=1e5,
    )  # fmt: skip
    seed: int = setting(0, 'random seed', low=0, high=2**31 - 1)
    device: str = setting('auto', 'auto (cuda if available, else cpu), cpu, cuda or cuda:N')
    precision: str = setting(
        'float32',
        'precision of the computation; weights, gradients and loss are always float32; auto: '
        'bfloat16 if the hardware supports it',
        choices=('auto', 'float32', 'bfloat16'),
    )
    threads: int = setting(0, 'CPU threads of the network; 0: chosen by torch', low=0, high=256)
    checkpoint_minutes: float = setting(
        5.0, 'time between two checkpoints', unit='min', low=0.0, high=1e4
    )
    validate_every: int = setting(
        0, 'epochs between two validations; 0: as often as 10 % of the time allows',
        low=0, high=10**6,
    )  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """All settings of one run, in their groups; the defaults are the paper's for Cityscapes.

    Zhang et al. (arXiv 2402.02286) and the configuration they published: SGD, 200 epochs of
    batches of 14, crops of 1024x1024, the learning rate falling with power 0.9.
    """

    recipe: str = setting('paper', 'recipe that sets the other defaults')
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RunConfig = field(default_factory=RunConfig)


SMALL: dict[str, Any] = {
    'network.head_dropout': 0.0,
    'augment.paste_share': 0.9,
    'augment.paste_objects': 6,
    'augment.paste_light': 0.4,
    'augment.log_scale': True,
    'augment.scale_min': 0.75,
    'augment.scale_max': 2.0,
    'augment.height': 360,
    'augment.width': 480,
    'augment.color_share': 0.8,
    'augment.blur_share': 0.2,
    'loss.hard_pixels': 100_000,
    'loss.class_weights': 'sqrt',
    'loss.stride': 2,
    'optim.optimizer': 'muon',
    'optim.momentum': 0.95,
    'optim.learning_rate': 0.0025,
    'optim.decoder_factor': 1.0,
    'optim.weight_decay': 0.05,
    'optim.decay_all': False,
    'optim.warm_up': 0.02,
    'optim.clip_norm': 5.0,
    'optim.batch': 8,
    'optim.ema': 0.998,
    'run.precision': 'auto',
}
"""What training from scratch on a few hundred images needs instead; docs/training.md."""

SMALL_START: dict[str, Any] = {
    **SMALL,
    'augment.paste_share': 0.5,
    'augment.paste_objects': 3,
    'augment.paste_light': 0.0,
    'augment.scale_min': 0.35,
    'augment.scale_max': 1.4,
    'augment.height': 192,
    'augment.width': 256,
    'optim.learning_rate': 0.004,
    'optim.warm_up': 0.05,
    'optim.power': 0.5,
    'optim.batch': 16,
}
"""The same on smaller images, three times as many a minute; `small` begins with its weights."""

RECIPES = {
    'paper': TrainConfig(),
    'small': replace(TrainConfig(), {'recipe': 'small', **SMALL}),
    'small_start': replace(TrainConfig(), {'recipe': 'small_start', **SMALL_START}),
}


def make_config(recipe: str, values: Mapping[str, Any]) -> TrainConfig:
    """Return a recipe with some settings changed; a budget alone goes without a number of epochs.

    Raises UnknownNameError for an unknown recipe or setting, ConfigError for values out of range
    or that do not go together.
    """
    if recipe not in RECIPES:
        raise UnknownNameError('recipe', recipe, RECIPES)
    fitted = {'run.epochs': 0} if values.get('run.max_minutes') else {}
    config = replace(RECIPES[recipe], {**fitted, **values, 'recipe': recipe})
    if config.augment.scale_min > config.augment.scale_max:
        raise ConfigError(
            f'augment.scale_min = {config.augment.scale_min:g} is above augment.scale_max = '
            f'{config.augment.scale_max:g}: exchange them'
        )
    _check_names(
        'condition', config.augment.conditions, CONDITIONS, config.augment.condition_share
    )
    _check_names('view', config.augment.views, VIEWS, config.augment.view_share)
    if bool(config.network.teacher) != bool(config.loss.distillation):
        raise ConfigError(
            f'network.teacher = {config.network.teacher!r} and loss.distillation = '
            f'{config.loss.distillation:g}: distillation needs both, a file and a weight above 0'
        )
    if not config.run.epochs and not config.run.max_minutes:
        raise ConfigError('run.epochs and run.max_minutes are both 0: give the run an end')
    if config.data.mixture and (config.data.root or config.data.leave_out):
        raise ConfigError(
            'data.mixture names data sets and what is held out of them: leave data.root and '
            'data.leave_out empty'
        )
    if not config.data.root and not config.data.mixture:
        raise ConfigError(
            "data.root = '': give the folder of the data, or data.mixture for several"
        )
    return config


def _check_names(
    what: str, names: tuple[str, ...], allowed: Collection[str], share: float
) -> None:
    for name in names:
        if name not in allowed:
            raise UnknownNameError(what, name, allowed)
    if share and not names:
        raise ConfigError(
            f'augment.{what}_share = {share:g}, but augment.{what}s names none: name some, or set '
            'the share to 0'
        )
