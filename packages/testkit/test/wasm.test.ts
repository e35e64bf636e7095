import { load } from "@tercet/wasm";
import { nodeStorage } from "@tercet/wasm/node-storage";
import { behaviour } from "../src/main.js";
import { wasmElsewhere } from "./elsewhere.js";
import { nodeFiles, temporaryFolders } from "./folders.js";

behaviour("wasm on Node", () => load({ storage: nodeStorage() }), {
  persist: temporaryFolders(),
  files: nodeFiles,
  elsewhere: wasmElsewhere(),
});
