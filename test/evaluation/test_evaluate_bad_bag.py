# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet evaluate --bag` with odd or broken input: counted and named, or one clear line."""

import json
import os
import re

import numpy as np
import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.evaluation.metrics.counts import Counts
from mfaranet_ros.evaluation.runs.frame_log import FrameLog
from mfaranet_ros.evaluation.runs.sources import Selection

GROUND_TRUTH = ('--ground-truth-topic', '/truth/labels')
MOCK = (
    '--set', 'runtime.backend=mock', '--set', 'runtime.precision=float32', '--set',
    'input.height=64', '--set', 'input.width=96',
)  # fmt: skip


@pytest.fixture
def refused(capsys):
    """Run the verb with what it refuses; return its one line."""

    def run(*arguments):
        assert main(['evaluate', *MOCK, *map(str, arguments)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith('error: ')
        return lines[0]

    return run


@pytest.fixture
def run_mock(tmp_path, capsys):
    """Run the verb with the mock; return exit code, what it printed, and the report."""

    def run(*arguments):
        path = tmp_path / 'figures.json'
        code = main(['evaluate', *MOCK, '--json', str(path), *map(str, arguments)])
        return code, capsys.readouterr(), json.loads(path.read_text(encoding='utf-8'))

    return run


# -- odd, but scored -----------------------------------------------------------------------------


def test_what_is_not_paired_or_read_is_counted_and_named(street, write_bag, tmp_path, run_mock):
    messages = street.messages()
    broken = messages[2][2]  # the second image
    broken.height = 640
    orphan = messages.pop(5)  # the third ground truth
    orphan[2].header.stamp.sec += 99
    bag = write_bag(tmp_path / 'bag', [*messages, orphan], 'mcap')
    code, printed, found = run_mock('--bag', bag, *GROUND_TRUTH)
    assert code == 0
    assert [frame['number'] for frame in found['frames']] == [0, 2, 3, 4]
    assert len(found['scores']['images']) == 3
    (skipped,) = found['skipped']
    assert (skipped['number'], skipped['name']) == (1, '1700000000.100000000')
    assert '640' in skipped['why']
    (pairing,) = found['parts'][0]['source']['pairing']
    assert pairing['ground_truths_without'] == {'count': 1, 'names': ['1700000099.200000000']}
    assert pairing['images_without'] == {'count': 1, 'names': ['1700000000.200000000']}
    for name in ('1700000099.200000000', '1700000000.200000000', '1700000000.100000000'):
        assert name in printed.out
    assert found['measures']['flicker']['all_pixels'] == 2 * 64 * 96  # 2 to 3 to 4


@pytest.mark.parametrize('order', [(0, 2, 1, 3, 4), (0, 1, 1, 3, 4)], ids=['back', 'twice'])
def test_stamps_that_are_out_of_order_or_there_twice_are_told(
    street, write_bag, tmp_path, run_mock, order
):
    one = street.messages(ground_truth=False)
    messages = [(one[i][0], one[i][1], one[k][2]) for i, k in enumerate(order)]
    bag = write_bag(tmp_path / 'bag', messages, 'sqlite3')
    code, printed, found = run_mock('--bag', bag)
    assert code == 0
    assert [frame['number'] for frame in found['frames']] == [0, 1, 2, 3, 4]
    assert any('stamp' in note for note in found['parts'][0]['source']['notes'])
    assert 'stamp' in printed.out


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_that_is_cut_off_is_scored_up_to_there(street, tmp_path, run_mock, storage):
    bag = street.bag(tmp_path / 'bag', storage, ground_truth=False)
    (file,) = (path for path in bag.iterdir() if path.suffix in ('.mcap', '.db3'))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * 0.7)])
    (bag / 'metadata.yaml').unlink()
    code, printed, found = run_mock('--bag', bag)
    assert code == 3
    assert 1 <= len(found['frames']) < 5
    assert printed.err.splitlines()[-1].startswith('warning: ')
    assert found['parts'][0]['source']['truncated']


def test_a_dead_part_is_named_and_the_others_are_scored(street, tmp_path, run_mock):
    bag = street.bag(tmp_path / 'bag')
    (file,) = bag.glob('*.mcap')
    (bag / 'metadata.yaml').unlink()
    file.with_name('z_last.mcap').write_bytes(b'')
    code, printed, found = run_mock('--bag', bag, *GROUND_TRUTH)
    assert code == 3
    assert len(found['frames']) == 5
    assert 'z_last.mcap is an empty file' in printed.err
    assert 'z_last.mcap' in found['parts'][0]['source']['truncated']


def test_names_that_are_not_text_are_scored_and_reported(street, tmp_path, run_mock):
    latin = os.fsdecode(b'\xe9t\xe9')
    bag = street.bag(tmp_path / 'bag').rename(tmp_path / latin)
    out = tmp_path / f'out {latin}'
    code, printed, found = run_mock(
        '--bag', bag, *GROUND_TRUTH, '--out', out, '--video', '--write-bag', tmp_path / f'w{latin}'
    )
    assert code == 0
    assert len(found['frames']) == 5
    assert '\\udce9t\\udce9' in (out / 'report.html').read_text(encoding='utf-8')
    assert '\\udce9t\\udce9' in printed.out
    assert list(out.glob('*.mp4')) or list(out.glob('*.avi'))
    topic = ('--image-topic', '/front/image_raw')
    code, _, again = run_mock('--bag', tmp_path / f'w{latin}', *topic, *GROUND_TRUTH)
    assert code == 0
    assert len(again['frames']) == 5


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'data': slice(0, 10)}, r'its data are 10: record it again'),
        ({'width': 0}, 'has 0x'),
        ({'resolution': 0.0}, 'resolution of 0 m'),
        ({'resolution': float('nan')}, 'resolution of nan m'),
        ({'x': float('inf')}, 'must be finite'),
        ({'turn': float('nan')}, 'is rotated'),
    ],
)
def test_a_true_grid_that_cannot_be_is_refused(
    street, write_bag, message, header, tmp_path, refused, change, said
):
    values = {'data': slice(None), 'width': 5, 'resolution': 0.1, 'x': 0.0, 'turn': 0.0, **change}
    messages = street.messages()
    for stamp in street.stamps:
        turn = message('Quaternion', values['turn'], 0.0, 0.0, 1.0)
        origin = message('Pose', message('Point', values['x'], 0.0, 0.0), turn)
        head = header(stamp, 'base_link')
        info = message('MapMetaData', head.stamp, values['resolution'], values['width'], 4, origin)
        cells = np.zeros(20, np.int8)[values['data']]
        messages.append(('/truth/grid', stamp + 2000, message('OccupancyGrid', head, info, cells)))
    bag = write_bag(tmp_path / 'bag', messages, 'mcap')
    error = refused('--bag', bag, *GROUND_TRUTH, '--grid-topic', '/truth/grid')
    assert re.search(said, error)
    assert '/truth/grid at ' in error


# -- refused -------------------------------------------------------------------------------------


def test_a_bag_without_the_topic_lists_those_it_has(street, tmp_path, refused):
    bag = street.bag(tmp_path / 'bag')
    for flag in ('--image-topic', '--ground-truth-topic', '--grid-topic'):
        named = () if flag == '--image-topic' else ('--image-topic', '/front/image_raw')
        error = refused('--bag', bag, *named, flag, '/nowhere')
        assert "no topic '/nowhere'" in error
        assert '/front/image_raw' in error
        assert '/truth/labels' in error


def test_a_topic_of_another_type_is_refused(street, tmp_path, refused):
    bag = street.bag(tmp_path / 'bag')
    assert 'sensor_msgs/msg/Image' in refused('--bag', bag, '--grid-topic', '/truth/labels')


def test_what_is_no_bag_is_refused(tmp_path, refused):
    (tmp_path / 'text.mcap').write_text('hello')
    assert 'text.mcap' in refused('--bag', tmp_path / 'text.mcap')
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n' + bytes(100))
    assert 'ROS 1' in refused('--bag', tmp_path / 'old.bag')
    assert 'nowhere' in refused('--bag', tmp_path / 'nowhere')


def test_ground_truth_of_another_time_shows_both_times(street, tmp_path, refused):
    bag = street.bag(tmp_path / 'bag', shift_ns=50_000_000_000)
    error = refused('--bag', bag, *GROUND_TRUTH)
    assert '1700000000.000000000' in error
    assert '1700000050.400000000' in error


def test_ground_truth_of_another_size_or_encoding_is_refused(street, write_bag, tmp_path, refused):
    messages = street.messages()
    small = messages[3][2]
    small.height, small.data = 32, small.data[: 32 * 96]
    bag = write_bag(tmp_path / 'small', messages, 'mcap')
    assert '96x32 px, its image 96x64 px' in refused('--bag', bag, *GROUND_TRUTH)
    messages = street.messages()
    for _, _, message in messages[1::2]:
        message.encoding = 'mono16'
    bag = write_bag(tmp_path / 'deep', messages, 'mcap')
    assert "the encoding 'mono16': class ids are mono8" in refused('--bag', bag, *GROUND_TRUTH)


def test_ground_truth_of_other_classes_is_refused_unless_ignored(
    street, write_bag, tmp_path, refused, run_mock
):
    messages = street.messages()
    messages[1][2].data[:5] = 77
    bag = write_bag(tmp_path / 'bag', messages, 'mcap')
    assert 'values 77' in refused('--bag', bag, *GROUND_TRUTH)
    labels = ('--set', 'model.labels=camvid')
    assert 'values 77' in refused('--bag', bag, *GROUND_TRUTH, *labels)
    assert run_mock('--bag', bag, *GROUND_TRUTH, *labels, '--ignore', '77')[0] == 0


def test_a_bag_of_which_no_frame_can_be_read_is_refused(street, tmp_path, refused):
    bag = street.bag(tmp_path / 'bag', encoding='strange8', ground_truth=False)
    error = refused('--bag', bag)
    assert 'no frame of bag can be scored' in error
    assert 'strange8' in error


def test_an_existing_folder_is_kept(street, tmp_path, refused, run_mock):
    bag, out = street.bag(tmp_path / 'bag', ground_truth=False), tmp_path / 'out'
    out.mkdir()
    (out / 'mine.txt').write_text('keep me')
    assert f'{out} exists: give a new DIR, --overwrite' in refused('--bag', bag, '--out', out)
    assert run_mock('--bag', bag, '--out', out, '--overwrite')[0] == 0
    assert {path.name for path in out.iterdir() if path.suffix != '.parquet'} == {
        'mine.txt', 'frames.jsonl', 'report.html', 'report.json',
    }  # fmt: skip


def test_tables_of_an_evaluation_before_do_not_stay(street, tmp_path, run_mock, monkeypatch):
    bag, out = street.bag(tmp_path / 'bag', ground_truth=False), tmp_path / 'out'
    out.mkdir()
    (out / 'frames.parquet').write_text('of another evaluation')
    monkeypatch.setattr('mfaranet_ros.cli.evaluate.has_parquet', lambda: False)
    assert run_mock('--bag', bag, '--out', out, '--overwrite')[0] == 0
    assert not list(out.glob('*.parquet'))


def test_only_the_same_evaluation_is_gone_on_with(street, tmp_path, refused, run_mock):
    bag, out = street.bag(tmp_path / 'bag', ground_truth=False), tmp_path / 'out'
    assert 'leave out --resume' in refused('--bag', bag, '--out', out, '--resume')
    run_mock('--bag', bag, '--out', out)
    given = ('--bag', bag, '--out', out, '--resume', '--set', 'drivable.min_confidence=0.3')
    assert 'another evaluation, which differs in config' in refused(*given)
    (out / 'frames.jsonl').write_text('{"format": 1}\nno json\n')
    assert 'leave out --resume' in refused('--bag', bag, '--out', out, '--resume')


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='there is no /dev/full')
def test_a_full_disk_is_one_clear_line(tmp_path):
    log_file = tmp_path / 'frames.jsonl'
    log_file.symlink_to('/dev/full')
    with pytest.raises(OutputError, match=r'frames\.jsonl: No space left.*--resume'):
        FrameLog.begin(log_file, {}, Counts.none(11))


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--ground-truth', 'x', '--ground-truth-topic', '/y'), 'not both'),
        (('--jobs', '0'), '--jobs 0: must be 1 or more'),
        (('--tolerance-ms', '-1'), '--tolerance-ms -1'),
        (('--tolerance-ms', 'nan'), '--tolerance-ms nan'),
        (('--resume',), 'give --out DIR'),
        (('--out', 'x', '--resume', '--overwrite'), 'leave out --overwrite'),
        (('--submission', 'x'), '--submission is for --images'),
        (('--frames', 'all'), '--frames all: write START:STOP:STEP'),
        (('--frames', '5:5'), '--frames 5:5'),
        (('--method', 'window', '--grid-topic', '/g'), 'only the method whole'),
    ],
)
def test_arguments_that_contradict_are_refused(refused, arguments, said):
    assert said in refused('--bag', 'nowhere', *arguments)


def test_a_bag_given_twice_is_refused(street, tmp_path, refused):
    bag = street.bag(tmp_path / 'bag')
    assert 'give each bag once' in refused('--bag', bag, bag)


@pytest.mark.parametrize(
    ('text', 'numbers'),
    [('', range(10)), ('2:', range(2, 10)), (':4', range(4)), ('1:9:3', (1, 4, 7)), ('3:4', (3,))],
)
def test_selection_is_that_of_python(text, numbers):
    selection = Selection.parse(text)
    assert [number for number in range(10) if selection.takes(number)] == list(numbers)
    assert selection.count(10) == len(list(numbers))


@pytest.mark.parametrize('text', ['a', '1:2:3:4', '::0', '-1:', '4:2', '1.5'])
def test_another_selection_is_refused(text):
    with pytest.raises(SourceError, match='START:STOP:STEP'):
        Selection.parse(text)
