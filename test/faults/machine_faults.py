# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Full disks, memory bombs, devices that are missing or fail."""

import os

import cv2
import numpy as np
from fuzz.promise import promised
from fuzz.targets import TARGETS

from faults.catalogue import covered, fault, refused
from faults.image_faults import compressed
from mfaranet_ros.backends import MockBackend, check_runtime
from mfaranet_ros.core.config import PipelineConfig, RuntimeConfig, replace
from mfaranet_ros.core.errors import (
    ConfigError,
    DecodeError,
    InferenceError,
    OutputError,
    SourceError,
)
from mfaranet_ros.core.files import hash_files, make_folder, write_file, write_files
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.parsing import parse_json, parse_yaml
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.decode import decode

MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock'})
FRAME = Frame(np.zeros((12, 16, 3), np.uint8), 'rgb8', 0, 'camera')


# -- disk ----------------------------------------------------------------------------------------


@fault(
    'disk', 'the disk is full', 'one line; the previous file is kept, no temporary file remains'
)
def disk_full(kit):
    path = kit.write('report.json', 'before')

    def no_room(file):
        raise OSError(28, 'No space left on device')

    kit.monkeypatch.setattr(os, 'fsync', no_room)
    refused(OutputError, 'No space left', write_file, path, 'after')
    assert path.read_text() == 'before'
    assert list(kit.path.iterdir()) == [path]


@fault('disk', 'the second of two files cannot be written', 'neither is replaced')
def disk_half_written(kit):
    first = kit.write('a', 'before')
    contents = {first: 'after', kit.path / 'none/b': 'after'}
    refused(OutputError, 'none/b', write_files, contents)
    assert first.read_text() == 'before'
    assert list(kit.path.iterdir()) == [first]


@fault('disk', 'a file stands where a folder must be', 'one line with the path')
def disk_file_for_folder(kit):
    refused(OutputError, 'out', make_folder, kit.write('out', '') / 'report')


@fault('disk', 'a name longer than the file system allows', 'one line with the reason')
def disk_long_name(kit):
    refused(OutputError, 'too long', write_file, kit.path / ('x' * 300), 'text')


@fault('disk', 'a file name that is not UTF-8', 'written and hashed as any other')
def disk_odd_name(kit):
    path = kit.path / os.fsdecode(b'\xe9t\xe9')
    write_file(path, b'text')
    assert hash_files([path])


covered(
    'disk', 'disk_full_recording', 'no room for what a recording gets', 'exit code 3, reported',
    'test/ros/test_record.py::test_what_finds_no_room_is_named_and_the_end_is_3',
)  # fmt: skip
covered(
    'disk', 'disk_full_evaluation', 'no room for a report', 'one clear line',
    'test/evaluation/test_evaluate_bad_bag.py::test_a_full_disk_is_one_clear_line',
)  # fmt: skip


# -- memory --------------------------------------------------------------------------------------


@fault('memory', 'YAML whose aliases stand for 10^26 values', 'refused, nothing is copied')
def memory_yaml_aliases(kit):
    text = 'x0: &x0 [1, 1]\n' + ''.join(
        f'x{n}: &x{n} [{", ".join([f"*x{n - 1}"] * 8)}]\n' for n in range(1, 30)
    )
    refused(ValueError, 'stands for more than', parse_yaml, text)


@fault('memory', 'YAML or JSON of brackets without an end', 'refused in one line')
def memory_brackets(kit):
    for parse, depth in ((parse_yaml, 500), (parse_json, 100_000)):
        refused(ValueError, 'nested too deeply', parse, '[' * depth)


@fault('memory', 'a png whose header says 16000 x 16000', 'dropped, no memory is taken')
def memory_png_header(kit):
    data = bytearray(cv2.imencode('.png', np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    data[16:24] = (16000).to_bytes(4, 'big') * 2
    with promised(64):
        refused(DecodeError, 'png', decode, compressed(bytes(data), 'png'))


covered(
    'memory', 'memory_packed_message', 'kilobytes that unpack to gigabytes', 'refused at a limit',
    'test/data/test_unpacking.py::test_beyond_the_limit_it_is_refused',
)  # fmt: skip
covered(
    'disk', 'disk_packed_bag', 'a bag that unpacks to more than the disk holds', 'refused',
    'test/data/test_unpacking.py::test_a_file_is_not_unpacked_onto_a_full_disk',
)  # fmt: skip


covered(
    'memory', 'memory_of_the_network', 'a node is configured again and again',
    'the network of before is freed at once',
    'test/core/test_rounds.py::test_what_held_a_stopped_worker_is_freed_at_once',
)  # fmt: skip


# -- device --------------------------------------------------------------------------------------


@fault('device', 'cuda is requested but not available', 'refused with the reason, no fallback')
def device_no_cuda(kit):
    import torch

    kit.monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    refused(ConfigError, 'set it to cpu', check_runtime, RuntimeConfig('torch', 'cuda'))


@fault('device', 'a GPU beyond those there are', 'refused with those there are')
def device_cuda_9(kit):
    import torch

    kit.monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    kit.monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    refused(ConfigError, 'cuda:0 to cuda:1', check_runtime, RuntimeConfig('torch', 'cuda:9'))


@fault('device', 'a misspelled backend or device', 'refused: did you mean ...')
def device_misspelled(kit):
    refused(ConfigError, "did you mean 'torch'", check_runtime, RuntimeConfig('torsh'))
    refused(ConfigError, "'cdua'", check_runtime, RuntimeConfig('torch', 'cdua'))


@fault('device', 'the network fails on one frame', 'that frame is lost, the next is processed')
def device_fails_once(kit):
    backend = MockBackend(11, fail=lambda n: InferenceError('out of memory') if n == 0 else None)
    processor = build_processor(MOCK, backend=backend)
    refused(InferenceError, 'out of memory', processor, FRAME)
    assert processor(FRAME).labels.shape == (12, 16)


covered(
    'device', 'device_fails_live', 'the device fails while the node runs', 'counted, ERROR',
    'test/ros/test_segmentation_node.py::test_a_failing_network_costs_its_frame_only',
)  # fmt: skip
covered(
    'device', 'device_wrong_answers', 'a backend computes something else', 'configure fails',
    'test/backends/test_selftest.py::test_a_wrong_answer_is_refused_in_words',
)  # fmt: skip
covered(
    'device', 'device_overflow', 'float16 overflows', 'configure fails in words',
    'test/backends/test_selftest.py::test_a_float16_network_that_overflows_is_refused',
)  # fmt: skip


# -- bags ----------------------------------------------------------------------------------------


def _changed(kit, name, change):
    target = TARGETS[name]
    (data,) = target.seeds(kit.path)
    return kit.write(target.name, change(bytearray(data)))


def _overwritten(place, new):
    def change(data):
        at = data.find(place)
        assert at >= 0
        data[at : at + len(new)] = new
        return bytes(data)

    return change


@fault('bags', 'metadata.yaml names a file with a null byte', 'refused in one line')
def bag_null_byte(kit):
    kit.write('a.mcap', b'\x89MCAP0\r\n')
    text = 'rosbag2_bagfile_information: {storage_identifier: mcap, relative_file_paths: '
    kit.write('metadata.yaml', text + '["x\\0y", "a.mcap"]}')
    refused(SourceError, '', open_bag, kit.path)


@fault('bags', 'metadata.yaml names a file of another folder', 'only its name is used')
def bag_foreign_path(kit):
    text = 'rosbag2_bagfile_information: {storage_identifier: mcap, relative_file_paths: '
    kit.write('metadata.yaml', text + '["../../../etc/passwd"]}')
    refused(SourceError, 'lists passwd, which is not there', open_bag, kit.path)


@fault('bags', 'metadata.yaml with a date that does not exist', 'refused in one line')
def bag_metadata_date(kit):
    refused(
        SourceError, 'cannot be read', open_bag, kit.write('metadata.yaml', 'a: 2023-99-99').parent
    )


@fault('bags', 'a damaged index page of an SQLite bag', 'read page by page, the damage is told')
def bag_sqlite_index(kit):
    def change(data):
        page = int.from_bytes(data[16:18], 'big')
        for start in range(page, len(data), page):
            if data[start] == 10:  # a leaf of an index
                data[start + 3 : start + 5] = b'\xff\xff'
        return bytes(data)

    with promised(), open_bag(_changed(kit, 'sqlite', change)) as found:
        assert len(list(found.messages())) == 6
        assert found.truncated


for _name, _what, _answer, _test in (
    ('bag_no_bag', 'a file or folder that is no bag', 'refused with what it is',
     'test_bad_bags.py::test_what_is_no_bag_is_refused'),
    ('bag_no_topic', 'a topic that is not there', 'refused with those there are',
     'test_bad_bags.py::test_a_bag_without_the_topic_lists_those_it_has'),
    ('bag_other_type', 'a topic of another type', 'refused with both types',
     'test_bad_bags.py::test_a_topic_of_another_type_is_refused'),
    ('bag_empty', 'a bag without a message', 'refused',
     'test_bad_bags.py::test_an_empty_bag_is_refused'),
    ('bag_unknown_type', 'a type without definition', 'refused: record as mcap',
     'test_bad_bags.py::test_an_unknown_type_without_definition_is_named'),
    ('bag_dead_part', 'one part of a recording is dead', 'the others are read, it is named',
     'test_bad_bags.py::test_a_dead_part_is_named_and_the_others_are_read'),
    ('bag_broken_message', 'the bytes of one message are broken', 'one error, the rest is read',
     'test_bad_bags.py::test_a_broken_message_is_one_error_of_its_own'),
    ('bag_cut', 'the recording was killed', 'complete messages are read, truncation is reported',
     'test_truncated.py::test_all_frames_up_to_the_cut_are_read'),
    ('bag_damage_inside', 'damage in the middle of a file', 'told, the rest is read',
     'test_truncated.py::test_damage_in_the_middle_is_said'),
    ('bag_zeros', 'the file ends in zeros after a power loss', 'read up to there',
     'test_truncated.py::test_zeros_at_the_end_are_a_cut'),
    ('bag_journal', 'messages are only in the journal of SQLite', 'told with what to do',
     'test_truncated.py::test_messages_that_are_only_in_the_journal_are_missed'),
    ('bag_index_lies', 'an index that is wrong', 'not believed, the file is scanned',
     'test_index.py::test_an_index_that_is_wrong_is_not_believed'),
    ('bag_promised', 'fewer messages than the summary says', 'both counts are reported',
     'test_index.py::test_messages_that_were_promised_and_are_not_there_are_named'),
):  # fmt: skip
    covered('bags', _name, _what, _answer, f'test/data/{_test}')
