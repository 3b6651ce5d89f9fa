import { writeFile } from "node:fs/promises";
import path from "node:path";
import { searchBeside } from "../../../src/report/search-file.js";
import {
  readDivergences,
  readSensitivities,
  writeDivergences,
  writeSensitivities,
} from "../../../src/search/sensitivity-files.js";
import { madeUpSearch } from "../../report/made-up-details.js";
import { parserInFolder } from "../in-folder.js";
import { mutateJson } from "../mutate-json.js";
import { samplesIn } from "../tiny-run.js";

const madeFrom = "a search";
const linear = "model.layers.0.mlp.down_proj";

/** What a search leaves in its folder: what it measured, and what it found. */
export const searches = parserInFolder({
  name: "searches",
  covers: ["report/search-file", "search/sensitivity-files", "pipeline/record"],
  async fill(folder) {
    await writeSensitivities(folder, 0, madeFrom, {
      [linear]: [
        { candidate: "a", error: 0.5, divergence: null },
        { candidate: "b", error: 0, divergence: 0.25 },
      ],
    });
    await writeDivergences(folder, madeFrom, { "00ff": 0.125 });
    await writeFile(path.join(folder, "search.json"), JSON.stringify(madeUpSearch([linear, "lm_head"])));
    return samplesIn(folder, () => true);
  },
  mutation: () => mutateJson,
  async read(folder, { file }) {
    if (file === "search.json") {
      const found = await searchBeside(path.join(folder, "recipe.yaml"));
      for (const { options, chosen } of found?.linears ?? []) options[chosen].candidate.name.trim();
    } else {
      await readDivergences(folder, madeFrom);
      await readSensitivities(folder, 0, madeFrom);
    }
  },
});
