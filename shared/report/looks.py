"""The page's style sheet: legible by day and by night, on a phone and on paper."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root { --ink: #1f2430; --muted: #5b6472; --grid: #dde1e7; --paper: #fefefe; --span: #e3e7ee;
  --page: #f5f6f8; --link: #0b5cad; --warn: #8a4b00; --accent: #0072b2; --base: #c3c9d2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --muted: #a2abb8; --grid: #363d49;
  --paper: #171b22; --span: #2a303b; --page: #0e1116; --link: #7db8f5; --warn: #f0b45a;
  --accent: #3a96d6; --base: #444d5a; } }
* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 1rem; }
header, nav, section { background: var(--paper); border: 1px solid var(--grid); border-radius: 8px;
  padding: 1rem 1.25rem; margin: 0 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0;
  padding: 0; list-style: none; }
.headline { font-size: 1.1rem; font-weight: 600; margin: 0 0 1rem; }
.missing { color: var(--muted); font-style: italic; }
.verdict { font-weight: 600; }
.bad { color: var(--warn); }
p, li, dd, figcaption { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .5rem 1.25rem; margin: 0 0 .75rem; }
dt { color: var(--muted); font-size: .85rem; }
dd { margin: 0; }
figure { margin: 0 0 1rem; }
.picture { overflow-x: auto; }
.picture svg { display: block; width: 100%; min-width: 620px; height: auto; }
figcaption { color: var(--muted); font-size: .88rem; margin-top: .5rem; }
.table { overflow-x: auto; margin: 0 0 .75rem; }
table { border-collapse: collapse; font-size: .85rem; width: 100%;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { text-align: right; padding: .25rem .4rem; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
thead th { vertical-align: bottom; color: var(--muted); font-weight: 600; font-size: .8rem; }
th:first-child { text-align: left; }
tbody th { font-weight: 500; min-width: 6.5rem; max-width: 16rem; overflow-wrap: anywhere; }
td { white-space: nowrap; }
.text { text-align: left; }
td.text { white-space: normal; }
details { margin: 0 0 .5rem; }
summary { cursor: pointer; color: var(--link); font-size: .9rem; }
@media print {
  :root { --ink: #000; --muted: #444; --grid: #ccc; --paper: #fff; --span: #e3e7ee; --page: #fff;
    --accent: #0072b2; --base: #c3c9d2; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav, details { display: none; }
  header, section { border: 0; padding: 0; }
  figure, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .picture, .table { overflow: visible; }
  .picture svg { min-width: 0; }
  table { font-size: 7.5pt; }
}
"""
