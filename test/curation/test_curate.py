# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frames are scored, chosen, exported and read back; the recordings stay as they are."""

import hashlib
import json
import shutil

import cv2
import numpy as np
import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.curation.choose import choose
from mfaranet_ros.curation.ground_truth import write_ground_truth_bags
from mfaranet_ros.curation.picks import Curation, Pick
from mfaranet_ros.curation.scoring import Candidate, FrameValues, with_rarity, worth
from mfaranet_ros.data.recordings import open_recording

MOCK = ('--set', 'runtime.backend=mock')


def candidate(number, features=(1.0, 0.0), shares=(1.0, 0.0), problem='', **values):
    features = np.array(features, np.float32) / np.linalg.norm(features)
    return Candidate(
        None, number, str(number), None, FrameValues(**values), features, np.array(shares), problem
    )


def test_the_frames_that_are_chosen_differ():
    alike = [candidate(i, (1, 0.001 * i), uncertainty=0.9) for i in range(5)]
    other = candidate(5, (0, 1), uncertainty=0.2)
    every = [*alike, other]
    assert choose(every, worth(every, ['uncertainty']), 2)[1] == 5


def test_of_equally_different_frames_the_one_worth_more_is_chosen():
    every = [candidate(i, np.eye(4)[i], uncertainty=u) for i, u in enumerate((0.1, 0.9, 0.5, 0.3))]
    assert choose(every, worth(every, ['uncertainty']), 4) == [1, 2, 3, 0]


def test_duplicates_and_frames_with_a_problem_are_never_chosen():
    every = [candidate(0), candidate(1), candidate(2, (0, 1), problem='black')]
    assert choose(every, np.ones(3), 3) == [0]


def test_a_rare_class_makes_a_frame_worth_more():
    every = [candidate(i) for i in range(9)] + [candidate(9, shares=(0.9, 0.1))]
    rarity = [each.values.rarity for each in with_rarity(every)]
    assert rarity[:9] == [0.0] * 9
    assert rarity[9] == pytest.approx(0.9)


def test_what_is_not_known_does_not_count():
    every = [candidate(0, flicker=0.5, uncertainty=0.1), candidate(1, uncertainty=0.2)]
    assert worth(every).tolist() == [0.375, 0.75]
    with pytest.raises(ConfigError, match='not known for any frame'):
        worth(every, ['distance'])


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'shots' / 'images'
    path.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for i in range(6):
        image = chance.integers(60, 200, (48, 64, 3), np.uint8)
        cv2.imwrite(str(path / f'{i}.png'), image)
    cv2.imwrite(str(path / 'black.png'), np.zeros((48, 64, 3), np.uint8))
    return path


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bag') / 'drive'
    assert main(['scene', '--out', str(path), '--frames', '4', '--size', '48x96', '--bag']) == 0
    return path


def run(*arguments):
    return main(['curate', *map(str, arguments), *MOCK])


def test_a_folder_is_curated_and_read_back_for_training(folder, tmp_path, capsys):
    out, new = tmp_path / 'out', tmp_path / 'new'
    formats = 'plain,cvat,label-studio,fiftyone'
    done = run(folder, '--count', 4, '--out', out, '--export', formats, '--known', folder)
    assert done == 0
    assert '4 of 7 frames chosen' in capsys.readouterr().out
    record = json.loads((out / 'curation.json').read_text())
    assert len(record['picks']) == 4
    problems = {each['name']: each['problem'] for each in record['frames']}
    assert problems['black.png'].startswith('black')
    assert all(abs(each['distance']) < 1e-5 for each in record['frames'])
    page = (out / 'report.html').read_text()
    assert page.count('loading="lazy"') == 4
    stems = [each['stem'] for each in record['picks']]
    assert all((out / 'pictures' / f'{stem}.jpg').is_file() for stem in stems)
    labels = out / 'labels' / f'{stems[0]}.png'
    fixed = cv2.imread(str(labels), cv2.IMREAD_UNCHANGED)
    fixed[:5] = 7
    cv2.imwrite(str(labels), fixed)
    assert main(['curate', '--corrected', str(out), '--curated', str(out), '--out', str(new)]) == 0
    with open_recording(new / 'images', label_set='camvid') as frames:
        found = {frame.name: frame.ground_truth for frame in frames}
    assert len(found) == 4
    np.testing.assert_array_equal(found[f'{stems[0]}.png'], fixed)


def digest(path):
    files = sorted(file for file in path.rglob('*') if file.is_file())
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()


def test_a_bag_gets_its_ground_truth_in_a_bag_beside_it(bag, tmp_path, capsys):
    before, out, new = digest(bag), tmp_path / 'out', tmp_path / 'new'
    assert run(bag, '--count', 2, '--out', out) == 0
    assert main(['curate', '--corrected', str(out), '--curated', str(out), '--out', str(new)]) == 0
    assert digest(bag) == before
    written = new / 'drive_ground_truth'
    assert str(written) in capsys.readouterr().out
    topic = ('--ground-truth-topic', '/ground_truth/labels')
    figures = tmp_path / 'figures.json'
    assert main(['evaluate', '--bag', str(written), *topic, '--json', str(figures), *MOCK]) == 0
    # The masks are those of the mock itself, so it finds all of them.
    assert json.loads(figures.read_text())['scores']['pixel_accuracy'] == 1.0
    twin = tmp_path / 'other' / 'drive'
    shutil.copytree(bag, twin)
    picks = (Pick('a', bag, 0, 'a', 48, 96), Pick('b', twin, 1, 'b', 48, 96))
    masks = dict.fromkeys('ab', np.zeros((48, 96), np.uint8))
    curation = Curation(get_label_set('camvid'), '', picks)
    names = [path.name for path in write_ground_truth_bags(tmp_path / 'two', curation, masks)]
    assert names == ['drive_ground_truth', 'drive_ground_truth_2']


def test_a_recording_that_became_shorter_is_named(bag, tmp_path):
    curation = Curation(get_label_set('camvid'), '', (Pick('a', bag, 99, 'a', 48, 96),))
    with pytest.raises(SourceError, match='no longer has its frame 99: give the same recording'):
        write_ground_truth_bags(tmp_path / 'new', curation, {'a': np.zeros((48, 96), np.uint8)})


def test_an_operating_point_may_disagree(folder, tmp_path):
    assert run(folder, '--count', 1, '--out', tmp_path / 'out', '--second-scales', '2') == 0
    record = json.loads((tmp_path / 'out' / 'curation.json').read_text())
    assert all(each['disagreement'] == 0 for each in record['frames'])


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['FOLDER', '--out', 'FOLDER'], 'exists: nothing in it is replaced, give another DIR'),
        (['--out', 'NEW'], 'nothing to look at: give bags, videos or folders of images'),
        (['FOLDER', 'FOLDER', '--out', 'NEW'], 'is given twice: give each recording once'),
        (['FOLDER', '--out', 'NEW', '--export', 'paint'], '--export paint: choose from plain'),
        (['FOLDER', '--out', 'NEW', '--by', 'beauty'], '--by beauty: choose from uncertainty'),
        (['FOLDER', '--out', 'NEW', '--count', '0'], 'must be 1 or more'),
        (['FOLDER', '--out', 'NEW', '--known', 'MISSING'], 'MISSING'),
        (['MISSING', '--out', 'NEW'], 'MISSING'),
        (['--out', 'NEW', '--corrected', 'FOLDER'], 'belong together: give both'),
        (
            ['--out', 'NEW', '--corrected', 'FOLDER', '--curated', 'FOLDER'],
            'give the --out of `mfaranet curate`',
        ),
        (['FOLDER', '--out', 'NEW', '--second-weights', 'MISSING'], 'MISSING'),
    ],
)
def test_bad_input_is_one_line(arguments, text, folder, tmp_path, capsys):
    names = {'FOLDER': str(folder), 'NEW': str(tmp_path / 'new'), 'MISSING': '/MISSING'}
    mock = [] if '--second-weights' in arguments else MOCK
    assert main(['curate', *[names.get(each, each) for each in arguments], *mock]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.strip().count('\n') == 0
    assert not (tmp_path / 'new').exists()
