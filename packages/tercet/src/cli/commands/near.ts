/** `--near` of `tercet search`: which vector to be near to, and how hard to try. */
import { readFile } from "node:fs/promises";
import { TercetError } from "../../errors.js";
import { type NearOptions, type NearQuery, near } from "../../query.js";
import { type Option, string, type Values, wholeNumber } from "../command.js";
import { UsageError } from "../errors.js";

const COMMAND = "search";
/** What a vector may be. */
const FORMS = "a JSON array, id:ID of a stored document, or a file that holds a JSON array";

/** The options that choose a vector and an effort. */
export const NEAR_OPTIONS: Readonly<Record<string, Option>> = {
  near: {
    type: "string",
    value: "field=vector",
    help: "rank by nearness to a JSON array, to id:ID of a stored document, or to a file's JSON array",
  },
  recall: {
    type: "string",
    value: "share",
    help: "with --near: the share of the true nearest to find (after tercet tune)",
  },
  ef: { type: "string", value: "n", help: "with --near: candidates kept while a graph is walked" },
  exact: { type: "boolean", help: "with --near: compare all vectors" },
};

/** The query that the options ask for; undefined without `--near`. */
export async function nearQuery(values: Values): Promise<NearQuery | undefined> {
  const options = effort(values);
  const given = string(values, "near");
  if (given === undefined) {
    const [stray] = Object.keys(options);
    if (stray !== undefined) throw new UsageError(`--${stray} goes with --near`, COMMAND);
    return undefined;
  }
  const [, field, vector] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
  if (field === undefined || vector === undefined) {
    throw new UsageError(`--near takes field=vector, where the vector is ${FORMS}`, COMMAND);
  }
  if (vector.startsWith("id:")) return near(field, { id: vector.slice("id:".length) }, options);
  if (vector.startsWith("[")) return near(field, components(vector, "--near"), options);
  return near(field, components(await text(vector), `--near: ${vector}`), options);
}

function effort(values: Values): NearOptions {
  const ef = wholeNumber(values, "ef", COMMAND);
  const share = string(values, "recall");
  const recall = Number(share);
  if (share !== undefined && !(recall > 0 && recall <= 1)) {
    throw new UsageError(`--recall takes a number above 0, up to 1, not "${share}"`, COMMAND);
  }
  return {
    ...(ef === undefined ? {} : { ef }),
    ...(share === undefined ? {} : { recall }),
    ...(values.exact === true ? { exact: true } : {}),
  };
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const message = `--near: ${path} cannot be read: ${(cause as Error).message}`;
    throw new TercetError("ERR_IO", message, { file: path, cause });
  }
}

/** A JSON array of numbers. Its length and its metric are the core's to check. */
function components(json: string, what: string): number[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`${what} is not JSON: ${(error as Error).message}`, COMMAND);
  }
  if (!Array.isArray(value)) throw new UsageError(`${what} is no JSON array of numbers`, COMMAND);
  const wrong = value.findIndex((one) => typeof one !== "number");
  if (wrong !== -1) {
    throw new UsageError(
      `${what}: component ${wrong} is ${JSON.stringify(value[wrong])}, not a number`,
      COMMAND,
    );
  }
  return value;
}
