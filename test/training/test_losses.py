# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The loss: the published values, what is ignored, rare or partial, always finite."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mfaranet_ros.models import StageOutputs, create_model
from mfaranet_ros.training import losses
from mfaranet_ros.training.config import LossConfig
from mfaranet_ros.training.distributed import ALONE
from mfaranet_ros.training.losses import JointLoss

PARITY = Path(__file__).resolve().parents[3] / 'shared/parity/multi_scale_joint_supervision.npz'

needs_parity = pytest.mark.skipif(not PARITY.exists(), reason=f'{PARITY} is not there')


@pytest.fixture
def parity():
    """What the authors' loss gives for one stage, as tensors."""
    with np.load(PARITY) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file}


def one_stage(reference):
    """Outputs whose only scale is that of the reference."""
    return StageOutputs((1,), (reference['logits'],), (), (reference['edge_logits'],))


def make_labels(*, seed=0, size=(2, 24, 32), classes=5, ignored=0.2):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, classes, (size[0], 4, 4)).astype(np.uint8)
    labels = np.kron(coarse, np.ones((1, size[1] // 4, size[2] // 4), np.uint8))
    labels[random.random(size) < ignored] = 255
    return torch.from_numpy(labels)


def make_outputs(labels, *, classes=5, scales=4, seed=0):
    """Random outputs at a quarter of the labels' size that need gradients."""
    torch.manual_seed(seed)
    shape = (len(labels), classes, labels.shape[1] // 4, labels.shape[2] // 4)

    def draw(channels=classes):
        return torch.randn(shape[0], channels, *shape[2:], requires_grad=True)

    return StageOutputs(
        tuple(range(1, scales + 1)),
        tuple(2 * draw() for _ in range(scales)),
        tuple(draw().sigmoid() for _ in range(scales)) if scales > 1 else (),
        tuple(draw(1) for _ in range(scales)),
    )


# -- the published values ------------------------------------------------------------------------


@needs_parity
def test_boundary_is_the_published_one(parity):
    ours = losses.boundary_of(parity['labels'])
    assert torch.equal(ours, parity['boundary'][:, 0].bool())


@needs_parity
@pytest.mark.parametrize(
    ('pixels', 'segmentation'),
    [(100_000, 'joint_edge_ohem_seg'), (2000, 'joint_edge_ohem_seg_min_kept_2000')],
)
def test_loss_is_the_published_one(parity, pixels, segmentation):
    parts = JointLoss(LossConfig(hard_pixels=pixels, attention_images=0.0))(
        one_stage(parity), parity['labels']
    )
    wanted = {
        'segmentation': segmentation,
        'boundary': 'joint_edge_ohem_edge',
        'attention': 'joint_edge_ohem_att',
    }
    for part, name in wanted.items():
        assert float(getattr(parts, part)) == pytest.approx(float(parity[name]), rel=1e-4), part
    total = sum(float(parity[name]) for name in wanted.values())
    assert float(parts.total) == pytest.approx(total, rel=1e-4)
    if pixels == 100_000:
        assert float(parts.total) == pytest.approx(float(parity['joint_edge_ohem']), rel=1e-4)


@needs_parity
def test_image_weighted_loss_is_the_published_one(parity):
    labels = parity['labels'].long()
    loss = losses.pixel_loss(parity['logits'], labels)
    everywhere = torch.ones_like(labels, dtype=torch.bool)
    ours = losses.image_losses(loss, labels, everywhere).sum()
    assert float(ours) == pytest.approx(float(parity['joint_edge_seg']), rel=1e-4)


@needs_parity
def test_attention_over_images_is_the_published_sum_for_as_many(parity):
    config = LossConfig(attention_images=2.0, hard_pixels=100_000)
    parts = JointLoss(config)(one_stage(parity), parity['labels'])
    assert float(parts.attention) == pytest.approx(float(parity['joint_edge_ohem_att']), rel=1e-4)


# -- each part against a plain reading of its definition -----------------------------------------


def test_boundary_counts_ignored_pixels_as_a_label():
    labels = torch.full((1, 9, 9), 3, dtype=torch.uint8)
    assert not losses.boundary_of(labels).any()
    labels[0, 4, 4] = 255
    boundary = losses.boundary_of(labels)[0]
    assert torch.equal(boundary, F.pad(torch.ones(5, 5, dtype=torch.bool), (2, 2, 2, 2)))


@pytest.mark.parametrize('least', [1, 50, 10_000])
def test_hard_pixels_are_the_least_probable(least):
    labels = make_labels()
    probability = torch.rand(labels.shape)
    kept = losses.hard_pixels(-probability.log(), labels.long(), 0.3, least, ALONE)
    values = np.sort(probability[labels != 255].numpy())
    limit = max(0.3, values[min(least, len(values)) - 1])
    wanted = (probability.numpy() <= limit + 1e-6) & (labels.numpy() != 255)
    assert np.array_equal(kept.numpy(), wanted)


def test_the_fused_logits_and_each_scale_count():
    labels = make_labels(ignored=0.0)
    outputs = make_outputs(labels, scales=2)
    config = LossConfig(segmentation=0.0, boundary=0.0, attention=0.0)
    parts = JointLoss(config)(outputs, labels)
    full = F.interpolate(outputs.fused, labels.shape[1:], mode='bilinear', align_corners=True)
    assert torch.allclose(parts.total, F.cross_entropy(full, labels.long()))
    config = LossConfig(fused=0.0, boundary=0.0, attention=0.0, hard_probability=1.0)
    parts = JointLoss(config)(outputs, labels)
    wanted = sum(
        F.cross_entropy(
            F.interpolate(score, labels.shape[1:], mode='bilinear', align_corners=True),
            labels.long(),
        )
        for score in outputs.scores
    )
    assert torch.allclose(parts.total, wanted)


def test_one_scale_is_not_counted_twice():
    labels = make_labels()
    parts = JointLoss(LossConfig())(make_outputs(labels, scales=1), labels)
    assert parts.fused == 0.0
    assert parts.segmentation > 0.0


@pytest.mark.parametrize('kind', ['sqrt', 'log'])
def test_class_weights_favour_the_rare_and_keep_the_mean(kind):
    shares = torch.tensor([0.7, 0.25, 0.05, 0.0])
    weights = losses.class_weights(shares, kind)
    assert torch.all(weights[1:] > weights[:-1])
    assert float((weights * shares).sum()) == pytest.approx(1.0, abs=1e-3)
    assert torch.isfinite(weights).all()


def test_class_weights_weigh_the_pixels():
    labels = torch.tensor([[[0, 1, 255]]], dtype=torch.long)
    loss = torch.tensor([[[1.0, 4.0, 100.0]]])
    weights = torch.tensor([1.0, 3.0])
    assert float(losses.mean_loss(loss, labels, weights, ALONE)) == pytest.approx(13 / 4)


def test_no_class_weights_by_default():
    assert losses.class_weights(torch.tensor([0.5, 0.5]), 'none') is None


@pytest.mark.parametrize('stride', [2, 3, 4])
def test_stride_looks_at_every_nth_pixel(stride):
    labels = F.pad(make_labels(size=(2, 48, 60)), (0, 1, 0, 1), value=1)
    outputs = make_outputs(labels)
    config = LossConfig(stride=stride, segmentation=0.0, boundary=0.0, attention=0.0)
    loss = losses.pixel_loss(outputs.fused, labels.long())[:, ::stride, ::stride]
    wanted = loss[labels[:, ::stride, ::stride] != 255].mean()
    assert torch.allclose(JointLoss(config)(outputs, labels).total, wanted)


# -- nothing that is not finite ------------------------------------------------------------------

EXTREMES = {
    'ordinary': make_labels(),
    'no boundary': torch.zeros(2, 24, 32, dtype=torch.uint8),
    'nothing labeled': torch.full((2, 24, 32), 255, dtype=torch.uint8),
    'one image without labels': torch.cat(
        [make_labels(size=(1, 24, 32)), torch.full((1, 24, 32), 255, dtype=torch.uint8)]
    ),
    'one pixel': F.pad(torch.ones(2, 1, 1, dtype=torch.uint8), (0, 31, 0, 23), value=255),
}


@pytest.mark.parametrize('name', EXTREMES)
@pytest.mark.parametrize('boundary', [-50.0, 0.0, 50.0])
@pytest.mark.parametrize('size', [1.0, 1e4])
def test_loss_and_gradients_are_finite(name, boundary, size):
    labels = EXTREMES[name]
    drawn = make_outputs(labels)
    scores = tuple((size * score).detach().requires_grad_() for score in drawn.scores)
    boundaries = tuple(
        torch.full_like(logits, boundary).requires_grad_() for logits in drawn.boundaries
    )
    outputs = StageOutputs(drawn.scales, scores, drawn.attentions, boundaries)
    weights = losses.class_weights(torch.full((5,), 0.2), 'sqrt')
    parts = JointLoss(LossConfig(), weights)(outputs, labels)
    assert torch.isfinite(parts.total)
    parts.total.backward()
    for tensor in (*scores, *boundaries):
        assert torch.isfinite(tensor.grad).all()


def test_nothing_labeled_costs_nothing_but_the_boundaries():
    labels = EXTREMES['nothing labeled']
    parts = JointLoss(LossConfig())(make_outputs(labels), labels)
    assert parts.total == 0.0


# -- with a network ------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return create_model('mfaranet_resnet18', classes=5, training_heads=True)


def test_every_parameter_of_the_network_is_trained(network):
    labels = make_labels(size=(2, 64, 64))
    network.train()
    JointLoss(LossConfig())(
        network.stage_outputs(torch.randn(2, 3, 64, 64)), labels
    ).total.backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    network.zero_grad(set_to_none=True)
    assert not idle


def test_loss_is_float32_under_autocast(network):
    labels = make_labels(size=(1, 64, 64))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        outputs = network.eval().stage_outputs(torch.randn(1, 3, 64, 64))
        assert outputs.scores[0].dtype == torch.bfloat16
        total = JointLoss(LossConfig())(outputs, labels).total
    assert total.dtype == torch.float32
    assert torch.isfinite(total)


# -- partial labels: -log of the summed probabilities, in every term -----------------------------

SETS = ((0, 1), (1, 2, 3), (0, 1, 2, 3, 4))
CLASSES = 5


def make_partial(seed=0, ignored=0.2):
    """Labels in which a third of the blocks are of a set: codes 5 to 7."""
    return make_labels(seed=seed, classes=CLASSES + len(SETS), ignored=ignored)


def test_the_loss_is_minus_the_log_of_the_sum():
    labels = make_partial().long()
    logits = 3 * torch.randn(2, CLASSES, *labels.shape[1:])
    loss = losses.pixel_loss(logits, labels, SETS)
    probabilities = logits.double().softmax(1)
    for code, entries in enumerate([(0,), (1,), (2,), (3,), (4,), *SETS]):
        of_code = labels == code
        assert of_code.any()
        wanted = -probabilities[:, list(entries)].sum(1).log()[of_code]
        assert torch.allclose(loss[of_code].double(), wanted, atol=1e-5)
    assert not loss[labels == 255].any()


def test_all_classes_cost_nothing():
    labels = torch.full((1, 8, 8), CLASSES + 2)
    loss = losses.pixel_loss(torch.randn(1, CLASSES, 8, 8), labels, SETS)
    assert loss.abs().max() < 1e-6


@pytest.mark.parametrize('kind', ['none', 'sqrt'])
def test_sets_that_do_not_occur_change_nothing(kind):
    """Labels of classes alone cost the same, and pull the same way, with sets in the tables."""
    labels = make_labels(ignored=0.1)
    shares = torch.full((CLASSES,), 0.2)
    weights = losses.class_weights(shares, kind)
    with_sets = None if weights is None else losses.set_weights(weights, shares, SETS)
    totals, gradients = [], []
    for arguments in ((weights,), (with_sets, ALONE, SETS)):
        outputs = make_outputs(labels)
        total = JointLoss(LossConfig(hard_pixels=300), *arguments)(outputs, labels).total
        totals.append(total.item())
        gradients.append(torch.autograd.grad(total, (*outputs.scores, *outputs.boundaries)))
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-7)


def test_the_gradient_goes_to_the_classes_of_the_set():
    logits = torch.zeros(1, CLASSES, 4, 4, requires_grad=True)
    labels = torch.full((1, 4, 4), CLASSES + 1)
    losses.pixel_loss(logits, labels, SETS).sum().backward()
    pull = logits.grad[0, :, 0, 0]
    assert (pull[[1, 2, 3]] < 0).all()
    assert (pull[[0, 4]] > 0).all()


@pytest.mark.parametrize('size', [1.0, 1e4])
@pytest.mark.parametrize('stride', [1, 2])
def test_every_term_and_its_gradient_are_finite(size, stride):
    labels = make_partial(ignored=0.01)
    drawn = make_outputs(labels)
    scores = tuple((size * score).detach().requires_grad_() for score in drawn.scores)
    boundaries = tuple((9 * b).detach().requires_grad_() for b in drawn.boundaries)
    outputs = StageOutputs(drawn.scales, scores, drawn.attentions, boundaries)
    config = LossConfig(stride=stride, hard_pixels=100)
    parts = JointLoss(config, None, ALONE, SETS)(outputs, labels)
    parts.total.backward()
    for name in ('fused', 'segmentation', 'boundary', 'attention'):
        assert 0 < getattr(parts, name).item() < math.inf, name
    for tensor in (*scores, *boundaries):
        assert torch.isfinite(tensor.grad).all()


def test_a_set_that_holds_the_class_costs_less_in_every_score():
    """Naming fewer classes is the stricter ground truth, so no term of the scores may become
    cheaper."""
    exact = torch.full((2, 24, 32), 1, dtype=torch.uint8)
    exact[:, :, 16:] = 4
    coarse = torch.where(exact == 1, CLASSES, exact)  # 0 or 1
    outputs = make_outputs(exact)
    loss = JointLoss(LossConfig(hard_probability=1.0), None, ALONE, SETS)
    strict, lax = loss(outputs, exact), loss(outputs, coarse)
    assert lax.fused < strict.fused
    assert lax.segmentation < strict.segmentation


# -- boundaries ----------------------------------------------------------------------------------


def known(labels):
    ground_truth = losses.boundary_of(labels)
    return ground_truth, losses.boundary_known(labels, ground_truth, CLASSES, SETS)


def two_halves(left, right):
    labels = torch.full((1, 12, 12), left, dtype=torch.uint8)
    labels[:, :, 6:] = right
    return labels


def test_without_sets_every_boundary_is_known():
    labels = make_labels()
    assert losses.boundary_known(labels, losses.boundary_of(labels), CLASSES, ()) is None


@pytest.mark.parametrize(
    ('left', 'right', 'at_edge', 'left_inside', 'right_inside'),
    [
        (0, 4, True, True, True),
        (0, 255, True, True, True),
        (5, 4, True, False, True),  # 0 or 1 beside 4: a boundary, and perhaps others on the left
        (5, 0, False, False, True),  # 0 or 1 beside 0: perhaps one region
        (5, 6, False, False, False),  # they share class 1
        (5, 255, True, False, True),
    ],
)
def test_boundaries_of_sets(left, right, at_edge, left_inside, right_inside):
    ground_truth, sure = known(two_halves(left, right))
    edge = slice(4, 8)  # the columns whose window of five sees both halves
    assert ground_truth[0, :, edge].all()
    assert bool(sure[0, :, edge].all()) == bool(sure[0, :, edge].any()) == at_edge
    assert bool(sure[0, :, :4].all()) == bool(sure[0, :, :4].any()) == left_inside
    assert bool(sure[0, :, 8:].all()) == bool(sure[0, :, 8:].any()) == right_inside
    assert not ground_truth[0, :, :4].any()
    assert not ground_truth[0, :, 8:].any()


def test_what_is_not_known_has_no_gradient():
    ground_truth, sure = known(two_halves(5, 4))
    logits = torch.randn(1, 12, 12, requires_grad=True)
    losses.boundary_loss(logits, ground_truth, ALONE, sure).backward()
    assert not logits.grad[~sure].any()
    assert (logits.grad[sure] != 0).all()


def test_all_known_is_the_published_loss():
    labels = make_labels()
    ground_truth = losses.boundary_of(labels)
    logits = torch.randn(labels.shape)
    everywhere = torch.ones_like(ground_truth)
    ours = losses.boundary_loss(logits, ground_truth, ALONE, everywhere)
    assert torch.allclose(ours, losses.boundary_loss(logits, ground_truth, ALONE))


def test_nothing_known_costs_nothing():
    labels = torch.full((1, 12, 12), CLASSES, dtype=torch.uint8)
    ground_truth, sure = known(labels)
    assert losses.boundary_loss(torch.randn(1, 12, 12), ground_truth, ALONE, sure) == 0.0


# -- weights -------------------------------------------------------------------------------------


def test_a_set_weighs_what_its_pixels_would():
    shares = torch.tensor([0.6, 0.3, 0.1])
    weights = torch.tensor([1.0, 2.0, 5.0])
    whole = losses.set_weights(weights, shares, ((0, 1), (0, 1, 2)))
    assert torch.equal(whole[:3], weights)
    assert float(whole[3]) == pytest.approx((0.6 + 0.6) / 0.9)
    assert float(whole[4]) == pytest.approx(0.6 + 0.6 + 0.5)
