/** `tercet tune`: measures what effort a recall takes. */
import {
  type Answer,
  type Arguments,
  type Command,
  type Context,
  positionals,
  string,
  wholeNumber,
} from "../command.js";
import { UsageError } from "../errors.js";
import { withFolder } from "../folder.js";
import { Progress } from "../progress.js";
import { counted, count as grouped, plain, table } from "../style.js";

export const tune: Command = {
  name: "tune",
  summary: "measure what effort a recall of vector searches takes",
  usage: "<folder> <field> [options]",
  about: `Searches a dense field with rising effort beside exact searches, for probes made of stored vectors, and keeps the
curve with the collection: searches then take --recall. Do it again when the vectors have changed.`,
  options: {
    k: { type: "string", value: "n", help: "neighbours a search (default 10)" },
    sample: { type: "string", value: "n", help: "stored vectors to make probes of (default 200)" },
    target: { type: "string", value: "share", help: "stop where this recall is reached (default 0.999)" },
  },
  examples: [
    ["tercet tune ./papers vector", "prints the curve and keeps it"],
    ["tercet search ./papers --near vector=id:paper-7 --recall 0.95", "uses it"],
  ],
  async run(args: Arguments, context: Context): Promise<Answer> {
    const [folder, field] = positionals(args, tune, ["folder", "dense field"]) as [string, string];
    const k = wholeNumber(args.values, "k", tune.name);
    const sample = wholeNumber(args.values, "sample", tune.name);
    const share = string(args.values, "target");
    const target = Number(share);
    if (share !== undefined && !(target > 0 && target <= 1)) {
      throw new UsageError(`--target takes a number above 0, up to 1, not "${share}"`, tune.name);
    }
    return withFolder(folder, context, { write: true }, async (collection) => {
      const progress = new Progress(context, "measuring", "searches");
      const curve = await collection.tune(field, {
        ...(k === undefined ? {} : { k }),
        ...(sample === undefined ? {} : { sample }),
        ...(share === undefined ? {} : { target }),
        ...progress.watching(context.signal),
      });
      const head = `recall at ${curve.k} of "${plain(field)}", ${counted(curve.queries, "probe")}, ${counted(curve.size, "vector")}`;
      const rows = curve.points.map(({ ef, recall, low, distances }) => [
        grouped(ef),
        recall.toFixed(4),
        low.toFixed(4),
        grouped(Math.round(distances)),
      ]);
      const text =
        rows.length === 0
          ? `${head}: every search is exact, there is nothing to choose`
          : `${head}\n\n${table([["ef", "recall", "at least", "distances"], ...rows])}`;
      return { json: curve, text };
    });
  },
};
