/** Documents on their way out: dates and vectors become what their fields promise. */
import type { BulkArray } from "./binding.js";
import type { FieldSpec } from "./wire/index.js";

/** Turns wire documents into the caller's, in place. */
export class Decoder {
  private readonly dates: readonly string[];
  private readonly vectors: readonly string[];
  private readonly tokens: readonly string[];
  private readonly sparse: readonly string[];

  constructor(fields: Readonly<Record<string, FieldSpec>>) {
    const named = (type: FieldSpec["type"]) =>
      Object.keys(fields).filter((name) => fields[name]?.type === type);
    this.dates = named("date");
    this.vectors = named("dense");
    this.tokens = named("multi");
    this.sparse = named("sparse");
  }

  /** `document` with its dates as Date and its vectors as Float32Array. */
  document(document: Record<string, unknown>, arrays: readonly BulkArray[]): Record<string, unknown> {
    for (const field of this.dates) {
      const value = document[field];
      if (typeof value === "string" || typeof value === "number") document[field] = new Date(value);
    }
    for (const field of this.vectors) {
      const value = document[field] as { readonly $vector?: number } | undefined;
      if (value?.$vector !== undefined) document[field] = arrays[value.$vector];
    }
    for (const field of this.tokens) {
      const value = document[field] as { data?: { readonly $vector?: number } } | undefined;
      const at = value?.data?.$vector;
      if (value !== undefined && at !== undefined) document[field] = { ...value, data: arrays[at] };
    }
    for (const field of this.sparse) {
      const value = document[field] as
        | Record<"indices" | "values", { readonly $vector?: number }>
        | undefined;
      const [indices, values] = [value?.indices.$vector, value?.values.$vector];
      if (indices === undefined || values === undefined) continue;
      document[field] = { indices: arrays[indices], values: arrays[values] };
    }
    return document;
  }
}
