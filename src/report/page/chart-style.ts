/* Colours and rules of pictures: in the page's head, and inside each picture that is downloaded. */

const light = `
  --ground: #ffffff; --ink: #1b232c; --faint: #56616d; --rule: #d5dbe1; --grid: #e7ebef;
  --first: #0b62c4; --second: #a84300; --third: #6e40c9; --fourth: #1f7a4d; --fifth: #66727f; --sixth: #8a6100;
  --on-mark: #ffffff;
  --step-0: #f1f5f9; --step-1: #d6e3f0; --step-2: #b3cde5; --step-3: #86b0d6; --step-4: #3b74aa; --step-5: #235a8e; --step-6: #0e3f6e;
  --on-low: #14202c; --on-high: #ffffff;
`;

const dark = `
  --ground: #0d1117; --ink: #e6edf3; --faint: #97a3af; --rule: #303a45; --grid: #222b35;
  --first: #6cb6ff; --second: #f69d50; --third: #c09bff; --fourth: #63c995; --fifth: #9aa7b4; --sixth: #d9b44a;
  --on-mark: #0d1117;
  --step-0: #18222d; --step-1: #1e3247; --step-2: #264867; --step-3: #2f6089; --step-4: #79aedd; --step-5: #a3cbee; --step-6: #d0e6f9;
  --on-low: #e8eef4; --on-high: #0b1520;
`;

/**
 * Contrast of text on its ground is 4.5 or more in both schemes, of marks 3 or more. A scale of seven steps goes from the
 * ground's lightness to its opposite, so that much is dark on light and light on dark. Paper is light.
 */
export const chartStyle = `
:root {${light}}
@media screen and (prefers-color-scheme: dark) {
:root {${dark}}
}
.plot { color: var(--ink); background: var(--ground); font: 11px system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; font-variant-numeric: tabular-nums; }
.plot text { white-space: pre; }
.plot .grid { stroke: var(--grid); stroke-opacity: 1; }
.plot .zero { stroke: var(--faint); }
.plot .quiet { fill: var(--faint); }
.plot .levels { stroke: var(--second); stroke-opacity: 0.75; }
.plot .first { fill: var(--first); } .plot .second { fill: var(--second); } .plot .third { fill: var(--third); }
.plot .fourth { fill: var(--fourth); } .plot .fifth { fill: var(--fifth); } .plot .sixth { fill: var(--sixth); }
.plot .line-first { stroke: var(--first); } .plot .line-second { stroke: var(--second); }
.plot .on-mark { fill: var(--on-mark); }
.plot .edge { stroke: var(--ground); stroke-width: 1.5; }
.plot .step-0 { fill: var(--step-0); } .plot .step-1 { fill: var(--step-1); } .plot .step-2 { fill: var(--step-2); }
.plot .step-3 { fill: var(--step-3); } .plot .step-4 { fill: var(--step-4); } .plot .step-5 { fill: var(--step-5); }
.plot .step-6 { fill: var(--step-6); }
.plot .on-low { fill: var(--on-low); } .plot .on-high { fill: var(--on-high); }
.plot .outline { stroke: var(--rule); }
`;
