/**
 * The other side of `elsewhere.ts`: a core in a process or a worker thread of its own, driven by messages. Plain
 * JavaScript, because neither goes through the test runner.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

const { addon, wasm, module } = workerData ?? JSON.parse(process.argv[2]);
const handles = {
  root: addon === undefined ? await wasmRoot() : createRequire(import.meta.url)(addon).root(),
};

async function wasmRoot() {
  const [{ load }, { nodeStorage }] = await Promise.all(
    ["main.js", "node-storage.js"].map((name) => import(pathToFileURL(`${wasm}/${name}`))),
  );
  return (await load({ url: pathToFileURL(module), storage: nodeStorage() })).root;
}

const post = (message) => (parentPort === null ? process.send(message) : parentPort.postMessage(message));
(parentPort ?? process).on("message", async ({ number, on, verb, request, keep }) => {
  if (verb === "(close)") {
    handles[on].close();
    post({ number, json: "{}" });
    return;
  }
  const { json, error, handle } = await handles[on].call(verb, request, []);
  if (handle !== undefined) handles[keep] = handle;
  post({ number, json, error });
});
post({ ready: process.pid });
