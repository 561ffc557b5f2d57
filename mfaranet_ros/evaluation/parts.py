"""The frames of one bag, or of all, with the sum of their counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mfaranet_ros.evaluation.counts import Counts, total
from mfaranet_ros.evaluation.measures import Spread, spreads
from mfaranet_ros.evaluation.record import FrameRecord, Record, Skipped
from mfaranet_ros.evaluation.run import Evaluation, score_picture
from mfaranet_ros.evaluation.specs import Account
from mfaranet_ros.labels import LabelSet
from mfaranet_ros.pipeline.monitor import PROCESSING


@dataclass(frozen=True)
class Part:
    """Frames that are scored together, in order.

    skipped: frames that could not be decoded. accounts: of the bags or folders they are of.
    """

    name: str
    label_set: LabelSet
    frames: tuple[FrameRecord, ...]
    skipped: tuple[Skipped, ...]
    accounts: tuple[Account, ...]

    @cached_property
    def counts(self) -> Counts:
        """The sum over all frames."""
        return total((frame.counts for frame in self.frames), len(self.label_set))

    @cached_property
    def scores(self) -> Evaluation | None:
        """The scores of the frames that have a truth; None where none has."""
        scored = [frame for frame in self.frames if frame.truth]
        if not scored:
            return None
        pictures = tuple(
            score_picture(frame.name, frame.counts.matrix(), self.label_set) for frame in scored
        )
        return Evaluation(self.label_set, self.counts.matrix(), pictures)

    @cached_property
    def spreads(self) -> Mapping[str, Spread]:
        """The times of every stage."""
        return spreads(frame.ms for frame in self.frames)

    @property
    def is_metric(self) -> bool:
        """Whether anything was compared in metres."""
        metric = self.counts.metric
        return bool(metric.free_truth.any() or metric.blocked.any() or metric.errors.any())

    def over(self, budget_ms: float) -> int:
        """Return how many frames took longer than the budget."""
        return sum(frame.ms[PROCESSING] > budget_ms for frame in self.frames)

    def ranked(self) -> list[FrameRecord]:
        """Return the frames that have a score from the worst to the best: by mean IoU where there
        is truth, else by flicker, the largest first.
        """
        if self.scores is not None:
            frames = [frame for frame in self.frames if frame.truth]
            ious = {id(frame): frame.counts.matrix().mean_iou() for frame in frames}
            known = [frame for frame in frames if not math.isnan(ious[id(frame)])]
            return sorted(known, key=lambda frame: ious[id(frame)])
        compared = [frame for frame in self.frames if frame.counts.flicker[1, 0]]
        return sorted(compared, key=flicker_share, reverse=True)


def flicker_share(frame: FrameRecord) -> float:
    """Return the share of a frame's pixels whose label differs from the frame before; nan where
    none was compared. Where the truth is known, only pixels whose true class stays count.
    """
    for compared, changed in frame.counts.flicker.tolist():
        if compared:
            return float(changed / compared)
    return math.nan


@dataclass(frozen=True)
class Results:
    """All that came of an evaluation: together, and of each bag or folder."""

    together: Part
    parts: tuple[Part, ...]

    @property
    def truncated(self) -> tuple[str, ...]:
        """What is missing of damaged bags."""
        texts = (account.truncated for account in self.together.accounts)
        return tuple(text for text in texts if text)


def assemble(
    records: Iterable[Record], accounts: Sequence[Account], label_set: LabelSet
) -> Results:
    """Return the results of records that came in any order; accounts: in the order to show."""
    by_name: dict[str, list[Record]] = {account.name: [] for account in accounts}
    for record in records:
        by_name[record.source].append(record)
    parts = tuple(_part(account, by_name[account.name], label_set) for account in accounts)
    together = Part(
        'all',
        label_set,
        tuple(frame for part in parts for frame in part.frames),
        tuple(frame for part in parts for frame in part.skipped),
        tuple(accounts),
    )
    return Results(together, parts)


def _part(account: Account, records: list[Record], label_set: LabelSet) -> Part:
    ordered = sorted(records, key=lambda record: record.number)
    frames = tuple(record for record in ordered if isinstance(record, FrameRecord))
    skipped = tuple(record for record in ordered if isinstance(record, Skipped))
    return Part(account.name, label_set, frames, skipped, (account,))
