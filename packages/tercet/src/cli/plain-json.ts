/** Documents as JSON for `--json`: dates as ISO strings, vectors as arrays of numbers. */

/** A value that `JSON.stringify` writes as a reader of the output expects it. */
export function plainJson(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<number>);
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value === "object" && value !== null && !(value instanceof Date)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plainJson(item)]));
  }
  return value;
}

/** A value in one line for people. */
export function shortValue(value: unknown): string {
  if (value instanceof Date) return value.toISOString().replace("T00:00:00.000Z", "");
  if (ArrayBuffer.isView(value)) {
    const numbers = value as unknown as ArrayLike<number>;
    const head = Array.from({ length: Math.min(4, numbers.length) }, (_, i) =>
      (numbers[i] as number).toFixed(4),
    );
    return `[${head.join(", ")}${numbers.length > 4 ? ", …" : ""}] (${numbers.length})`;
  }
  if (Array.isArray(value)) return value.map(shortValue).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}
