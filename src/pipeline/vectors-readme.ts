import { formatName } from "../targets/signal-files.js";
import type { Vectors } from "./vectors.js";

/** The README beside the vectors: what is there and how a test bench uses it. */
export function vectorsReadme({ target, encodings, linears, text, seed }: Vectors): string {
  const [first] = linears;
  const [oneCase] = first.cases;
  const drive = oneCase.signals[0].name;
  const compared = oneCase.signals.at(-1)?.name ?? "output";
  return `# Test vectors for ${target}

Made by \`luthier vectors\`; ${linears.length} linears, ${first.cases.length} cases each. \`manifest.json\` names every file with its shape, number format, size and sha256. Seed ${seed}; activations from ${text.name}.

    <linear>/memories/<tensor>.*     what the hardware reads: the bytes of the pack
    <linear>/<case>/<signal>.*       one token's product, from ${drive} to ${compared}

## Cases

| case | what |
| --- | --- |
${first.cases.map(({ name, what }) => `| \`${name}\` | ${what} |`).join("\n")}

## Signals

In the order in which they arise, with the shapes of \`${first.name}\`.

| signal | format | shape | what |
| --- | --- | --- | --- |
${oneCase.signals.map(({ name, format, shape, what }) => `| \`${name}\` | ${formatName(format)} | ${shape.join(" × ")} | ${what} |`).join("\n")}

The layout of the memories and every step of the arithmetic, with widths and roundings, are in the target's documentation (src/targets/${target}/README.md).

## Encodings

${encodings.map((encoding) => descriptions[encoding]).join("\n")}

Arrays are row-major.

## A test bench

1. Load \`<linear>/memories\` into the memories of the device under test.
2. For each case drive \`${drive}\`, or the first signal that the unit under test takes in: each is there, so a unit can be tested alone.
3. Compare every signal that the unit gives with its file. All of them are bits, floats too: compare without a tolerance.

In Verilog:

    reg [${oneCase.signals[0].format.bits - 1}:0] stimulus [0:${oneCase.signals[0].shape.reduce((a, b) => a * b, 1) - 1}];
    initial $readmemh("${first.name}/${oneCase.name}/${drive}.mem", stimulus);

In C:

    #include "${first.name}/${oneCase.name}/${drive}.h"   /* ${symbol(drive)}[]; floats are their IEEE bits */

In Python:

    numpy.load("${first.name}/${oneCase.name}/${drive}.npy")

\`sha256sum\` of a file is in the manifest: a changed vector is found before it is simulated.
`;
}

const descriptions = {
  mem: "- `.mem`: one value a line in hexadecimal, two's complement or IEEE bits at the signal's own width, for `$readmemh`; of memories whose rows are at most 64 bytes, one row a line, its first byte in the lowest bits.",
  bin: "- `.bin`: little-endian, each value sign-extended to 1, 2 or 4 bytes; no header.",
  npy: "- `.npy`: the same with NumPy's header.",
  h: "- `.h`: a C array; floats as their IEEE bits.",
} as const;

function symbol(name: string): string {
  return name.replaceAll(/\W/g, "_");
}
