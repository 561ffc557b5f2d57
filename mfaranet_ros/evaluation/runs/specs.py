# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where frames are to be taken from: values that any process can open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.files import hash_files
from mfaranet_ros.core.frame import MessageLike
from mfaranet_ros.data.bags.files import find_files
from mfaranet_ros.data.ground_truth import SourceReport
from mfaranet_ros.data.images import Layout, Pairs, check_pairs
from mfaranet_ros.evaluation.runs.bag_source import BagChoice, BagSource
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.sources import FolderSource, Selection
from mfaranet_ros.pipeline.processor import FrameProcessor

ALL = Selection()

PathOrUrl = TypeVar('PathOrUrl', bound=Path | str)


@dataclass(frozen=True)
class SourceSummary:
    """What a source was found to hold when all of it was read.

    frames: the images in it; taken: those that `--frames` chose. pairing: what became of each
    source of ground truth of a bag. notes: what is odd, one line each. truncated: what is missing
    of a damaged bag, else empty.
    """

    name: str
    files: tuple[str, ...]
    sha256: str
    frames: int
    taken: int
    pairing: tuple[SourceReport, ...] = ()
    notes: tuple[str, ...] = ()
    truncated: str = ''


@dataclass(frozen=True)
class FolderSpec:
    """A folder of images, matched with their ground truth and checked. sha256: of all of them.

    camera_info: of the camera that took them. metric: the folder of their ground truth in metres.
    """

    images: Path
    ground_truth: Path | None
    pairs: Pairs
    sha256: str
    selection: Selection
    ignored: tuple[int, ...] = ()
    camera_info: MessageLike | None = None
    metric: Path | None = None

    @property
    def name(self) -> str:
        """Name of the part in the report."""
        return self.images.expanduser().resolve().name

    def given(self) -> dict[str, Any]:
        """Return what was given, as the report says it."""
        ground_truth = str(self.ground_truth) if self.ground_truth else None
        metric = str(self.metric) if self.metric else None
        return {'images': str(self.images), 'ground_truth': ground_truth, 'metric': metric}

    def identity(self) -> dict[str, Any]:
        """Return plain values by which the same frames and ground truth are known again."""
        more = {
            'camera_info': repr(self.camera_info),
            'metric': str(self.metric),
            'ignored': self.ignored,
        }
        return {'sha256': self.sha256, **more, **asdict(self.selection)}

    def open(self, pipeline: FrameProcessor, comparison: LabelComparison) -> FolderSource:
        """Return the images; raises ConfigError for ground truth of another label set."""
        read = comparison.reader(self.pairs.layout, self.ignored)
        return FolderSource(
            self.name, self.pairs, read, self.selection, self.camera_info, pipeline.config.ground,
            self.metric,
        )  # fmt: skip

    def summary(self, source: FolderSource) -> SourceSummary:
        """Say what was in it."""
        return SourceSummary(
            self.name, (str(self.images),), self.sha256, len(self.pairs), source.frames
        )


@dataclass(frozen=True)
class BagSpec:
    """A bag, of one file or several."""

    name: str
    paths: tuple[Path, ...]
    choice: BagChoice
    selection: Selection
    ignored: tuple[int, ...] = ()

    def given(self) -> dict[str, Any]:
        """Return what was given, as the report says it."""
        choice = asdict(self.choice)
        given = choice['ground_truth']
        return {**choice, 'ground_truth': str(given) if given else None}

    def identity(self) -> dict[str, Any]:
        """Return plain values by which the same frames and ground truth are known again."""
        try:
            files = find_files(self.paths).files
            sizes = {str(file.path): file.path.stat().st_size for file in files}
        except SourceError:  # it is not a bag, or only the workers of a cluster see it
            sizes = {str(path): -1 for path in self.paths}
        choice = {name: str(value) for name, value in asdict(self.choice).items()}
        return {'files': sizes, **choice, 'ignored': self.ignored, **asdict(self.selection)}

    def open(self, pipeline: FrameProcessor, comparison: LabelComparison) -> BagSource:
        """Open the bag; raises SourceError for what is none, or lacks a topic."""
        read = comparison.reader(Layout(), self.ignored)
        return BagSource(
            self.name, self.paths, self.choice, read, self.selection, pipeline.config.ground
        )

    def summary(self, source: BagSource) -> SourceSummary:
        """Say what was in it, after all of it was read."""
        report = source.report
        return SourceSummary(
            self.name,
            tuple(str(path) for path in source.files),
            hash_files(source.files),
            report.images,
            self.selection.count(report.images),
            report.sources,
            source.notes,
            source.truncated,
        )


@dataclass(frozen=True)
class RemoteBagSpec:
    """A bag on object storage, at a URL that fsspec knows; it is copied to be read.

    bag: what is read of it; its paths are empty.
    """

    url: str
    bag: BagSpec

    @property
    def name(self) -> str:
        """Name of the part in the report."""
        return self.bag.name

    def given(self) -> dict[str, Any]:
        """Return what was given, as the report says it."""
        return {**self.bag.given(), 'url': self.url}

    def identity(self) -> dict[str, Any]:
        """Return plain values by which the same frames and ground truth are known again."""
        choice = {name: str(value) for name, value in asdict(self.bag.choice).items()}
        more = {'ignored': self.bag.ignored, **asdict(self.bag.selection)}
        return {'url': self.url, **choice, **more}

    def open(self, pipeline: FrameProcessor, comparison: LabelComparison) -> BagSource:
        """Copy and open the bag; raises SourceError where it cannot be had."""
        scratch = TemporaryDirectory(prefix='mfaranet_bag_')
        try:
            path = fetch(self.url, Path(scratch.name))
            source = replace(self.bag, paths=(path,)).open(pipeline, comparison)
        except BaseException:
            scratch.cleanup()
            raise
        source.on_close(scratch.cleanup)
        return source

    def summary(self, source: BagSource) -> SourceSummary:
        """Say what was in it, after all of it was read."""
        return replace(self.bag.summary(source), files=(self.url,))


def is_url(text: str) -> bool:
    """Say whether a text is a URL, such as s3://bucket/drive.mcap."""
    return '://' in text


def fetch(url: str, folder: Path) -> Path:
    """Copy a file or folder at a URL into a folder; return where it is.

    Raises SourceError where it is not there, and ConfigError for a missing package.
    """
    try:
        import fsspec
    except ImportError as error:
        raise ConfigError(f"{url} needs fsspec: pip install 'mfaranet_ros[ray]'") from error
    target = folder / url.rstrip('/').rpartition('/')[2]
    try:
        files, path = fsspec.core.url_to_fs(url)
        files.get(path, str(target), recursive=files.isdir(path))
    except ImportError as error:
        raise ConfigError(f'{url}: {error}') from error
    except Exception as error:  # each kind of storage raises its own
        reason = ' '.join(str(error).split()) or type(error).__name__
        raise SourceError(
            f'{url} cannot be read ({reason}): check the URL and the rights of the workers'
        ) from error
    return target


Spec = FolderSpec | BagSpec | RemoteBagSpec


def check_folder(
    images: Path,
    ground_truth: Path | None,
    pairs: Pairs,
    comparison: LabelComparison,
    *,
    selection: Selection = ALL,
    ignored: tuple[int, ...] = (),
    camera_info: MessageLike | None = None,
    metric: Path | None = None,
    on_pair: Callable[[], object] = lambda: None,
) -> FolderSpec:
    """Return a folder after all of its images and ground truth were read once; see FolderSpec.

    Raises SourceError, which names the files, for those that are broken or do not fit.
    """
    read = comparison.reader(pairs.layout, ignored)
    sha256 = check_pairs(pairs, read, on_pair)
    return FolderSpec(images, ground_truth, pairs, sha256, selection, ignored, camera_info, metric)


def bag_specs(
    bags: Sequence[Path | str],
    choice: BagChoice,
    selection: Selection = ALL,
    ignored: tuple[int, ...] = (),
) -> list[Spec]:
    """Return bags by the names of `name_bags`; raises SourceError for one given twice."""
    specs: list[Spec] = []
    for name, bag in name_bags(bags).items():
        if is_url(str(bag)):
            remote = BagSpec(name, (), choice, selection, ignored)
            specs.append(RemoteBagSpec(str(bag), remote))
        else:
            specs.append(BagSpec(name, (Path(bag),), choice, selection, ignored))
    return specs


def name_bags(bags: Sequence[PathOrUrl]) -> dict[str, PathOrUrl]:
    """Return bags by the names that reports call them: short where that is clear.

    Raises SourceError for a bag that is given twice, even by two paths.
    """
    places = [
        str(bag).rstrip('/') if is_url(str(bag)) else str(Path(bag).expanduser().resolve())
        for bag in bags
    ]
    twice = [str(bag) for bag, place in zip(bags, places, strict=True) if places.count(place) > 1]
    if twice:
        raise SourceError(f'--bag {" ".join(twice)}: give each bag once')
    stems = [
        Path(str(bag).rstrip('/')).stem
        if is_url(str(bag))
        else Path(bag).expanduser().resolve().stem
        for bag in bags
    ]
    names = stems if len(set(stems)) == len(stems) else [str(bag) for bag in bags]
    return dict(zip(names, bags, strict=True))
