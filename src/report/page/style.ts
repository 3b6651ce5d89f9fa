/** Rules of a page besides its pictures': one column, thin rules, figures of equal width; light, dark, paper and phone. */
export const pageStyle = `
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 14px/1.45 system-ui, "Segoe UI", "Helvetica Neue", "Liberation Sans", Arial, sans-serif; font-variant-numeric: tabular-nums lining-nums; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
.maker { margin: 0; color: var(--faint); font-size: 12px; }
h1 { margin: 2px 0 18px; font-size: 26px; line-height: 1.2; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 0 0 4px; font-size: 17px; line-height: 1.3; font-weight: 600; }
h3 { display: inline; font-size: 14px; font-weight: 600; }
figure > .scroll { margin-top: 8px; }
p { margin: 0 0 10px; max-width: 76ch; }
a { color: var(--first); text-underline-offset: 2px; text-decoration-thickness: 1px; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0; padding: 10px 0; list-style: none; font-size: 13px; border-top: 1px solid var(--rule); }
section { padding: 22px 0 18px; border-top: 1px solid var(--rule); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px 28px; margin: 0 0 18px; }
.facts dt { color: var(--faint); font-size: 12px; }
.facts dd { margin: 0; font-size: 19px; line-height: 1.3; font-weight: 600; }
.facts dd + dd { font-size: 12px; font-weight: 400; color: var(--faint); overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll:focus-visible, button:focus-visible, select:focus-visible, a:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
figure { margin: 14px 0 18px; }
figure svg { display: block; height: auto; max-width: none; }
.pair svg { width: 100%; max-width: 520px; }
figcaption { margin-top: 6px; max-width: 90ch; color: var(--faint); font-size: 12.5px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 0 32px; }
table { border-collapse: collapse; font-size: 13px; }
.scroll > table { margin: 0 0 14px; }
.caption { margin: 14px 0 4px; color: var(--faint); font-size: 12.5px; max-width: 90ch; }
th, td { padding: 3px 16px 3px 0; text-align: left; vertical-align: top; font-weight: 400; white-space: nowrap; }
thead th { white-space: normal; color: var(--faint); border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody td, tbody th { border-bottom: 1px solid var(--grid); }
th:last-child, td:last-child { padding-right: 0; }
.numeric { text-align: right; }
td .beside { display: block; color: var(--faint); font-size: 0.92em; }
td.wrap { white-space: normal; min-width: 30ch; }
td .beside.long { white-space: normal; min-width: 26ch; max-width: 44ch; }
.key-first { color: var(--first); } .key-second { color: var(--second); }
.none { color: var(--faint); }
.limited { color: var(--second); white-space: nowrap; }
.n { cursor: help; }
th button { white-space: normal; font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; text-align: inherit; }
th button::after { content: "\\a0\\2195"; opacity: 0.45; }
th[aria-sort=ascending] button::after { content: "\\a0\\2191"; opacity: 1; }
th[aria-sort=descending] button::after { content: "\\a0\\2193"; opacity: 1; }
select { font: inherit; font-size: 12px; color: var(--ink); background: var(--ground); border: 1px solid var(--rule); border-radius: 3px; padding: 2px 9px; cursor: pointer; }
.save { font: inherit; font-size: 12px; font-weight: 400; color: var(--faint); background: none; border: 0; padding: 0 2px; cursor: pointer; text-decoration: underline; text-decoration-color: var(--rule); text-underline-offset: 2px; white-space: nowrap; }
.save:hover { color: var(--ink); text-decoration-color: currentColor; }
select { font-size: 13px; max-width: 100%; }
.choice { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: baseline; margin: 8px 0 0; }
[hidden] { display: none !important; }
.tip { position: absolute; z-index: 1; max-width: 32ch; padding: 3px 8px; background: var(--ink); color: var(--ground); font-size: 12px; border-radius: 3px; pointer-events: none; overflow-wrap: anywhere; white-space: pre-line; }
footer { padding-bottom: 40px; color: var(--faint); font-size: 12.5px; }
footer p:first-child { border-top: 1px solid var(--rule); padding-top: 14px; max-width: none; }
footer ul { margin: 4px 0; padding-left: 18px; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 20px; }
  h1 { font-size: 21px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 12px 18px; }
  .facts dd { font-size: 17px; }
}
@media print {
  @page { margin: 15mm 13mm; }
  body { font-size: 9.5pt; }
  main, header, footer { max-width: none; padding-left: 0; padding-right: 0; }
  header { padding-top: 0; }
  nav, .save, .tip, .choice { display: none; }
  th button::after { content: none; }
  .scroll { overflow: visible; }
  figure, tr { break-inside: avoid; }
  h2, h3, .caption { break-after: avoid; }
  figure svg { max-width: 100%; }
  table { font-size: 8pt; }
  th, td { padding-right: 10px; white-space: normal; }
  .numeric { white-space: nowrap; }
  thead .numeric, .numeric .beside { white-space: normal; }
  td .beside.long { min-width: 0; }
  a { color: inherit; text-decoration: none; }
}
`;
