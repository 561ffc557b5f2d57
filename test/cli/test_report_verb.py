# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet report`: bags of several evaluations on one page, worst first, each with its link."""

import json
import re

import pytest

from mfaranet_ros.cli.main import main


def evaluation(folder, **bags):
    """Write the report of an evaluation; bags: their mean IoU, None for one that failed."""
    parts = [
        {
            'name': name,
            'source': {'truncated': '' if iou is not None else f'{name} is not evaluated: <cut>'},
            'scores': None if iou is None else {'mean_iou': iou, 'drivable': {'iou': 0.9}},
            'measures': {
                'frames': 0 if iou is None else 10,
                'flicker': {'all': None if iou is None else 0.01},
                'latency': {
                    'over_budget': 1,
                    'stages': {} if iou is None else {'processing': {'p50': 20.0, 'p99': 30.0}},
                },
            },
        }
        for name, iou in bags.items()
    ]
    folder.mkdir()
    content = {
        'schema': {'name': 'mfaranet evaluation', 'version': 1},
        'model': {'name': 'toy'},
        'parts': parts,
    }
    (folder / 'report.json').write_text(json.dumps(content))
    (folder / 'report.html').write_text('<html></html>')
    return folder


def report(tmp_path, *folders, **more):
    out = tmp_path / 'page' / 'fleet.html'
    code = main(['report', *map(str, folders), '--out', str(out), *more.get('given', ())])
    return code, out


def test_the_worst_comes_first_and_links_to_its_evaluation(tmp_path):
    first = evaluation(tmp_path / 'with blank', good=0.8, bad=0.2)
    second = evaluation(tmp_path / 'night', fair=0.5, lost=None)
    code, out = report(tmp_path, first, second)
    assert code == 0
    page = out.read_text()
    rows = re.findall(r'<td><a href="([^"]+)">(\w+)</a>', page)
    assert [name for _, name in rows] == ['lost', 'bad', 'fair', 'good']
    assert {name: link for link, name in rows}['bad'] == '../with%20blank/report.html'
    assert 'lost is not evaluated: &lt;cut&gt;' in page
    assert '<b>0.2000</b><span>lowest mean IoU of a bag</span>' in page
    assert 'src="http' not in page


def test_a_row_without_a_page_has_no_link(tmp_path):
    folder = evaluation(tmp_path / 'a', one=0.5)
    (folder / 'report.html').unlink()
    _, out = report(tmp_path, folder)
    assert '<td>one</td>' in out.read_text()


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        (None, 'holds no report.json'),
        ('{', 'is broken'),
        ('{"schema": {"name": "mfaranet evaluation", "version": 9}}', 'has schema'),
        ('{"schema": {"name": "mfaranet evaluation", "version": 1}}', 'is broken'),
        ('[]', 'is broken'),
    ],
)
def test_a_folder_that_is_no_evaluation_is_one_line(tmp_path, capsys, text, words):
    (tmp_path / 'a').mkdir()
    if text is not None:
        (tmp_path / 'a' / 'report.json').write_text(text)
    code, out = report(tmp_path, tmp_path / 'a')
    said = capsys.readouterr().err
    assert code == 2
    assert words in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_an_existing_page_and_an_evaluation_given_twice_are_refused(tmp_path, capsys):
    folder = evaluation(tmp_path / 'a', one=0.5)
    assert report(tmp_path, folder, folder)[0] == 2
    assert 'give each evaluation once' in capsys.readouterr().err
    assert report(tmp_path, folder)[0] == 0
    assert report(tmp_path, folder)[0] == 2
    assert 'or --overwrite' in capsys.readouterr().err
    assert report(tmp_path, folder, given=('--overwrite',))[0] == 0
