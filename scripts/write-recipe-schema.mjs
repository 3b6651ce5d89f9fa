// Writes recipes/recipe.schema.json from the schema that the parser uses; a test holds the two together.
import { writeFileSync } from "node:fs";
import { packagePath } from "../dist/src/package.js";
import { recipeJsonSchema } from "../dist/src/recipe/schema.js";

writeFileSync(packagePath("recipes/recipe.schema.json"), `${JSON.stringify(recipeJsonSchema(), null, 2)}\n`);
