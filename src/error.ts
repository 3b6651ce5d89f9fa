/**
 * The one error that Luthier throws on purpose: what went wrong, where, and the way out.
 *
 * The command line prints `message` and `fix` and leaves with exit code 2 for a usage or recipe error, else 1.
 */
export class LuthierError extends Error {
  override readonly name = "LuthierError";

  constructor(
    /** What is wrong and where: the file, tensor, linear or recipe line, and the value found. */
    message: string,
    /** What the user can do about it, as an imperative sentence. */
    readonly fix: string,
    options: { readonly usage?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.usage = options.usage ?? false;
  }

  /** True when the command line or the recipe is at fault, not the data or the machine. */
  readonly usage: boolean;
}
