"""The look of the ledger's page: light and dark, from a phone's width up, no font or script from elsewhere."""

STYLE = """\
:root {
  color-scheme: light dark;
  --ground: #ffffff; --card: #f6f6f4; --text: #1c1c1a; --faint: #5b5b57; --line: #d8d8d3; --link: #0b57a4;
  --good: #0a6b45; --bad: #a8260b; --half: #7a5200; --none: #55555a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #141413; --card: #1f1f1d; --text: #ecece8; --faint: #a9a9a3; --line: #3a3a36; --link: #8ec2ff;
    --good: #6fd3a6; --bad: #ff9d85; --half: #f0c05a; --none: #b4b4ba;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto; padding: 1rem; max-width: 52rem; background: var(--ground); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .8rem; border-bottom: 2px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1.05rem; line-height: 1.35; margin: 0 0 .4rem; }
h4 { font-size: .95rem; margin: 1rem 0 .3rem; }
a { color: var(--link); }
h3 a { color: inherit; text-decoration: none; }
h3 a:hover, h3 a:focus-visible { text-decoration: underline; }
p { margin: .4rem 0; }
article {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; margin: .9rem 0;
  scroll-margin-top: .5rem;
}
article:target { outline: 2px solid var(--link); }
.badge {
  display: inline-block; border: 1.5px solid currentColor; border-radius: .3rem; padding: 0 .4rem;
  font-size: .8rem; font-weight: 700; letter-spacing: .02em; overflow-wrap: normal; white-space: nowrap;
}
.proved, .verified, .reproduced { color: var(--good); }
.refuted, .not-reproduced, .not-proved { color: var(--bad); }
.conditional, .incomplete, .inconclusive { color: var(--half); }
.not-run { color: var(--none); border-style: dashed; }
.verdict span:not(.badge), .counts span:not(.badge), .place, figcaption { color: var(--faint); font-size: .9rem; }
.counts, .kinds, nav ul { padding: 0; list-style: none; }
.counts li { margin: .35rem 0; }
.kinds { color: var(--faint); font-size: .9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; border-block: 1px solid var(--line); padding: .5rem 0; }
nav a { display: inline-block; padding: .25rem 0; }
.findings { padding-left: 1.1rem; margin: .3rem 0; font-size: .9rem; }
.findings li { margin: .25rem 0; }
.findings .shown strong { color: var(--good); }
.findings .against strong { color: var(--bad); }
.findings .open strong, .findings .missing strong { color: var(--faint); }
.formula { font-family: "STIX Two Math", "Cambria Math", Georgia, serif; }
summary { cursor: pointer; padding: .3rem 0; color: var(--link); }
code { font: .85rem/1.5 ui-monospace, monospace; }
.command code {
  display: block; overflow-x: auto; white-space: pre-wrap; border: 1px solid var(--line); border-radius: .3rem;
  padding: .4rem .5rem; background: var(--ground);
}
.option { white-space: nowrap; }
figure { margin: .8rem 0 .4rem; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
sub, sup { line-height: 0; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); color: var(--faint); font-size: .9rem; }
@media (max-width: 30rem) { body { padding: .75rem; } article { padding: .75rem .8rem; } h1 { font-size: 1.4rem; } }
"""
