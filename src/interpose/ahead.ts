import type { SystemProbe } from "../models/ld-so.js";
import type { FileProbe } from "../models/types.js";
import { Scanner } from "../scan/scanner.js";
import type { Case } from "./case.js";
import type { Described } from "./describe.js";
import { IncludeScanner } from "./include-scan.js";
import { rememberSystem } from "./probe.js";
import type { Realiser } from "./realiser.js";
import type { Recorder } from "./recorder.js";
import { discoverInputs, type WrittenDepfile } from "./scan.js";
import { ScanTally } from "./scan-tally.js";
import type { SessionOptions } from "./session-options.js";

export type DescribedAhead = Described & { readonly depfiles: readonly WrittenDepfile[] };

export interface AheadOptions extends SessionOptions {
	readonly recorder: Recorder;
	readonly realiser: Realiser;
	/** A free name. */
	readonly traceFile: () => string;
}

/** Describes commands before they have run. */
export class Ahead {
	readonly #o: AheadOptions;
	/** For what is looked up and not named: headers and libraries. */
	readonly #probe: FileProbe & SystemProbe;
	readonly #includes: IncludeScanner;
	readonly #tally: ScanTally;

	constructor(options: AheadOptions) {
		this.#o = options;
		this.#probe = rememberSystem(options.probe, (path) => options.facts.isSystem(path));
		this.#includes = new IncludeScanner({ ...options, core: (files) => new Scanner(files) });
		this.#tally = new ScanTally(options.sink);
	}

	/** Writes what is remembered of scans. */
	close(): void {
		this.#tally.close(this.#includes.byThreads);
		this.#includes.close();
	}

	/** Finds out what a command will read, without running it. */
	async describe(c: Case): Promise<DescribedAhead | { readonly reason: string; readonly detail: string }> {
		const discover = (): ReturnType<typeof discoverInputs> =>
			discoverInputs({
				command: { tool: c.request.tool, argv: c.argv, cwd: c.request.cwd, env: c.request.env },
				plan: c.plan,
				real: c.real,
				path: c.path,
				searchDirs: c.toolchain.searchDirs,
				spawner: this.#o.spawner,
				probe: this.#probe,
				viewLibrary: this.#o.viewLibrary,
				isPlaceholder: (path) => this.#o.placeholders.has(path),
				isSystem: (path) => this.#o.facts.isSystem(path),
				traceFile: this.#o.traceFile(),
				toolchain: c.toolchain,
				includes: this.#includes,
				verify: this.#o.verifyDeps,
				tally: this.#tally,
			});
		const again = this.#o.recorder.describeAgain(c, (...change) => this.#includes.areSame(...change));
		if (again !== undefined && !this.#o.verifyDeps) {
			this.#tally.kept();
			return again;
		}
		let inputs = await discover();
		const asked = new Set<string>();
		while ("reason" in inputs && inputs.needs !== undefined) {
			// One that stays a placeholder must not be asked for again and again.
			if (inputs.needs.every((path) => asked.has(path))) return inputs;
			for (const path of inputs.needs) asked.add(path);
			if ((await this.#o.realiser.forceInputs(inputs.needs, c.request.cwd)) !== undefined) return inputs;
			inputs = await discover();
		}
		if ("reason" in inputs) return inputs;
		const described = this.#o.recorder.describe(c, inputs);
		if ("reason" in described) return described;
		if (again !== undefined && again.hash !== described.hash)
			this.#tally.differs(`${c.plan.outputs[0]?.path}: what an earlier scan had found is not what a new one finds`);
		return { ...described, depfiles: inputs.depfiles };
	}
}
