/** CPU profiles of gg's own process. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The environment by which gg's process leaves a profile in `file` as it ends; NODE_OPTIONS takes no --cpu-prof. */
export function profiling(
	scratch: string,
	file: string,
	intervalUs: number,
	env: Readonly<Record<string, string>>,
): Record<string, string> {
	const script = join(scratch, "profile.cjs");
	writeFileSync(
		script,
		`const { Session } = require("node:inspector");
const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.setSamplingInterval", { interval: ${intervalUs} });
session.post("Profiler.start");
process.on("exit", () => session.post("Profiler.stop", (error, { profile }) => require("node:fs").writeFileSync(${JSON.stringify(file)}, JSON.stringify(profile))));
`,
	);
	return { NODE_OPTIONS: `${env["NODE_OPTIONS"] ?? ""} --require=${script}` };
}

interface Profile {
	readonly nodes: readonly {
		readonly id: number;
		readonly callFrame: { readonly functionName: string };
		readonly children?: readonly number[];
	}[];
	readonly samples: readonly number[];
	readonly timeDeltas: readonly number[];
}

/** Microseconds of a profile by what `phaseOf` calls a stack: the names of its functions, the innermost first. */
export function sumByPhase(file: string, phaseOf: (stack: readonly string[]) => string): Map<string, number> {
	const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as Profile;
	const byId = new Map(nodes.map((node) => [node.id, node]));
	const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
	const phases = new Map<number, string>();
	const phase = (id: number): string => {
		let known = phases.get(id);
		if (known === undefined) {
			const stack: string[] = [];
			for (let at: number | undefined = id; at !== undefined; at = parents.get(at))
				stack.push(byId.get(at)!.callFrame.functionName);
			known = phaseOf(stack);
			phases.set(id, known);
		}
		return known;
	};
	const sums = new Map<string, number>();
	for (const [i, id] of samples.entries()) sums.set(phase(id), (sums.get(phase(id)) ?? 0) + timeDeltas[i]!);
	return sums;
}
