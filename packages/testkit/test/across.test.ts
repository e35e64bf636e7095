import { load as loadNative } from "@tercet/native";
import { load as loadWasm } from "@tercet/wasm";
import { nodeStorage } from "@tercet/wasm/node-storage";
import { across } from "../src/main.js";
import { nodeFiles, temporaryFolders } from "./folders.js";

const native = ["native", async () => loadNative()] as const;
const wasm = ["wasm", () => loadWasm({ storage: nodeStorage() })] as const;
const folder = temporaryFolders();

across(native, wasm, folder, nodeFiles);
across(wasm, native, folder, nodeFiles);
