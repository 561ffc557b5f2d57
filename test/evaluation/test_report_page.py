# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""report.html: one sound file that needs nothing from anywhere, and shows what was measured."""

import json
import re
from html.parser import HTMLParser

import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.evaluation.report import plots
from mfaranet_ros.evaluation.report.frame_images import EACH, WIDTH_PX, choose

MOCK = ('--set=runtime.backend=mock', '--set=runtime.precision=float32')


class Page(HTMLParser):
    """Reads a page; every tag must be closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope='module')
def written(street, tmp_path_factory):
    """Evaluate two bags, one of them with a name that is no HTML; return page and report."""
    folder = tmp_path_factory.mktemp('page')
    bags = [str(street.bag(folder / name)) for name in ('<script>&one', 'two')]
    given = [
        '--bag',
        *bags,
        '--ground-truth-topic',
        '/truth/labels',
        *MOCK,
        '--out',
        str(folder / 'out'),
    ]
    assert main(['evaluate', *given, '--set=input.height=64', '--set=input.width=96']) == 0
    text = (folder / 'out' / 'report.html').read_text(encoding='utf-8')
    return text, json.loads((folder / 'out' / 'report.json').read_text(encoding='utf-8'))


def test_page_is_sound_and_loads_nothing(written):
    page = Page(written[0])
    assert {'svg', 'table', 'img', 'h1', 'figure'} <= set(page.tags)
    assert page.tags.count('script') == 1  # it sorts a table
    assert not {'link', 'iframe', 'object'} & set(page.tags)
    for name, value in page.attributes:
        if name in ('src', 'href', 'xlink:href', 'action'):
            assert value.startswith(('data:image/jpeg;base64,', '#'))
    assert not re.search(r'url\(|@import|https?://', written[0])
    assert 'prefers-color-scheme: dark' in written[0]


def test_page_shows_the_figures_of_the_report(written):
    text, report = written
    shown = ' '.join(Page(text).texts)
    scores, measures = report['scores'], report['measures']
    for value in (
        scores['mean_iou'],
        scores['drivable']['iou'],
        measures['confidence_calibration']['ece'],
    ):
        assert f'{value:.4f}' in shown
    for entry in scores['classes']:
        assert entry['name'] in shown
    assert report['model']['backend'] in shown
    for part in report['parts']:
        assert part['name'] in shown
        assert part['source']['sha256'] in shown
    for name, value in report['versions'].items():
        assert f'version: {name}' in shown
        assert value in shown


def test_worst_and_median_frames_are_images(written):
    text, report = written
    page = Page(text)
    assert page.tags.count('figure') == 2 * EACH
    assert page.tags.count('img') == 4 * EACH
    worst = min(report['frames'], key=lambda frame: frame['mean_iou'])
    captions = [one for one in page.texts if 'mean IoU' in one and ';' in one]
    assert f'mean IoU {worst["mean_iou"]:.4f}' in captions[0]
    assert WIDTH_PX <= 640


def test_report_says_what_ran_on_what(written):
    report = written[1]
    assert report['schema'] == {'name': 'mfaranet evaluation', 'version': 1}
    assert report['run']['threads'] >= 1
    assert report['input']['ground_truth'] == '/truth/labels'
    assert report['config']['runtime.backend'] == 'mock'
    assert len(report['frames']) == 10
    assert report['measures']['frames'] == 10
    assert [part['measures']['frames'] for part in report['parts']] == [5, 5]
    stages = report['measures']['latency']['stages']
    assert {'read', 'decode', 'preprocess', 'inference', 'postprocess', 'processing_time'} <= set(
        stages
    )
    for stage in stages.values():
        assert stage['p50'] <= stage['p95'] <= stage['p99'] <= stage['max']
    assert sum(report['measures']['predicted_pixels'].values()) == 10 * 64 * 96


def test_few_frames_are_shown_once(written):
    class Few:
        def ranked(self):
            return ['a', 'b']

    assert [frame for _, frame in choose(Few())] == ['a', 'b']


def test_names_are_written_as_text():
    svg = plots.bars('a "plot"', [('<b>&', 0.5, '0.5')])
    assert '<b>' not in svg
    assert '&lt;b&gt;&amp;' in svg
