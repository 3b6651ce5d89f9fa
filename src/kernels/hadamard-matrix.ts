/*
 * Hadamard matrices: signs H [m, m] with HᵀH = m·I. Of a size 2^n·m they are Kronecker products of small ones, the cores,
 * and Sylvester's of order 2^n, which are butterflies. Cores are constructed: by Paley from the squares modulo a prime
 * (J. Math. Phys. 12, 1933), by Goethals and Seidel from four circulants (Can. J. Math. 19, 1967). So there is one for
 * every order of QuaRot's tables (12, 20, 28, 36, 40, 52, 60, 108, 140, 156, 172) and for many others.
 */

/** A square matrix of −1 and 1, row-major. */
export interface SignMatrix {
  readonly order: number;
  readonly signs: Int8Array;
}

/** `core ⊗ core ⊗ … ⊗ Sylvester's of order power`. */
export interface HadamardFactors {
  readonly cores: readonly SignMatrix[];
  /** A power of two. */
  readonly power: number;
}

/** The factors of a Hadamard matrix of this size with the fewest additions; null when none is known here. */
export function hadamardFactors(size: number): HadamardFactors | null {
  if (!Number.isSafeInteger(size) || size < 1) return null;
  const twos = powerOfTwoIn(size);
  const orders = coreOrders(size / twos, twos, largestCore);
  if (orders === null) return null;
  const power = orders.reduce((rest, order) => rest / order, size);
  return { cores: orders.map((order) => ({ order, signs: coreOf(order) })), power };
}

/** The largest run of channels that a Hadamard matrix can mix: all of them, else the largest power of two that divides them. */
export function hadamardSize(channels: number): number {
  return hadamardFactors(channels) ? channels : powerOfTwoIn(channels);
}

function powerOfTwoIn(size: number): number {
  let power = 1;
  while (size % (2 * power) === 0) power *= 2;
  return power;
}

/** A core takes as many additions a value as its order. */
const largestCore = 256;

/** Orders, the largest first, whose odd parts multiply to `odd` and that need no more twos than there are. */
function coreOrders(odd: number, twos: number, largest: number): readonly number[] | null {
  if (odd === 1) return [];
  let best: readonly number[] | null = null;
  for (let part = 3; part <= odd && 4 * part <= largest; part += 2) {
    if (odd % part !== 0) continue;
    for (let order = 4 * part; order <= largest && order / part <= twos; order *= 2) {
      if (!isCore(order)) continue;
      const rest = coreOrders(odd / part, twos / (order / part), order);
      if (rest && (best === null || sumOf([order, ...rest]) < sumOf(best))) best = [order, ...rest];
      break;
    }
  }
  return best;
}

function sumOf(orders: readonly number[]): number {
  return orders.reduce((sum, order) => sum + order, 0);
}

function isCore(order: number): boolean {
  return isPrime(order - 1) || isSecondPaley(order) || supplementary.has(order / 4);
}

function isSecondPaley(order: number): boolean {
  const prime = order / 2 - 1;
  return prime % 4 === 1 && isPrime(prime);
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}

const known = new Map<number, Int8Array>();

function coreOf(order: number): Int8Array {
  const signs = known.get(order) ?? constructed(order);
  known.set(order, signs);
  return signs;
}

function constructed(order: number): Int8Array {
  if (isPrime(order - 1)) return firstPaley(order - 1);
  return isSecondPaley(order) ? secondPaley(order / 2 - 1) : goethalsSeidel(order / 4);
}

/** Of order q + 1 for a prime q ≡ 3 (mod 4): `I + [0 1; −1 Q]` with `Q[i, j] = χ(i − j)`. */
function firstPaley(prime: number): Int8Array {
  const character = quadraticCharacter(prime);
  return filled(prime + 1, (i, j) => {
    if (i === j || i === 0) return 1;
    return j === 0 ? -1 : character[(i - j + prime) % prime];
  });
}

/** Of order 2(q + 1) for a prime q ≡ 1 (mod 4): `C ⊗ [1 1; 1 −1] + I ⊗ [1 −1; −1 −1]` with `C = [0 1; 1 Q]`. */
function secondPaley(prime: number): Int8Array {
  const character = quadraticCharacter(prime);
  return filled(2 * (prime + 1), (row, column) => {
    const [i, j] = [row >> 1, column >> 1];
    const isLast = (row & 1) === 1 && (column & 1) === 1;
    if (i === j) return row % 2 === 0 && column % 2 === 0 ? 1 : -1;
    const entry = i === 0 || j === 0 ? 1 : character[(i - j + prime) % prime];
    return isLast ? -entry : entry;
  });
}

/** χ of 0 … q − 1: 1 for squares, −1 for the others, 0 for 0. */
function quadraticCharacter(prime: number): Int8Array {
  const character = new Int8Array(prime).fill(-1);
  for (let i = 1; i < prime; i++) character[i ** 2 % prime] = 1;
  character[0] = 0;
  return character;
}

/** Where four rows of signs of length n are −1: on cosets of the group that `multiplier` generates modulo n. */
interface Supplementary {
  readonly multiplier: number;
  /** An element of each coset. */
  readonly negative: readonly (readonly number[])[];
}

/**
 * Rows whose periodic autocorrelations add up to zero at every shift but 0, for orders 4n that Paley does not give. Found
 * by trying all rows that are constant on the cosets, which takes a second.
 */
const supplementary: ReadonlyMap<number, Supplementary> = new Map([
  [13, { multiplier: 3, negative: [[1, 2], [1, 2], [1], [1, 4]] }],
  [
    39,
    {
      multiplier: 16,
      negative: [
        [1, 2, 3, 4, 6, 13],
        [1, 2, 3, 4, 13, 14],
        [1, 2, 3, 4, 8, 12],
        [2, 3, 4, 13, 17, 19],
      ],
    },
  ],
  [
    43,
    {
      multiplier: 37,
      negative: [
        [2, 4, 5],
        [1, 2, 9],
        [1, 3, 5],
        [1, 2, 5, 10],
      ],
    },
  ],
]);

/** Of order 4n, from circulants A, B, C, D of four such rows; R reverses the columns. */
function goethalsSeidel(n: number): Int8Array {
  const { multiplier, negative } = supplementary.get(n)!;
  const rows = negative.map((cosets) => {
    const row = new Int8Array(n).fill(1);
    for (const element of cosets) for (let i = element; row[i] === 1; i = (i * multiplier) % n) row[i] = -1;
    return row;
  });
  return filled(4 * n, (row, column) => {
    const [i, j] = [row % n, column % n];
    const { of, sign, transposed } = goethalsSeidelArray[Math.floor(row / n)][Math.floor(column / n)];
    if (of === 0) return rows[0][(j - i + n) % n];
    const reversed = n - 1 - j;
    return sign * rows[of][(transposed ? i - reversed + n : reversed - i + n) % n];
  });
}

const block = (of: number, sign: 1 | -1, transposed = false) => ({ of, sign, transposed });
const diagonal = block(0, 1);

/** `[A BR CR DR; −BR A DᵀR −CᵀR; −CR −DᵀR A BᵀR; −DR CᵀR −BᵀR A]`. */
const goethalsSeidelArray = [
  [diagonal, block(1, 1), block(2, 1), block(3, 1)],
  [block(1, -1), diagonal, block(3, 1, true), block(2, -1, true)],
  [block(2, -1), block(3, -1, true), diagonal, block(1, 1, true)],
  [block(3, -1), block(2, 1, true), block(1, -1, true), diagonal],
];

function filled(order: number, entry: (row: number, column: number) => number): Int8Array {
  return Int8Array.from({ length: order * order }, (_, at) => entry(Math.floor(at / order), at % order));
}
