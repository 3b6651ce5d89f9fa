import { type FileHandle, open, readdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { fileError } from "../../checkpoint/file-error.js";
import { positionsOf } from "../../schemes/vectors.js";
import { damagedPack, type PackedLinear } from "../target.js";
import { fileOf, type ImagePlace, imageFiles, imagePlace } from "./images.js";
import {
  beatBytes,
  codebookBeats,
  codebookLanes,
  fromPorts,
  idBeats,
  idsOfBeat,
  lanes,
  type Ports,
  positionBytes,
  type Stream,
  scaleWordBytes,
  tableBeats,
  tableEntries,
  unpackCodebooks,
  unpackPosition,
  unpackScales,
} from "./layout.js";
import { codebookPorts, portsOfLane, scalePort, soundScheme, tablePorts } from "./pack.js";
import { outputOf, runsIn } from "./projections.js";
import type { TabledOutline, TabledScheme } from "./tabled.js";

/** The images of a model, open for reading linears back. */
export interface OpenImages {
  readonly ports: Ports;
  /** @throws LuthierError when the images and the linear's layout do not hold together. */
  read(outline: TabledOutline, layout: PackedLinear["layout"]): Promise<TabledScheme>;
  close(): Promise<void>;
}

/** @throws LuthierError when a port's file is missing. */
export async function openImages(folder: string): Promise<OpenImages> {
  const names = await readdir(folder).catch((error) => {
    throw fileError("read", folder, error);
  });
  const ports: Ports = names.includes(fileOf(tablePorts(32)[lanes])) ? 32 : 16;
  const handles = new Map<string, FileHandle>();
  const close = async () => {
    for (const handle of handles.values()) await handle.close();
  };
  try {
    for (const name of imageFiles(ports)) {
      const file = path.join(folder, name);
      const handle = await open(file, "r").catch((error) => {
        throw fileError("read", file, error);
      });
      handles.set(name, handle);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ports,
    read: (outline, layout) => readLinear(outline, placeIn(layout, outline, ports), handles),
    close,
  };
}

/** A run of bytes of one port's file. */
type ReadPort = (port: string, first: number, bytes: number) => Promise<Uint8Array>;

async function readLinear(
  outline: TabledOutline,
  place: ImagePlace,
  handles: ReadonlyMap<string, FileHandle>,
): Promise<TabledScheme> {
  const read: ReadPort = (port, first, bytes) => readRun(fileOf(port), handles, first, bytes);
  const positions = positionsOf(outline);
  const { ids, entries } = await readTables(outline, place, read);
  const firstCodebook = place.firstCodebookBeat * place.beatBytes;
  const codebookBytes = codebookBeats(positions) * place.beatBytes;
  const codebooks: Uint8Array[] = [];
  for (let lane = 0; lane < codebookLanes; lane++)
    codebooks.push(
      await readLane(codebookPorts(place.ports), lane, place, read, firstCodebook, codebookBytes),
    );
  const words = place.projectionOutputs / place.outputsOfScale;
  const scaleBytes = await read(scalePort, place.firstScaleWord * scaleWordBytes, words * scaleWordBytes);
  const { scales, biases } = unpackScales(scaleBytes);
  const own = runsIn(outline.rows, outline.table.scales, place, place.outputsOfScale);
  return soundScheme({
    ...outline,
    ids,
    codebooks: null,
    inputCodebooks: unpackCodebooks(codebooks, positions),
    products: {
      entries,
      scales: Float32Array.from(own, (word) => scales[word]),
      biases: Float32Array.from(own, (word) => biases[word]),
    },
  });
}

/** The linear's part of its projection's tables and ids. */
async function readTables(outline: TabledOutline, place: ImagePlace, read: ReadPort) {
  const { rows } = outline;
  const stream = streamOf(outline, place);
  const positions = positionsOf(outline);
  const blocks = runsIn(rows, outline.blocks, place, stream.outputs / stream.blocks);
  const bytes = positionBytes(stream);
  const portBytes = ((positions / lanes) * bytes) / portsOfLane(place.ports);
  const first = place.firstBeat * place.beatBytes;
  const [firstPort] = tablePorts(place.ports);
  await read(firstPort, first + portBytes, 0); // a file that is long enough bounds what is allocated
  const ids = new Uint8Array(positions * rows);
  const entries = new Uint8Array(positions * outline.blocks * tableEntries);
  for (let lane = 0; lane < lanes; lane++) {
    const beats = await readLane(tablePorts(place.ports), lane, place, read, first, portBytes);
    for (let row = 0; row < positions / lanes; row++) {
      const found = unpackPosition(beats.subarray(row * bytes, (row + 1) * bytes), stream);
      if (found === null) throw damagedPack("its ids go on beyond its outputs");
      const position = row * lanes + lane;
      for (const [own, block] of blocks.entries()) {
        const table = found.tables.subarray(block * tableEntries, (block + 1) * tableEntries);
        entries.set(table, (position * outline.blocks + own) * tableEntries);
      }
      for (let n = 0; n < rows; n += place.outputRun) {
        const from = outputOf(n, place);
        ids.set(found.ids.subarray(from, from + place.outputRun), position * rows + n);
      }
    }
  }
  return { ids, entries };
}

/** The same bytes of a lane's ports as one run of beats. */
async function readLane(
  names: readonly string[],
  lane: number,
  { ports }: ImagePlace,
  read: ReadPort,
  first: number,
  bytes: number,
): Promise<Uint8Array> {
  const perLane = portsOfLane(ports);
  const parts: Uint8Array[] = [];
  for (const name of names.slice(lane * perLane, (lane + 1) * perLane))
    parts.push(await read(name, first, bytes));
  return fromPorts(parts);
}

async function readRun(
  file: string,
  handles: ReadonlyMap<string, FileHandle>,
  first: number,
  bytes: number,
): Promise<Uint8Array> {
  const handle = handles.get(file);
  if (handle === undefined) throw new RangeError(`${file} is not open`);
  const { size } = await handle.stat();
  if (first + bytes > size)
    throw damagedPack(`${file} has ${size} bytes, its layout asks for ${bytes} from ${first} on`);
  const out = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await handle.read(out, done, bytes - done, first + done);
    if (bytesRead === 0) throw damagedPack(`${file} ends early`);
    done += bytesRead;
  }
  return out;
}

function streamOf({ table }: TabledOutline, { projectionOutputs, projectionBlocks }: ImagePlace): Stream {
  return { outputs: projectionOutputs, blocks: projectionBlocks, bits: table.bits };
}

/** @throws LuthierError when the layout is no place in these images, or none of this linear. */
function placeIn(layout: PackedLinear["layout"], outline: TabledOutline, ports: Ports): ImagePlace {
  const parsed = imagePlace.safeParse(layout);
  if (!parsed.success)
    throw damagedPack(`its layout is none of lut-llm's images: ${z.prettifyError(parsed.error)}`);
  const place = parsed.data;
  const stream = streamOf(outline, place);
  const { projectionOutputs: outputs, projectionBlocks: blocks, outputsOfScale } = place;
  const wrong =
    place.ports !== ports
      ? `${place.ports} ports, there are files of ${ports}`
      : place.beatBytes !== beatBytes / portsOfLane(ports)
        ? `beats of ${place.beatBytes} bytes on ${ports} ports`
        : place.tableBeats !== tableBeats(stream) || place.idBeats !== idBeats(stream)
          ? `${place.tableBeats} and ${place.idBeats} beats of tables and ids for ${outputs} outputs in ${blocks} blocks`
          : outputs % idsOfBeat !== 0 || outputs % blocks !== 0 || outputs % outputsOfScale !== 0
            ? `${outputs} outputs in ${blocks} blocks and scales of ${outputsOfScale}`
            : holds(outline, place)
              ? null
              : `its ${outline.rows} rows at outputs where other blocks or scales are`;
  if (wrong) throw damagedPack(`its layout has ${wrong}`);
  return place;
}

/** Whether every row is an output of its own, and each block or scale of rows lies in one of its own of the projection. */
function holds({ rows, blocks, table }: TabledOutline, place: ImagePlace): boolean {
  const { projectionOutputs, projectionBlocks, outputsOfScale, outputRun, outputStride } = place;
  if (rows % outputRun !== 0 || outputStride < outputRun || outputOf(rows - 1, place) >= projectionOutputs)
    return false;
  return [
    { runs: blocks, runOutputs: projectionOutputs / projectionBlocks },
    { runs: table.scales, runOutputs: outputsOfScale },
  ].every(({ runs, runOutputs }) => {
    const begun = runsIn(rows, runs, place, runOutputs);
    if (begun.some((run, i) => i > 0 && run <= begun[i - 1])) return false;
    for (let row = 0; row < rows; row++) {
      if (Math.floor(outputOf(row, place) / runOutputs) !== begun[Math.floor((row * runs) / rows)])
        return false;
    }
    return true;
  });
}
