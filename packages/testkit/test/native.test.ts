import { load } from "@tercet/native";
import { behaviour } from "../src/main.js";
import { temporaryFolders } from "./folders.js";

behaviour("native on Node", async () => load(), { persist: temporaryFolders() });
