// Checks what is installed with Luthier: the lockfile, licences, install scripts, and known vulnerabilities.
//
//   node scripts/audit.mjs [--offline] [folder]
//
// Everything but the vulnerabilities is read from the folder (by default this package) and needs no network.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const parameters = process.argv.slice(2);
const isOffline = parameters.includes("--offline");
const folder = parameters.find((each) => !each.startsWith("--"));
const root = path.resolve(folder ?? path.join(path.dirname(fileURLToPath(import.meta.url)), ".."));

/** Licences under which an MIT package may be given on with what it depends on, source or not. */
const allowedLicences = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "Unlicense",
]);
const registry = "https://registry.npmjs.org/";

const own = read("package.json");
const lock = read("package-lock.json");
const packages = Object.entries(lock.packages).filter(([place]) => place !== "");
const shipped = packages.filter(([, { dev }]) => !dev);

const faults = [
  ...rootFaults(),
  ...packages.flatMap(([place, entry]) => lockFaults(place, entry)),
  ...shipped.flatMap(([place, entry]) => licenceFaults(place, entry)),
];
if (faults.length === 0) {
  console.log(
    `${packages.length} packages: each with its sha512, none from elsewhere than the npm registry, none needs an install script\n` +
      `${shipped.length} of them at run time: licences ${licencesFound().join(", ")}`,
  );
}
if (!isOffline) faults.push(...vulnerabilities());
if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}

/** The lockfile is of this package.json. */
function rootFaults() {
  const found = [];
  if (lock.lockfileVersion !== 3) found.push(`package-lock.json: version ${lock.lockfileVersion}, not 3`);
  for (const kind of ["dependencies", "devDependencies"]) {
    const [asked, locked] = [own[kind] ?? {}, lock.packages[""]?.[kind] ?? {}];
    for (const name of new Set([...Object.keys(asked), ...Object.keys(locked)])) {
      if (asked[name] !== locked[name]) {
        found.push(
          `${name}: package.json wants ${asked[name]}, the lockfile ${locked[name]}; run npm install`,
        );
      }
    }
  }
  return found;
}

/** An entry without `resolved` comes from the registry that npm is set to, and must have the hash all the same. */
function lockFaults(place, { integrity, resolved, link, hasInstallScript }) {
  const found = [];
  if (link) found.push(`${place}: a link to ${resolved}, not a package`);
  else if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ""))
    found.push(`${place}: no sha512 in the lockfile`);
  if (!link && resolved !== undefined && !resolved.startsWith(registry)) {
    found.push(`${place}: comes from ${resolved}, not from ${registry}`);
  }
  if (hasInstallScript && own.allowScripts?.[nameOf(place)] !== false) {
    found.push(
      `${place}: has an install script; show that it works without, and switch it off in allowScripts`,
    );
  }
  return found;
}

function licenceFaults(place, entry) {
  const file = path.join(place, "package.json");
  if (!existsSync(path.join(root, file))) {
    return entry.optional ? [] : [`${place}: not installed; run npm ci`];
  }
  const { version, license } = read(file);
  if (version !== entry.version)
    return [`${place}: ${version} is installed, not ${entry.version}; run npm ci`];
  return isAllowed(license) ? [] : [`${place}: licence ${JSON.stringify(license)} is not on the list`];
}

function licencesFound() {
  return [...new Set(shipped.map(([, { license }]) => license))].sort();
}

/** Of an SPDX expression: one of those joined by OR, all of those joined by AND. */
function isAllowed(expression) {
  if (typeof expression !== "string") return false;
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let isBroken = false;
  const any = () => {
    let allowed = all();
    while (tokens[0] === "OR") {
      tokens.shift();
      allowed = all() || allowed;
    }
    return allowed;
  };
  const all = () => {
    let allowed = one();
    while (tokens[0] === "AND") {
      tokens.shift();
      allowed = one() && allowed;
    }
    return allowed;
  };
  const one = () => {
    const token = tokens.shift();
    if (token === undefined) isBroken = true;
    if (token !== "(") return allowedLicences.has(token);
    const allowed = any();
    return tokens.shift() === ")" && allowed;
  };
  return any() && tokens.length === 0 && !isBroken;
}

/** What the registry knows of the packages of run time; where it does not answer that is said, and is no fault of theirs. */
function vulnerabilities() {
  const { stdout } = spawnSync("npm", ["audit", "--omit=dev", "--json"], {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
    timeout: 60_000,
    maxBuffer: 2 ** 26,
  });
  const answer = parsed(stdout);
  if (answer?.metadata?.vulnerabilities === undefined) {
    console.warn("known vulnerabilities: not checked, the registry's audit does not answer");
    return [];
  }
  const found = Object.values(answer.vulnerabilities ?? {});
  if (found.length === 0) console.log("known vulnerabilities: none");
  return found.map(
    ({ name, severity, range }) => `${name} ${range}: known vulnerability, ${severity}; see npm audit`,
  );
}

function nameOf(place) {
  return place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
}

function read(file) {
  return JSON.parse(readFileSync(path.join(root, file), "utf8"));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
