# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How the report looks: light or dark as the reader's system is, on a phone as on a desk."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1c2430; --faint: #5d6878; --rule: #dfe3e9;
  --bar: #2f6fdb; --hit: #1f8a4c; --miss: #d0402b; --warn: #8a5a00; --warn-page: #fff4db;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11151b; --card: #1a2029; --ink: #e6eaf0; --faint: #98a3b3; --rule: #2c3542;
    --bar: #6aa1ff; --hit: #4cc483; --miss: #ff7a66; --warn: #ffd27a; --warn-page: #33290f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif;
}
main { max-width: 1360px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 24px; line-height: 1.25; margin: 4px 0; }
h2 { font-size: 18px; margin: 36px 0 12px; }
h3 { font-size: 14px; margin: 0 0 10px; }
p { margin: 0 0 8px; max-width: 80ch; }
.faint { color: var(--faint); }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
.cards {
  display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr));
}
.card, .tile, figure {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px;
  margin: 0; min-width: 0;
}
.tile b {
  display: block; font-size: 24px; white-space: nowrap; line-height: 1.2;
  font-variant-numeric: tabular-nums;
}
.tile span { color: var(--faint); font-size: 13px; }
.warn {
  background: var(--warn-page); color: var(--warn); border-radius: 10px; padding: 10px 14px;
  margin: 16px 0 0; overflow-wrap: anywhere;
}
.warn ul { margin: 4px 0; padding-left: 20px; }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--rule);
  border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap; }
th { font-size: 13px; font-weight: 600; color: var(--faint); }
th:first-child, td:first-child { text-align: left; }
tbody tr { border-top: 1px solid var(--rule); }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.facts td:first-child { color: var(--faint); white-space: nowrap; width: 1%; }
.pairs { display: grid; gap: 16px; grid-template-columns: 1fr; }
.pairs div { display: grid; gap: 4px; grid-template-columns: 1fr; }
.pairs img { width: 100%; height: auto; display: block; border-radius: 4px; }
figcaption { margin-top: 8px; font-size: 13px; color: var(--faint); overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; max-width: 560px; margin: 0 auto; }
svg text { font-size: 12px; fill: var(--ink); }
svg .tick, svg .label { font-size: 11px; fill: var(--faint); }
svg .rule { stroke: var(--rule); }
svg .mark { stroke: var(--miss); stroke-dasharray: 4 3; fill: none; }
svg .line { stroke: var(--bar); stroke-width: 1.5; fill: none; stroke-linejoin: round; }
svg .bar { fill: var(--bar); } svg .hit { fill: var(--hit); } svg .miss { fill: var(--miss); }
svg .track { fill: var(--rule); fill-opacity: .45; }
.swatch {
  display: inline-block; width: .8em; height: .8em; border-radius: 3px; margin-right: 8px;
}
@media (max-width: 559px) { th, td { padding: 6px 5px; font-size: 12.5px; } }
@media (min-width: 560px) { .pairs div { grid-template-columns: 1fr 1fr; } }
@media (min-width: 1000px) { .pairs { grid-template-columns: 1fr 1fr; } }
"""
