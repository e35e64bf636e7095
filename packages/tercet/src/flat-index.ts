/** The flat index: every vector is compared with the query, so its answers are exact. */
import { callSite } from "./errors.js";
import { type ReduceOption, reduction } from "./reduce.js";
import { type IndexOpenOptions, type OpenedIndex, openIndex, type SearchOptions } from "./row-index.js";
import { buildRequest, VectorIndex, type VectorIndexOptions } from "./vector-index.js";
import { components, dtypeOf, type Vectors } from "./vectors.js";
import type { FlatSpec } from "./wire/index.js";

/** How to build a flat index. */
export interface FlatOptions extends VectorIndexOptions {
  /**
   * The codes that are compared: fewer bytes, with answers as exact as the codes (re-ranked by the vectors where they are
   * kept). Default: the vectors themselves.
   */
  readonly codec?: FlatSpec["codec"] | undefined;
  /**
   * What makes vectors shorter before they are coded, in 8 bits a component; the best are ranked again by the vectors, which
   * must be kept. Default: nothing.
   */
  readonly reduce?: ReduceOption | undefined;
  /** Keep the vectors beside their codes. Default true. */
  readonly keep?: boolean | undefined;
}

/** An exact index: search compares the query with every vector. O(n * dims) a query, no build time. */
export class FlatIndex extends VectorIndex<SearchOptions> {
  private constructor(opened: OpenedIndex) {
    super(opened);
  }

  /**
   * Builds an index over vectors; their row numbers are their positions.
   * @param vectors n x dims components, row-major; may be empty. They are copied.
   * @throws TercetError ERR_DIMENSION (not a multiple of dims), ERR_NOT_FINITE, ERR_ZERO_VECTOR (both name the row in
   * `position`), ERR_LIMIT, ERR_ARGUMENT (a metric that does not compare this type), ERR_TYPE, ERR_ABORTED, ERR_MEMORY
   */
  static async build(vectors: Vectors, options: FlatOptions): Promise<FlatIndex> {
    const site = callSite(FlatIndex.build);
    const { codec, reduce, keep, dtype = dtypeOf(vectors, "vectors", site) } = options;
    const taught = reduce === undefined ? undefined : reduction(reduce, dtype, site);
    const index = {
      kind: "flat",
      ...(codec && { codec }),
      ...(taught && { reduce: taught.spec }),
      ...(keep === false && { keep }),
    } as const;
    const queries = taught?.queries ?? [];
    const request = buildRequest(dtype, index, options, site, queries.length > 0);
    const given = [components(vectors, dtype, "vectors", site), ...queries];
    return new FlatIndex(await openIndex("index.build", request, given, options, site));
  }

  /**
   * Opens an index that `save` wrote, on either backend: mapped where there are files, and read as it is needed.
   * @throws TercetError ERR_NOT_FOUND, ERR_TYPE (an index of another kind), ERR_CORRUPT, ERR_VERSION, ERR_IO
   */
  static async open(path: string, options: IndexOpenOptions = {}): Promise<FlatIndex> {
    const site = callSite(FlatIndex.open);
    return new FlatIndex(await openIndex("index.open", { path, index: { kind: "flat" } }, [], options, site));
  }
}
