/**
 * The index of inverted lists: vectors in lists around trained centroids, as short codes (Jegou, Douze & Schmid, TPAMI 2011),
 * the best of which are ranked again by longer codes or by whole vectors.
 */
import { ApproximateIndex } from "./approximate-index.js";
import { callSite } from "./errors.js";
import { type ReduceOption, reduction } from "./reduce.js";
import { type IndexOpenOptions, type OpenedIndex, openIndex, type SearchOptions } from "./row-index.js";
import { buildRequest, type ProbeOptions, type VectorIndexOptions } from "./vector-index.js";
import { argument, components, dtypeOf, integer, type Vectors } from "./vectors.js";
import type { IvfCodecName, IvfSpec, RerankName, RotateName } from "./wire/index.js";

/** How to build an index of inverted lists. */
export interface IvfPqOptions extends VectorIndexOptions {
  /**
   * Lists, 1 to 65,536, and no more than vectors; one for eight vectors at most is made of them. Default: by the number of
   * vectors.
   */
  readonly lists?: number | undefined;
  /** The codes that lists hold. Default `auto`: what suits the vectors. */
  readonly codec?: IvfCodecName | undefined;
  /**
   * Parts of a vector, each with a codebook of its own, 1 to dims and at most 1,024; only for the codec
   * `pq`. Dimensions that it does not divide are dealt out, so that some parts are one longer. Default: dims / 4.
   */
  readonly m?: number | undefined;
  /** Bits a part (`pq`: 4 or 8, default 4) or a component (`rabitq`: 1 to 8, default 1). */
  readonly bits?: number | undefined;
  /** Code the difference from a list's centroid instead of the vector. Default: what suits the codec. */
  readonly residual?: boolean | undefined;
  /** What turns vectors before they are coded. Default: what suits the codec. */
  readonly rotate?: RotateName | undefined;
  /** What makes vectors shorter before they are coded. Default: nothing. */
  readonly reduce?: ReduceOption | undefined;
  /** Put every vector into a second list as well (SOAR): fewer lists need be scanned, and lists are longer. Default false. */
  readonly spill?: boolean | undefined;
  /** Let no list hold more than twice the mean: for it there are up to half as many lists more. Default false. */
  readonly balance?: boolean | undefined;
  /** What candidates are ranked by again. Default: what suits the codec. */
  readonly rerank?: RerankName | undefined;
  /**
   * Keep the vectors, to re-rank by and to give back; without them scores come from codes that stand for them, or with `rerank:
   * "none"` from those of the lists alone, which take a tenth of the room and make no exact answer. Default true.
   */
  readonly keep?: boolean | undefined;
  /** What decides where training begins, 0 to 2^53 - 1: the same vectors and seed give the same bytes. Default 0. */
  readonly seed?: number | undefined;
}

/** How to open a saved index of lists. */
export interface IvfOpenOptions extends IndexOpenOptions {
  /**
   * Where the whole vectors stay that the best few are scored by: in memory as long as the system has room (`memory`, the default), or
   * on the disk: a mapped file then takes about what its codes and lists do, and a search a tenth of a millisecond more. Says nothing of
   * indexes that lists hold the vectors of (codec `f32` and `f16`), nor where files are not mapped.
   */
  readonly vectors?: "memory" | "disk" | undefined;
}

/** Settings of a search through lists. */
export interface IvfSearchOptions extends SearchOptions, ProbeOptions {}

/**
 * An approximate index that is small and quick to build: a vector takes some tens of bytes beside the vector itself, which may
 * stay on the disk. Built with one seed its bytes are the same for any number of threads and on either backend.
 * @example
 * const index = await IvfPqIndex.build(vectors, { dims: 384, metric: "cosine", codec: "pq", m: 96, bits: 4 });
 * await index.tune();
 * const { rows, scores } = index.search(query, 10, { recall: 0.95 }); // or { nprobe: 16, candidates: 200 }
 */
export class IvfPqIndex extends ApproximateIndex<IvfSearchOptions> {
  private constructor(opened: OpenedIndex) {
    super(opened);
  }

  /**
   * Trains an index on vectors and builds it over them; their row numbers are their positions. An aborted build keeps
   * nothing. Built over no vectors it is trained by the first that are added.
   * @param vectors n x dims components, row-major; may be empty. They are copied.
   * @throws TercetError ERR_DIMENSION (not a multiple of dims), ERR_NOT_FINITE, ERR_ZERO_VECTOR (both name the row in
   * `position`), ERR_LIMIT (a setting out of range; more lists than vectors), ERR_ARGUMENT (settings that do not go
   * together; a metric that does not compare this type), ERR_TYPE, ERR_UNSUPPORTED, ERR_ABORTED, ERR_MEMORY
   */
  static async build(vectors: Vectors, options: IvfPqOptions): Promise<IvfPqIndex> {
    const site = callSite(IvfPqIndex.build);
    const { lists, codec, m, bits, residual, rotate, reduce, spill, balance, rerank, keep, seed } = options;
    const { dtype = dtypeOf(vectors, "vectors", site) } = options;
    if (lists !== undefined) integer(lists, "lists", 1, 65_536, site);
    if (m !== undefined) integer(m, "m", 1, 65_535, site);
    if (bits !== undefined) integer(bits, "bits", 1, 8, site);
    if (seed !== undefined) integer(seed, "seed", 0, Number.MAX_SAFE_INTEGER, site);
    const taught = reduce === undefined ? undefined : reduction(reduce, dtype, site);
    const given: { readonly [K in keyof IvfSpec]: IvfSpec[K] | undefined } = {
      ...{ lists, codec, m, bits, residual, rotate, reduce: taught?.spec },
      ...{ spill, balance, rerank, keep, seed },
    };
    const settings = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const queries = taught?.queries ?? [];
    const request = buildRequest(dtype, { kind: "ivf", ...settings }, options, site, queries.length > 0);
    const arrays = [components(vectors, dtype, "vectors", site), ...queries];
    return new IvfPqIndex(await openIndex("index.build", request, arrays, options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IvfOpenOptions = {}): Promise<IvfPqIndex> {
    const site = callSite(IvfPqIndex.open);
    const { vectors = "memory" } = options;
    if (vectors !== "memory" && vectors !== "disk") {
      throw argument("vectors", '"memory" or "disk"', JSON.stringify(vectors), site);
    }
    const request = { path, index: { kind: "ivf" }, spare: vectors === "disk" };
    return new IvfPqIndex(await openIndex("index.open", request, [], options, site));
  }
}
