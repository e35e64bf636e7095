/** Measures rankings against judgements. */
import { type BackendChoice, loadBackend } from "./backend.js";
import { answer, type CallOptions, invoke } from "./call.js";
import { Encoder } from "./encode.js";
import { callSite, located, TercetError } from "./errors.js";
import type { EvaluateReply, Id, InfoReply } from "./wire/index.js";

/** What one query returned, best first: hits as `search` gives them, or pairs of id and score. */
export type Ranking = readonly (
  | { readonly id: Id; readonly score: number }
  | readonly [id: Id, score: number]
)[];

/** What {@link evaluate} compares. */
export interface EvaluateOptions extends CallOptions {
  /** Query id to ranking. A judged query that is missing here counts as 0. */
  readonly run: { readonly [query: string]: Ranking };
  /** Query id to document id to grade; above 0 is relevant. Ids are compared as text here: 1 and "1" are the same. */
  readonly qrels: { readonly [query: string]: { readonly [document: string]: number } };
  /**
   * `ndcg`, `map` and `mrr`, also with a cut-off (`ndcg@10`); `recall@k`, `precision@k`, `success@k` and `judged@k`, any
   * `k` from 1; `r_precision` and `bpref`.
   */
  readonly metrics: readonly string[];
  /** Break ties in score by document id, descending, as trec_eval does. Default: the given order stands. */
  readonly trecTies?: boolean | undefined;
  /** The core to use; as in `open`. */
  readonly backend?: BackendChoice | undefined;
}

/**
 * Measures rankings against judgements.
 * @returns the mean of each metric over the judged queries, and its value for each query
 * @throws TercetError ERR_ARGUMENT for an unknown metric, ERR_NOT_FINITE for a score that is not a number
 * @example
 * const { means } = await evaluate({ run: { q1: page.hits }, qrels: { q1: { d7: 1 } }, metrics: ["ndcg@10"] });
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluateReply> {
  const site = callSite(evaluate);
  const { run, qrels, metrics, trecTies, signal } = options;
  try {
    const wire = new Encoder().value({ run: pairs(run), qrels, metrics, trecTies }, "evaluate", 0);
    const { binding } = await loadBackend(options.backend);
    const request = JSON.stringify(wire);
    const call = { binding, handle: binding.root, verb: "evaluate", request, options: { signal }, site };
    return answer<EvaluateReply>(await invoke(call));
  } catch (error) {
    throw error instanceof TercetError ? located(error, site) : error;
  }
}

function pairs(run: EvaluateOptions["run"]): Record<string, [string, number][]> {
  const entries = Object.entries(run).map(([query, ranking]) => {
    const list = Array.from(ranking, (item): [string, number] =>
      "id" in item ? [String(item.id), item.score] : [String(item[0]), item[1]],
    );
    return [query, list] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * Says what the core is: version, instruction set, analyzers, metrics, index kinds, format.
 * @param options.backend the core to ask; as in `open`
 */
export async function info(
  options: { readonly backend?: BackendChoice | undefined } = {},
): Promise<InfoReply> {
  const site = callSite(info);
  const { binding } = await loadBackend(options.backend);
  return answer<InfoReply>(
    await invoke({ binding, handle: binding.root, verb: "info", request: "{}", site }),
  );
}
