import { join } from "node:path";
import { classicExecutor } from "../executor/classic.js";
import { ScratchFolders } from "../executor/scratch.js";
import { openLocalStore } from "../store/local.js";
import { plainSpawner } from "../util/plain-spawner.js";
import { executeWith } from "./execute-thunks.js";
import { runAlone } from "./main.js";

/** One file on a machine without gg: it can run what needs no native program. */
const run = executeWith((ggDir, io) => {
	const store = openLocalStore(ggDir);
	const scratch = new ScratchFolders(join(ggDir, "tmp"));
	const keep = (io.env["GG_LEAVE_CRASHED_THUNKS"] ?? "") !== "";
	const executor = classicExecutor({ store, spawner: plainSpawner(), scratch, keep });
	return {
		store,
		executorFor: ({ cwd }) =>
			cwd === ""
				? executor
				: {
						reason: "not-classic",
						message: `the thunk is one of a build in ${cwd}, which gg-execute-static cannot run`,
						hint: "`gg execute` can, where gg is installed",
					},
		async close() {
			store.close();
			scratch.close();
		},
	};
});

void runAlone("execute", run);
