import { z } from "zod";

export const lutLlmParameters = z.strictObject({
  ports: z
    .union([z.literal(16), z.literal(32)])
    .default(32)
    .describe("ports of tables and ids: 32 of 256 bits as in the paper, or 16 of 512 bits"),
  fidelity: z
    .enum(["linears", "kernel"])
    .default("linears")
    .describe(
      "what is scored as the hardware computes it: the linears, all else exact; or all that the kernel does",
    ),
});

export type LutLlmParameters = z.infer<typeof lutLlmParameters>;
