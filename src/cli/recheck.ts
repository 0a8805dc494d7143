import type { Disagreement, Recheck } from "../forcer/recheck.js";
import type { Sink } from "../report/events.js";
import type { Failure } from "../util/result.js";
import type { Io } from "./types.js";

function failureOf({ path, kind }: Disagreement): Failure {
	if (kind === "differs")
		return {
			reason: "recheck-differs",
			message: `${path} is not what its command makes here`,
			hint: "`gg explain FILE` says where it came from; remove it and `.gg`, and build again",
		};
	return {
		reason: "recheck-unstable",
		message: `${path} comes out otherwise each time its command runs`,
		hint: "the command itself is not repeatable, with gg or without",
	};
}

/** Computes again what was chosen, and tells what came of it. The number of outputs that are not what they should be. */
export async function runRecheck(recheck: Recheck | undefined, sink: Sink, io: Io): Promise<number> {
	if (recheck === undefined) return 0;
	const { checked, skipped, disagreements } = await recheck.run();
	for (const found of disagreements) sink({ kind: "warning", failure: failureOf(found) });
	const wrong = disagreements.filter(({ kind }) => kind === "differs").length;
	const gone = skipped === 0 ? "" : `, ${skipped} could not run again`;
	io.err(`gg: ${checked} computed again and compared: ${wrong === 0 ? "no difference" : `${wrong} differ`}${gone}\n`);
	return wrong;
}
