"""What does the page look like? One style sheet: screen and paper, light and dark, wide and narrow."""

from __future__ import annotations

PAGE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1b1b1f;--faint:#5f5f66;--line:#d9d9de;--band:#f5f5f7;--accent:#0072b2;
--warn:#b34700}
@media(prefers-color-scheme:dark){:root{--page:#16171a;--ink:#e7e7ea;--faint:#a2a2ab;--line:#3a3b41;--band:#1f2024;
--accent:#6cb8ef;--warn:#ff9d5c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:1.0625rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans",sans-serif;font-variant-numeric:tabular-nums lining-nums}
main{max-width:54rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
h1{font-size:clamp(1.5rem,1.2rem + 1.6vw,2.1rem);line-height:1.2;letter-spacing:-.01em;margin:0 0 1rem;text-wrap:balance}
h2{font-size:1.35rem;line-height:1.3;margin:2.75rem 0 .75rem;padding-top:.5rem;border-top:1px solid var(--line)}
h3{font-size:1.1rem;margin:2rem 0 .5rem}
p,ul{margin:.75rem 0;max-width:46rem}
p.summary{font-weight:600}
bdi{overflow-wrap:break-word}
td bdi,th bdi{display:inline-block;max-width:36rem}
a{color:var(--accent)}
nav{margin:1.5rem 0;padding:.75rem 1.25rem;background:var(--band);border-radius:.5rem;font-size:.95rem}
nav ol{margin:0;padding-left:1.25rem;columns:2 16rem}
.scroll{overflow-x:auto;margin:1.25rem 0}
table{border-collapse:collapse;font-size:.94rem;line-height:1.4}
caption,.caption{text-align:left;font-weight:600;padding:0 0 .4rem;margin:1.25rem 0 0;caption-side:top}
th,td{padding:.32rem .9rem .32rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th,thead td{border-bottom:1.5px solid var(--faint)}
thead th{color:var(--faint);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400}
td.n,th.n{text-align:right;white-space:nowrap}
th.s{white-space:nowrap}
thead th.n{white-space:normal}
td.f,dd span:not(.remark) bdi{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.9em}
tfoot th,tfoot td{font-weight:600;border-bottom:none;border-top:1.5px solid var(--faint)}
td.bar{width:12rem;min-width:6rem;vertical-align:middle;padding-right:0}
td.bar i{display:block;height:.85rem;min-width:1px;border-radius:1px}
.swatch{display:inline-block;width:.7rem;height:.7rem;margin-right:.5rem;border-radius:2px}
dl.formulas{margin:1rem 0;display:grid;grid-template-columns:max-content 1fr;gap:.45rem 1.25rem}
dl.formulas dt{font-weight:600}
dl.formulas dd{margin:0;overflow-wrap:anywhere}
.remark{color:var(--faint)}
figure{margin:1.75rem 0}
figure svg{display:block;width:100%;height:auto;max-width:47.5rem;margin-left:-1.3%}
figure svg *{stroke-linejoin:round;stroke-linecap:butt}
figcaption{color:var(--faint);font-size:.92rem;margin-top:.5rem}
details{margin:.5rem 0;font-size:.95rem}
summary{cursor:pointer;color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.warning{border-left:.25rem solid var(--warn);padding:.25rem 0 .25rem .9rem}
.counted{color:var(--faint);font-size:.95rem}
footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--faint);font-size:.85rem}
@media(max-width:40rem){main{padding:1.25rem 1rem 3rem}dl.formulas{grid-template-columns:1fr;gap:.1rem}
dl.formulas dd{margin-bottom:.7rem}td.bar{width:6rem}nav ol{columns:1}}
@media print{:root{color-scheme:light;--page:#fff;--ink:#000;--faint:#444;--line:#bbb;--band:#fff;--accent:#000;--warn:#000}
@page{margin:18mm 16mm}body{font-size:10.5pt}main{max-width:none;padding:0}nav,details{display:none}
h2,h3,caption,thead{break-after:avoid}figure,tr,dd{break-inside:avoid}h2{margin-top:1.6rem}.scroll{overflow:visible}
table{font-size:9pt}td.bar i,.swatch,svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""

# Inside somebody else's page (a notebook): nothing that reaches beyond its own <div>, and the notebook's own colours.
FRAGMENT = """
.numel{font-variant-numeric:tabular-nums;max-width:60rem}
.numel table{border-collapse:collapse;margin:.5rem 0}
.numel caption,.numel .caption{text-align:left;font-weight:600;caption-side:top}
.numel th,.numel td{padding:.15rem .8rem .15rem 0;text-align:left;border:none;border-bottom:1px solid #8884}
.numel tbody th{font-weight:400}
.numel td.n,.numel th.n{text-align:right;white-space:nowrap}
.numel tfoot th,.numel tfoot td{font-weight:600;border-top:1px solid #888;border-bottom:none}
.numel td.bar{width:12rem}
.numel td.bar i{display:block;height:.8rem;min-width:1px}
.numel .swatch{display:inline-block;width:.7rem;height:.7rem;margin-right:.4rem}
.numel .summary{font-weight:600}
.numel .counted{opacity:.75;font-size:.9em}
"""
