import { run } from "./hash.js";
import { runAlone } from "./main.js";

void runAlone("hash", run);
