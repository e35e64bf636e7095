import { load } from "@tercet/native";
import { behaviour } from "../src/main.js";
import { nativeElsewhere } from "./elsewhere.js";
import { nodeFiles, temporaryFolders } from "./folders.js";

behaviour("native on Node", async () => load(), {
  persist: temporaryFolders(),
  files: nodeFiles,
  elsewhere: nativeElsewhere(),
});
