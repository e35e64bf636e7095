/** What makes vectors shorter in front of an index, as level 1 takes it: with sample queries where they teach. */
import type { BulkArray } from "./binding.js";
import type { Site } from "./errors.js";
import { argument, queryComponents, type Vectors } from "./vectors.js";
import type { DtypeName, ReduceSpec } from "./wire/index.js";

/** A reduction: its name under `kind` or `method`, and how short vectors become. */
export type ReduceOption =
  | ReduceSpec
  | {
      /** Another word for `kind`. */
      readonly method: Exclude<ReduceSpec["kind"], "none">;
      /** Components that stay: 1 to those of a vector. */
      readonly dims: number;
    }
  | {
      /** Axes that are taught by queries. */
      readonly kind?: "leanvec";
      /** Another word for `kind`. */
      readonly method?: "leanvec";
      /** Components that stay: 1 to those of a vector. */
      readonly dims: number;
      /**
       * Queries as they will be asked, n x dims components, row-major: some hundreds. The index keeps up to 1,024 of them.
       * Without any the axes are those of the data.
       */
      readonly queries?: Vectors | undefined;
    };

/** The wire form of a reduction, and the array of its queries. */
export function reduction(
  option: ReduceOption,
  dtype: DtypeName,
  site: Site,
): { spec: ReduceSpec; queries: readonly BulkArray[] } {
  if (typeof option !== "object" || option === null) {
    throw argument("reduce", "an object", String(option), site);
  }
  const { kind, method, queries, ...rest } = option as {
    kind?: ReduceSpec["kind"];
    method?: ReduceSpec["kind"];
    queries?: Vectors;
  };
  if (kind !== undefined && method !== undefined && kind !== method) {
    throw argument("reduce", "one of kind and method", "both, and different", site);
  }
  const name = kind ?? method;
  if (name === undefined) throw argument("reduce", "a kind", "none", site);
  const spec = { kind: name, ...rest } as ReduceSpec;
  if (queries === undefined) return { spec, queries: [] };
  return { spec, queries: [queryComponents(queries, dtype, "reduce.queries", site)] };
}
