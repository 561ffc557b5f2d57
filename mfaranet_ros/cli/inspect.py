# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Show what a network file takes and gives, write its specification, and try it on an image.

Without a specification beside the file a draft is written, from a preset if one is given. A wrong
colour order or mean is no error but seen at a glance in the image.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.file_draft import draft, list_presets, read_preset
from mfaranet_ros.backends.file_facts import DEFAULT_MAX_MB, FileFacts, read_facts
from mfaranet_ros.backends.file_fit import fit
from mfaranet_ros.core.errors import ConfigError, OutputError, SourceError, WeightsError
from mfaranet_ros.core.files import write_file, write_json
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.specification_file import (
    NETWORK_SUFFIXES,
    dump_specification,
    open_network_file,
    specification_path,
)

Image = NDArray[np.uint8]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the file, where its specification comes from, and what it is tried on."""
    parser.add_argument('file', type=Path, help='.onnx, or .xml of OpenVINO')
    parser.add_argument(
        '--preset', metavar='NAME', help=f'begin with that of: {", ".join(list_presets())}'
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace the specification beside the file'
    )
    parser.add_argument('--image', type=Path, metavar='FILE', help='segment this image')
    parser.add_argument(
        '--out', type=Path, metavar='FILE', help='for the result; default: NAME_IMAGE.png'
    )
    parser.add_argument(
        '--compare', type=Path, metavar='FILE', help='class ids of the image as 8-bit PNG'
    )
    parser.add_argument('--max-mb', type=float, default=DEFAULT_MAX_MB, metavar='MB',
                        help='largest file that is opened; default: %(default)s')  # fmt: skip
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Print what is known of the file; write the specification and the image."""
    path = args.file.expanduser()
    if path.suffix not in NETWORK_SUFFIXES:
        raise ConfigError(f'{path}: give a network file, {" or ".join(NETWORK_SUFFIXES)}')
    if not path.is_file():
        raise WeightsError(f'network file {path} does not exist')
    if args.compare and not args.image:
        raise ConfigError('--compare needs --image FILE, the image of the labels')
    facts = read_facts(path, args.max_mb)
    _print_facts(path, facts)
    found: dict[str, Any] = {'inputs': list(map(str, facts.inputs)),
                             'outputs': list(map(str, facts.outputs))}  # fmt: skip
    beside = specification_path(path)
    if beside.exists() and not args.overwrite:
        if args.preset:
            raise OutputError(f'{beside} exists: give --overwrite to replace it by the preset')
        fit(open_network_file(path).specification, facts, beside)
        print(f'{beside}: fits the file')
    else:
        _write_specification(path, beside, facts, args.preset)
    if args.image:
        found |= _try(path, args)
    if args.json:
        write_json(args.json, found)
    return 0


def _print_facts(path: Path, facts: FileFacts) -> None:
    opset = f'opset {facts.opset}, ' if facts.opset else ''
    print(f'{path}: {facts.megabytes:.1f} MB, {opset}{facts.producer or "unknown producer"}')
    for kind, tensors in (('input', facts.inputs), ('output', facts.outputs)):
        for tensor in tensors:
            made_by = f', made by {tensor.made_by}' if tensor.made_by else ''
            print(f'  {kind:<7}{tensor}{made_by}')


def _write_specification(path: Path, beside: Path, facts: FileFacts, preset: str | None) -> None:
    if preset:
        specification = fit(read_preset(preset), facts, Path(f'preset {preset}'))
        notes = ['check the classes and the size: a preset knows the export, not the training']
    else:
        drafted = draft(facts, path.stem)
        specification = drafted.specification
        for line in drafted.concluded:
            print(f'  concluded: {line}')
        notes = [f'please specify: {line}' for line in drafted.told]
    write_file(beside, dump_specification(specification, file=path.name))
    print(f'{beside}: {"from the preset" if preset else "a draft"}, written; now edit it')
    for line in notes:
        print(f'  {line}')
    if not specification.has_confidence:
        print('  the network gives labels only: set drivable.min_confidence to 0')


def _try(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Segment the image, write what is seen, and return the figures."""
    from mfaranet_ros.pipeline.segmenter import Segmenter

    image = cv2.imread(str(args.image), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f'{args.image} is no image that can be read')
    network = open_network_file(path)
    settings: dict[str, Any] = {'model_max_file_mb': max(1, round(args.max_mb))}
    if path.suffix == '.xml':
        settings['runtime_precision'] = 'float32'  # what a wrong draft gives is hardly sure
    if not network.specification.has_confidence:
        settings['drivable_min_confidence'] = 0.0
    with Segmenter(weights=path, **settings) as segmenter:
        result = segmenter(np.asarray(image, np.uint8), encoding='bgr8')
        overlay = segmenter.overlay(result)[..., ::-1]
        label_set = segmenter.label_set
    out = args.out or Path(f'{path.stem}_{args.image.stem}.png')
    ok, data = cv2.imencode('.png', np.hstack([image, overlay]))
    if not ok:
        raise OutputError(f'cannot write {out}')
    write_file(out, data.tobytes())
    shares = _shares(result.labels, label_set)
    print(f'{out}: the image and what is seen in it')
    for name, share in shares.items():
        print(f'  {share:7.2%} {name}')
    found: dict[str, Any] = {'shares': shares}
    if args.compare:
        found['agreement'] = _compare(args.compare, result.labels, label_set)
    return found


def _shares(labels: Image, label_set: LabelSet) -> dict[str, float]:
    """Return the share of the image that each class has, the largest first."""
    counts = np.bincount(labels.ravel(), minlength=256) / labels.size
    names = (*label_set.names, *['unlabeled'] * (256 - len(label_set)))
    found = {names[i]: float(counts[i]) for i in np.argsort(-counts, kind='stable') if counts[i]}
    return dict(list(found.items())[:12])


def _compare(path: Path, labels: Image, label_set: LabelSet) -> dict[str, float]:
    """Print and return the share of equal pixels, of all and of each class of the reference."""
    reference = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if reference is None or reference.ndim != 2 or reference.dtype != np.uint8:
        raise SourceError(f'{path} is no 8-bit PNG of class ids with one channel')
    if reference.shape != labels.shape:
        raise SourceError(
            f'{path} is {reference.shape[0]}x{reference.shape[1]}, but the image is '
            f'{labels.shape[0]}x{labels.shape[1]}'
        )
    known = reference != UNLABELED
    if not known.any():
        raise SourceError(f'{path} has no labeled pixel')
    same = labels == reference
    found = {'all': float(same[known].mean())}
    for number, name in enumerate(label_set.names):
        if (of_class := reference == number).any():
            found[name] = float(same[of_class].mean())
    print(f'{path}: {found["all"]:.2%} of the labeled pixels are equal')
    for name, share in found.items():
        if name != 'all':
            print(f'  {share:7.2%} of {name}')
    return found
