"""What networks with one score share: their heads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mfaranet_ros.models.base import ALL_SCALES, SegmentationModel, StageOutputs
from mfaranet_ros.models.layers import resize


class SingleScore(SegmentationModel):
    """A network that scores its finest features, and while it is trained its coarser ones, too.

    width: channels of the finest features, at stride 4. coarser: those of the features that only
    the loss looks at, level by level. training_heads: with what scores them, and with boundaries.
    """

    TRAINING_HEADS = ('auxiliary_heads', 'boundary_heads')

    def __init__(
        self,
        width: int,
        coarser: Sequence[int] = (),
        *,
        classes: int,
        training_heads: bool = False,
    ) -> None:
        super().__init__(classes=classes, scales=ALL_SCALES)
        auxiliary = coarser if training_heads else ()
        bounded = (width, *coarser) if training_heads else ()
        self.score = nn.Conv2d(width, classes, 1)
        self.auxiliary_heads = nn.ModuleList(nn.Conv2d(w, classes, 1) for w in auxiliary)
        self.boundary_heads = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in bounded)

    def read(self, finest: Tensor, coarser: Sequence[Tensor] = ()) -> StageOutputs:
        """Return the score of the finest features, and of all features what only the loss needs.

        finest: (N, width, h, w). coarser: as many as were said, finer ones first.
        """
        size = finest.shape[-2:]
        scores = [self.score(finest)]  # (N, C, h, w)
        boundaries = []
        for head, features in zip(self.auxiliary_heads, coarser, strict=False):
            scores.append(resize(head(features), size))
        for head, features in zip(self.boundary_heads, (finest, *coarser), strict=False):
            boundaries.append(resize(head(features), size))  # (N, 1, h, w)
        scales = ALL_SCALES[: len(scores)]
        return StageOutputs(scales=scales, scores=tuple(scores), boundaries=tuple(boundaries))
