# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet evaluate --bag`: the figures of the folder, whatever recorded them, however often."""

import json

import pytest

GROUND_TRUTH = ('--ground-truth-topic', '/truth/labels')
MOCK = ('--set', 'runtime.backend=mock', '--set', 'runtime.precision=float32')
TIMES = ('latency',)


def same(found):
    """Return all of a report that must be the same whenever the frames are."""

    def without_times(values):
        return {name: value for name, value in values.items() if name not in TIMES}

    frames = [
        {name: value for name, value in frame.items() if name not in ('ms', 'stamp_ns', 'source')}
        for frame in found['frames']
    ]
    return found['scores'], without_times(found['measures']), frames


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bag_of_another_writer_scores_as_the_folder(street, expected, evaluate, tmp_path, storage):
    bag = street.bag(tmp_path / 'bag', storage)
    code, printed, found = evaluate('--bag', bag, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    assert code == 0
    assert same(found) == same(expected)
    again = evaluate('--bag', bag, *GROUND_TRUTH, json_to=tmp_path / 'b.json')[2]
    assert same(again) == same(found)
    assert len({tuple(frame['classes'][2]) for frame in found['frames']}) == 5  # not one frame
    assert found['parts'][0]['source']['pairing'][0]['exact'] == 5
    assert f'{found["scores"]["mean_iou"]:.4f}' in printed.out


def test_ground_truth_of_a_folder_is_paired_by_stamp(street, expected, evaluate, tmp_path):
    bag = street.bag(tmp_path / 'bag', ground_truth=False)
    _, ground_truth = street.folders(tmp_path / 'folders')
    _, _, found = evaluate(
        '--bag', bag, '--ground-truth', ground_truth, json_to=tmp_path / 'a.json'
    )
    assert same(found) == same(expected)


def test_several_bags_give_one_total_with_any_number_of_jobs(street, expected, evaluate, tmp_path):
    bags = [
        street.bag(tmp_path / name, storage)
        for name, storage in (('one', 'mcap'), ('two', 'sqlite3'))
    ]
    found = [
        evaluate('--bag', *bags, *GROUND_TRUTH, '--jobs', jobs, json_to=tmp_path / f'{jobs}.json')[
            2
        ]
        for jobs in (1, 2)
    ]
    assert same(found[0]) == same(found[1])
    assert found[1]['run']['jobs'] == 2
    for part in found[1]['parts']:
        assert part['scores'] == expected['scores']
    assert found[0]['scores']['pixels'] == 2 * expected['scores']['pixels']
    assert found[0]['scores']['mean_iou'] == expected['scores']['mean_iou']


@pytest.mark.parametrize('kept', [2, 5])
def test_resumed_result_is_the_same_and_runs_only_the_rest(
    street, expected, evaluate, tmp_path, kept
):
    bag, out = street.bag(tmp_path / 'bag'), tmp_path / 'out'
    given = ('--bag', bag, *GROUND_TRUTH, '--out', out)
    evaluate(*given, json_to=tmp_path / 'a.json')
    frame_log = out / 'frames.jsonl'
    lines = frame_log.read_bytes().splitlines(keepends=True)
    frame_log.write_bytes(b''.join(lines[: 1 + kept]) + b'{"source":"bag","num')
    _, _, found = evaluate(*given, '--resume', json_to=tmp_path / 'b.json')
    assert same(found) == same(expected)
    assert found['run']['frames'] == 5 - kept
    assert found['run']['frames_run_before'] == kept
    assert json.loads((out / 'report.json').read_text(encoding='utf-8')) == found
    assert len(frame_log.read_text(encoding='utf-8').splitlines()) == 6


def test_frames_are_chosen_by_their_numbers(street, expected, evaluate, tmp_path):
    bag = street.bag(tmp_path / 'bag')
    _, _, found = evaluate(
        '--bag', bag, *GROUND_TRUTH, '--frames', '1:5:2', json_to=tmp_path / 'a.json'
    )
    assert [frame['number'] for frame in found['frames']] == [1, 3]
    assert found['scores']['images'] == expected['scores']['images'][1::2]
    assert found['measures']['flicker']['all_pixels'] == 64 * 96  # 3 against 1


def test_without_ground_truth_there_are_flicker_and_latency(street, expected, evaluate, tmp_path):
    bag = street.bag(tmp_path / 'bag', ground_truth=False)
    code, printed, found = evaluate('--bag', bag, json_to=tmp_path / 'a.json')
    assert code == 0
    assert found['scores'] is None
    assert found['measures']['flicker']['all'] == expected['measures']['flicker']['all']
    assert found['measures']['flicker']['still'] is None
    assert found['measures']['latency']['stages']['inference']['frames'] == 5
    assert 'flicker' in printed.out


def test_near_stamps_are_paired_within_the_tolerance(street, expected, evaluate, tmp_path):
    bag = street.bag(tmp_path / 'bag', shift_ns=4_000_000)
    given = ('--bag', bag, *GROUND_TRUTH, '--tolerance-ms', '5')
    _, _, found = evaluate(*given, json_to=tmp_path / 'a.json')
    assert found['scores'] == expected['scores']
    assert found['parts'][0]['source']['pairing'][0]['worst_ns'] == 4_000_000
