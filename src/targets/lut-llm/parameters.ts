import { z } from "zod";

export const lutLlmParameters = z.strictObject({
  ports: z
    .union([z.literal(16), z.literal(32)])
    .default(32)
    .describe("ports of tables and ids: 32 of 256 bits as in the paper, or 16 of 512 bits"),
  fidelity: z
    .literal("linears")
    .default("linears")
    .describe("what is computed as the hardware does: the linears; all else as the model defines it"),
});

export type LutLlmParameters = z.infer<typeof lutLlmParameters>;
