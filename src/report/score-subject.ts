/** What a score was computed from, in words. */
export function scoreSubject({
  of,
  target,
}: {
  readonly of: "checkpoint" | "run";
  readonly target: string | null;
}): string {
  if (of === "checkpoint") return "checkpoint, float";
  return target === null ? "quantized, float arithmetic" : `${target} pack, LUT engine`;
}
