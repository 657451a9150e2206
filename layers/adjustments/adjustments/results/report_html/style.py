"""The style sheet of the page: light and dark, phone, wide screen and print.

The colours of the outcomes are those of Okabe and Ito, which people with any colour vision can distinguish.
"""

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;
--link:#0550ae;--code:#eef0f3;--hatch:#fff;--applied:#0072b2;--failed:#d55e00;--rejected:#b5599a;
--not_submitted:#8b929b;--in_doubt:#e0a100;--good:#0a7a3f}
@media (prefers-color-scheme:dark){:root{--page:#0f1216;--card:#181c22;--ink:#e8ebef;--soft:#a3abb5;
--line:#333a43;--link:#79b8ff;--code:#252b33;--hatch:#14181d;--applied:#56b4e9;--failed:#ee7d33;
--rejected:#d98bbd;--not_submitted:#8b929b;--in_doubt:#f0c63c;--good:#3fc37a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",
Roboto,"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}
header,section{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:1.1rem 1.25rem;margin:0 0 1rem}
h1{font-size:1.6rem;line-height:1.25;margin:.1rem 0 .5rem;display:flex;gap:.6rem;align-items:flex-start}
h2{font-size:1.1rem;margin:0 0 .8rem}
h3{font-size:1rem;margin:1rem 0 .4rem;font-weight:600}
p{margin:.4rem 0}
a{color:var(--link)}
code{background:var(--code);border-radius:4px;padding:.05em .35em;font:.9em ui-monospace,SFMono-Regular,
Menlo,Consolas,"DejaVu Sans Mono",monospace}
code.command{display:block;margin:.35rem 0;padding:.35rem .6rem}
ol,ul{margin:.4rem 0;padding-left:1.4rem}
li{margin:.3rem 0}
.verdict{border-left:6px solid var(--tone)}
.verdict.completed,.verdict.validated{--tone:var(--good)}
.verdict.completed_with_errors{--tone:var(--failed)}
.verdict.stopped{--tone:var(--not_submitted)}
.verdict.rejected{--tone:var(--rejected)}
.verdict.needs_attention{--tone:var(--in_doubt)}
.status{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em;text-transform:uppercase}
.mark{flex:none;width:1.9rem;height:1.9rem;border-radius:50%;background:var(--tone);color:var(--card);
font-size:1.1rem;display:grid;place-items:center;margin-top:.05rem}
.lead{font-size:1.05rem}
.why{background:var(--code);border-radius:6px;padding:.5rem .75rem}
.about,.small{color:var(--soft);font-size:.9rem}
.defs{position:absolute}
figure{margin:0 0 .8rem}figcaption{margin-top:.4rem}
.chart{display:block;overflow:visible}
.edge{stroke:var(--card);stroke-width:1}
.open{stroke:var(--ink);stroke-dasharray:3 3}
.hatch{stroke:var(--hatch);stroke-width:1.6;stroke-opacity:.75;fill:none}
.fill-applied{fill:var(--applied)}.fill-failed{fill:var(--failed)}.fill-rejected{fill:var(--rejected)}
.fill-not_submitted{fill:var(--not_submitted)}.fill-in_doubt{fill:var(--in_doubt)}
.grid{stroke:var(--line);stroke-width:1}
.label{fill:var(--soft);font-size:11px}
.axis{display:flex;justify-content:space-between;margin-left:24%;color:var(--soft);font-size:.75rem;
font-variant-numeric:tabular-nums}
.swatch{flex:none;vertical-align:-2px}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:.7rem 0 0}
.legend li{display:flex;gap:.45rem;align-items:center;margin:0}
.number{white-space:nowrap;
font-variant-numeric:tabular-nums}
.outcomes{list-style:none;padding:0;margin:.8rem 0 0;display:grid;grid-template-columns:max-content
max-content 1fr;gap:.25rem 1.1rem}
.outcomes li{display:contents}
.name{display:flex;gap:.45rem;align-items:center}
.meaning,.none span{color:var(--soft)}
.meaning{font-size:.9rem}
.tiles{display:flex;flex-wrap:wrap;gap:.7rem;margin:0}
.tiles div{flex:1 1 10rem;border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.tiles dt{color:var(--soft);font-size:.9rem}
.tiles dd{margin:0}
.tiles b{display:block;font-size:clamp(.9rem,4.3vw,1.35rem);white-space:nowrap;
font-variant-numeric:tabular-nums}
.tiles span{color:var(--soft);font-size:.8rem}
.group{border-top:1px solid var(--line);padding:.6rem 0 .4rem}
.group:first-of-type{border-top:0;padding-top:0}
.group h3{display:flex;flex-wrap:wrap;gap:.2rem .6rem;align-items:baseline;margin:.2rem 0 .4rem}
.reason{font-weight:400;flex:1 1 20rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;min-width:min(100%,24rem)}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;vertical-align:top;border-bottom:1px solid var(--line);
overflow-wrap:normal}
td{white-space:nowrap}
td.text{white-space:normal;min-width:15rem;max-width:36rem;overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600;white-space:nowrap}
summary{cursor:pointer;color:var(--link);margin:.4rem 0}
.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}
@media (max-width:30rem){main{padding:.5rem .5rem 2rem}header,section{padding:.9rem .85rem;border-radius:8px}
h1{font-size:1.3rem}.outcomes{grid-template-columns:1fr max-content;gap:0}
.meaning{grid-column:1/3;margin:0 0 .4rem 1.45rem}
td.id,.said td{white-space:normal;min-width:0;overflow-wrap:anywhere}
.said tr{display:grid;grid-template-columns:minmax(4rem,max-content) 1fr auto;
border-bottom:1px solid var(--line)}
.said td,.said th{border:0}.said th.text{display:none}
.said td.n:first-child,.jobs td.n{white-space:nowrap;overflow-wrap:normal}
.said td.text{grid-column:1/4;min-width:0;color:var(--soft)}
.tiles div{flex-basis:8.5rem;padding:.5rem .6rem}
.jobs{min-width:0;width:100%}.jobs thead{display:none}
.jobs tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.2rem .8rem;padding:.5rem 0;
border-bottom:1px solid var(--line)}
.jobs td{border:0;padding:0;text-align:left;white-space:normal}
.jobs td::before{display:block;color:var(--soft);font-size:.75rem}
.jobs td:nth-child(1)::before{content:"Chunk"}.jobs td:nth-child(2)::before{content:"Job"}
.jobs td:nth-child(3)::before{content:"Status"}.jobs td:nth-child(4)::before{content:"Rows"}
.jobs td:nth-child(5)::before{content:"Applied"}.jobs td:nth-child(6)::before{content:"Failed"}
.jobs td:nth-child(7)::before{content:"In doubt"}.jobs td:nth-child(8)::before{content:"Sent (UTC)"}
.jobs td:nth-child(9)::before{content:"Took"}
.axis span:nth-child(even){display:none}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#333;--line:#bbb;--link:#000;
--code:#eee;--hatch:#fff;--applied:#0072b2;--failed:#d55e00;--rejected:#b5599a;--not_submitted:#8b929b;
--in_doubt:#e0a100;--good:#0a7a3f}
svg,.mark,.why{print-color-adjust:exact;-webkit-print-color-adjust:exact}
main{max-width:none;padding:0}header,section{border-radius:0;border-width:0 0 1px;padding:.5rem 0}
.verdict{border-left-width:6px;padding-left:.8rem}
h2,h3{break-after:avoid}header,.tiles,.tiles div,.outcomes,figure,tr,li{break-inside:avoid}
.scroll{overflow:visible}}
"""
