import { run } from "./create-thunk.js";
import { runAlone } from "./main.js";

void runAlone("create-thunk", run);
