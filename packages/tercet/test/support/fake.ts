/** A core that answers as a test tells it, to see what crosses the seam and when. */
import type { Binding, BulkArray, Control, Handle, Reply } from "../../src/binding.js";
import { VERSION } from "../../src/version.js";
import type { OpenReply, SchemaSpec, WireError } from "../../src/wire/index.js";

/** One call as the core saw it. */
export interface Seen {
  readonly on: string;
  readonly verb: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into requests of every kind.
  readonly request: any;
  readonly arrays: readonly BulkArray[];
  readonly control: FakeControl | undefined;
}

/** What a test answers: a value to become JSON, a whole reply, or either later; `undefined` takes the default. */
export type Answer = unknown;

export class FakeControl implements Control {
  cancelled = false;
  worked = 0;
  all = 0;
  cancel(): void {
    this.cancelled = true;
  }
  done(): number {
    return this.worked;
  }
  total(): number {
    return this.all;
  }
}

/** A reply that is an error. */
export function refusal(error: WireError): Reply {
  return { json: "", arrays: [], error: JSON.stringify(error) };
}

/** A promise to be settled by hand. */
export function deferred<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** The fake and what it saw. */
export interface Fake {
  readonly binding: Binding;
  readonly seen: Seen[];
  /** The verbs seen, in order. */
  verbs(): string[];
}

function openReply(fields: SchemaSpec["fields"], { request }: Seen): OpenReply {
  const readOnly = request.readOnly === true || request.path === "";
  return { schema: { fields }, created: true, documents: 0, version: 1, readOnly };
}

/** A core whose collections have this schema, and which answers by `answer` first. */
export function fake(schema: SchemaSpec["fields"], answer: (call: Seen) => Answer = () => undefined): Fake {
  const seen: Seen[] = [];
  let batches = 0;
  const closed = new Set<string>();
  const usual = (call: Seen): Answer => {
    switch (call.verb) {
      case "open":
        return { json: JSON.stringify(openReply(schema, call)), arrays: [], handle: handle("collection") };
      case "begin":
        return { json: "{}", arrays: [], handle: handle(`batch ${batches++}`) };
      case "commit":
        return { written: staged(call.on), replaced: 0 };
      default:
        return {};
    }
  };
  const staged = (on: string) =>
    seen
      .filter((call) => call.on === on && call.verb === "stage")
      .reduce((sum, call) => sum + call.request.documents.length, 0);
  const reply = (value: Answer): Reply =>
    typeof value === "object" && value !== null && "arrays" in value
      ? (value as Reply)
      : { json: JSON.stringify(value), arrays: [] };
  const call = (
    on: string,
    verb: string,
    request: string,
    arrays: readonly BulkArray[],
    control?: Control,
  ) => {
    const entry = {
      on,
      verb,
      request: JSON.parse(request),
      arrays,
      control: control as FakeControl | undefined,
    };
    seen.push(entry);
    if (closed.has(on)) return refusal({ code: "ERR_CLOSED", message: `${on} is closed` });
    const given = answer(entry) ?? usual(entry);
    return given instanceof Promise ? given.then((value) => reply(value ?? usual(entry))) : reply(given);
  };
  const handle = (on: string): Handle => ({
    call: (verb, request, arrays, control) => call(on, verb, request, arrays, control),
    callSync: (verb, request, arrays) => call(on, verb, request, arrays) as Reply,
    searchInto: () => -1,
    lastError: () => JSON.stringify({ code: "ERR_DIMENSION", message: "the query has the wrong length" }),
    close: () => {
      closed.add(on);
      seen.push({ on, verb: "(close)", request: undefined, arrays: [], control: undefined });
    },
  });
  const binding: Binding = {
    backend: "wasm",
    version: VERSION,
    root: handle("root"),
    control: () => new FakeControl(),
  };
  return { binding, seen, verbs: () => seen.map((entry) => entry.verb) };
}
