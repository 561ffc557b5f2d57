# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Quantises a network, measures the result, and writes it only where it does no harm."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from mfaranet_ros.backends.export import specify
from mfaranet_ros.backends.file_backend import precision_of
from mfaranet_ros.backends.network import Network, load_network
from mfaranet_ros.backends.onnx_graph import OPSET, make_graph
from mfaranet_ros.core.config import ModelConfig, PipelineConfig, RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.files import write_files
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.specification import ExportFacts, NetworkFile, Specification
from mfaranet_ros.core.specification_file import dump_specification, specification_path
from mfaranet_ros.core.versions import versions
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.file_preprocess import FilePreprocess
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.quantisation.graph import (
    Floats,
    compact,
    for_tensorrt,
    import_nncf,
    is_quantised,
    opset_of,
    quantise_graph,
    simplify,
)
from mfaranet_ros.quantisation.layers import LayerNoise, at_fault, compare_layers
from mfaranet_ros.quantisation.measure import (
    Candidates,
    CheckSet,
    Measurement,
    Remembering,
    measure,
    spread,
)

ROUNDS = 3
"""How often it is tried; from the second time on with layers left in float32."""

_DARK, _FLAT = 8, 2.0
"""A frame whose brightest pixel or whose contrast is below says nothing about a network."""


@dataclass(frozen=True)
class Request:
    """What is to be quantised and how it is judged.

    model: the network and its float weights. calibration: folders, videos or bags. images: how
    many of their frames are used. checks: what it is measured on; empty: the calibration frames.
    limit: most frames of each of them, 0 for all. threads: of the network, 0: as it chooses.
    """

    model: ModelConfig
    calibration: tuple[Path, ...]
    images: int = 64
    checks: tuple[CheckSet, ...] = ()
    limit: int = 0
    threads: int = 0


@dataclass(frozen=True)
class Quantised:
    """An INT8 file that passed, as bytes, and what was measured.

    specification: of the file, without its hash. kept: layers left in float32. noise: of the
    quantised layers, the worst first. tensorrt: the variant for TensorRT; None where that one did
    not pass.
    """

    data: bytes
    tensorrt: bytes | None
    specification: Specification
    measured: Measurement
    kept: tuple[str, ...]
    noise: tuple[LayerNoise, ...]


class QuantisationRefusedError(ConfigError):
    """The INT8 form of a network does harm or gains nothing; nothing was written.

    measured: the last attempt. kept: layers that stayed in float32 in it. noise: of the layers of
    the first attempt, the worst first.
    """

    def __init__(
        self, measured: Measurement, kept: Sequence[str], noise: Sequence[LayerNoise]
    ) -> None:
        self.measured, self.kept, self.noise = measured, tuple(kept), tuple(noise)
        layers = ', '.join(f'{layer.name} (noise {layer.noise:.2g})' for layer in noise[:5])
        super().__init__(
            f'INT8 is refused and nothing was written: {"; ".join(measured.problems())}; worst '
            f'layers: {layers or "none"}; layers left in float32 without success: {len(kept)}'
        )


OnStep = Callable[[str], object]


def quantise(request: Request, on_step: OnStep = lambda step: None) -> Quantised:
    """Return the INT8 form of a network, measured and found harmless.

    on_step: called with what is being done.
    Raises QuantisationRefusedError where INT8 does harm or gains nothing, even with the layers at
    fault left in float32, SourceError for calibration images that cannot be used, and ConfigError
    where NNCF, onnx or openvino is missing.
    """
    import_nncf()
    network = load_network(request.model)
    check_source(network, request.model)
    frames = calibration_frames(request.calibration, request.images)
    on_step('exporting')
    plain = simplify(_float_graph(network))
    checks = request.checks or tuple(CheckSet(path) for path in request.calibration)
    kept: list[str] = []
    first_noise: tuple[LayerNoise, ...] = ()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(_Bench(request, network, Path(folder), checks)) as bench,
    ):
        plain_file = bench.write('float32', plain)
        inputs = _inputs(plain_file, frames)
        for attempt in range(ROUNDS):
            on_step(f'quantising, {len(kept)} layers in float32' if kept else 'quantising')
            data = quantise_graph(plain, inputs, kept)
            on_step('measuring')
            measured = bench.measure(data)
            noise = compare_layers(plain, data, inputs[:2])
            first_noise = first_noise or noise
            if not measured.problems():
                break
            if attempt == ROUNDS - 1 or not measured.losses():
                raise QuantisationRefusedError(measured, kept, first_noise)
            kept += at_fault(noise)
        on_step('measuring the variant for TensorRT')
        signed = for_tensorrt(data)
        harmless = not bench.measure(signed).losses()
    specification = _specify(network, 'int8')
    return Quantised(
        data, signed if harmless else None, specification, measured, tuple(kept), first_noise
    )


def check_source(network: Network, given: ModelConfig) -> None:
    """Raise ConfigError for a network that cannot be quantised."""
    model, name = network.model, given.weights or given.name
    if model is None:
        raise ConfigError(f'{name} has no weights to quantise: give the name of a network')
    if not isinstance(model, NetworkFile):
        return
    if model.path.suffix != '.onnx' or model.specification.input.type != 'float32':
        raise ConfigError(
            f'{name} cannot be quantised: give an .onnx file with an input of float32, or '
            '.safetensors or .pth weights'
        )
    if precision_of(model) == 'int8' or is_quantised(model.path.read_bytes()):
        raise ConfigError(f'{name} is quantised already: give the float32 file it was made of')


def _float_graph(network: Network) -> bytes:
    """Return a network in float32 as ONNX."""
    if isinstance(network.model, NetworkFile):
        return network.model.path.read_bytes()
    assert network.model is not None
    return make_graph(network.model, precision='float32', outputs='logits', size=None)


def _specify(network: Network, precision: str) -> Specification:
    """Return the specification of a file made of a network, without its hash."""
    facts = _facts(network, precision)
    if isinstance(network.model, NetworkFile):
        return replace(network.model.specification, export=facts, sha256='')
    return specify(network, facts, None, '')


def calibration_frames(paths: Sequence[Path], count: int) -> list[Frame]:
    """Return frames of all recordings, spread evenly.

    Raises SourceError where there is no frame, or none that shows anything.
    """
    if not paths:
        raise SourceError('no calibration images: give a folder, a video or a bag')
    share = max(1, count // len(paths))
    frames = [frame for path in paths for _, frame in spread(path, share)]
    useful = [frame for frame in frames if _shows_something(frame)]
    if not useful:
        raise SourceError(
            f'{", ".join(map(str, paths))}: '
            + (
                f'all {len(frames)} calibration images are black or of one colour: give images of '
                'the road'
                if frames
                else 'no calibration images: give a folder, a video or a bag that has some'
            )
        )
    return useful


def _shows_something(frame: Frame) -> bool:
    return int(frame.pixels.max()) >= _DARK and float(frame.pixels.std()) >= _FLAT


def _inputs(file: NetworkFile, frames: Sequence[Frame]) -> list[Floats]:
    preprocess = FilePreprocess(file.specification.input, (0, 0))
    return [np.asarray(preprocess(frame)[0], np.float32) for frame in frames]


def _facts(network: Network, precision: str) -> ExportFacts:
    model, weights = network.model, network.weights
    assert weights is not None
    return ExportFacts(
        model=network.name,
        scales=tuple(getattr(model, 'scales', ())),
        precision=precision,
        outputs='logits',
        opset=opset_of(model.path.read_bytes()) if isinstance(model, NetworkFile) else OPSET,
        weights=weights.path.name,
        weights_sha256=weights.sha256,
        versions=tuple((name, str(version)) for name, version in versions().items()),
    )


class _Bench:
    """Runs files of one network on the images they are judged by."""

    def __init__(
        self, request: Request, network: Network, folder: Path, checks: tuple[CheckSet, ...]
    ) -> None:
        self.request, self.network = request, network
        self.folder, self.checks = folder, checks
        self._open = ExitStack()

    def close(self) -> None:
        """Free the networks that all attempts share."""
        self._open.close()

    def write(self, precision: str, data: bytes) -> NetworkFile:
        """Write a file into the folder, as its precision is called, and return it."""
        path = self.folder / f'{precision}.onnx'
        digest = hashlib.sha256(data).hexdigest()
        specification = replace(_specify(self.network, precision), sha256=digest)
        text = dump_specification(specification, file=path.name)
        write_files({path: data, specification_path(path): text})
        return NetworkFile(path, specification, digest)

    def measure(self, data: bytes) -> Measurement:
        """Compare an INT8 file with the float32 file of the folder."""
        self.write('int8', data)
        int8 = self._processor('int8', 'auto')
        try:
            candidates = Candidates(self.plain, self.usual, int8)
            return measure(candidates, self.checks, limit=self.request.limit)
        finally:
            int8.close()

    @cached_property
    def plain(self) -> Remembering:
        """The float32 file in float32, run once for each frame."""
        return Remembering(self._kept('float32'))

    @cached_property
    def usual(self) -> FrameProcessor:
        """The float32 file as it would run without INT8."""
        return self._kept('auto')

    def _kept(self, precision: str) -> FrameProcessor:
        processor = self._processor('float32', precision)
        self._open.callback(processor.close)
        return processor

    def _processor(self, file: str, precision: str) -> FrameProcessor:
        given = self.request.model
        model = ModelConfig(
            name=given.name, weights=str(self.folder / f'{file}.onnx'), scales=given.scales
        )
        runtime = RuntimeConfig(
            backend='openvino', device='cpu', precision=precision, threads=self.request.threads
        )
        return build_processor(PipelineConfig(model=model, runtime=runtime))


def save(made: Quantised, out: Path) -> tuple[Path, ...]:
    """Write the INT8 file, its specification, and the variant for TensorRT; return the files.

    All are written or none. Raises OutputError.
    """
    contents: dict[Path, bytes | str] = {}
    for path, long in ((out, made.data), (tensorrt_path(out), made.tensorrt)):
        if long is None:
            continue
        data = compact(long)
        digest = hashlib.sha256(data).hexdigest()
        specification = replace(made.specification, sha256=digest)
        contents[path] = data
        contents[specification_path(path)] = dump_specification(specification, file=path.name)
    write_files(contents, parents=True, advice='give another --out')
    return tuple(contents)


def tensorrt_path(out: Path) -> Path:
    """Return where the variant for TensorRT of an INT8 file is written."""
    return out.with_name(f'{out.stem}_tensorrt{out.suffix}')
