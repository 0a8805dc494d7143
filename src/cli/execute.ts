import { classicExecutor } from "../executor/classic.js";
import { localExecutor } from "../executor/inplace.js";
import { executeWith } from "./execute-thunks.js";
import { openWorkshop } from "./workshop.js";

/** Here, with all that gg has: thunks in the original's form, and those of builds. */
export const run = executeWith((ggDir, io) => {
	const workshop = openWorkshop(ggDir, io);
	const { store, facts, spawner, scratch } = workshop;
	const keep = (io.env["GG_LEAVE_CRASHED_THUNKS"] ?? "") !== "";
	const sandbox = (io.env["GG_SANDBOXED"] ?? "") !== "";
	const viewLibrary = workshop.natives.view;
	const more = { timeoutMs: 0, sandbox, keep, modes: new Map() };
	return {
		store,
		executorFor: ({ cwd }) =>
			cwd === ""
				? classicExecutor({ store, spawner, scratch, keep })
				: localExecutor({ store, facts, spawner, viewLibrary, scratch, ...more }),
		close: () => workshop.close(),
	};
});
