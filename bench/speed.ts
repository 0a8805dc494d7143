/** node build/bench/speed.js [MEASURE]...: what gg takes, as ratios to named peers in the same run. */
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { describeMeasured, type Measured } from "./measure.js";
import { PROJECTS, projectNamed } from "./projects.js";
import { BenchError, mainOf, requireGg } from "./run.js";
import { cold, nothing, type SpeedOptions, supervisor, warm } from "./speed-builds.js";
import { infer } from "./speed-infer.js";
import { memory } from "./speed-memory.js";
import { tiny } from "./speed-tiny.js";

interface Measure {
	readonly about: string;
	/** Projects it is made on unless told; none where it needs none. */
	readonly projects: readonly string[];
	readonly make: (project: string, options: SpeedOptions, count: number) => Promise<Measured>;
}

const MEASURES: Readonly<Record<string, Measure>> = {
	cold: {
		about: "gg build with an empty store / make",
		projects: ["mosh", "ffmpeg-reduced"],
		make: (project, options) => cold(projectNamed(project), options),
	},
	warm: {
		about: "gg build after make clean / make with a warm ccache",
		projects: ["mosh", "ffmpeg-reduced"],
		make: (project, options) => warm(projectNamed(project), options),
	},
	infer: {
		about: "gg infer with an empty store / gcc -M over the same sources",
		projects: ["ffmpeg-reduced"],
		make: (project, options) => infer(projectNamed(project), options),
	},
	nothing: {
		about: "gg build with nothing to do / make and three starts of Node.js",
		projects: ["mosh"],
		make: (project, options) => nothing(projectNamed(project), options),
	},
	tiny: {
		about: "gg force of independent tiny thunks / xargs with the same program",
		projects: [],
		make: (_, options, count) => tiny({ ...options, count }),
	},
	supervisor: {
		about: "CPU time of gg build with an empty store / the same without the supervisor",
		projects: ["ffmpeg-reduced"],
		make: (project, options) => supervisor(projectNamed(project), options),
	},
	memory: {
		about: "peak memory of gg's largest process / of the build's largest process",
		projects: ["ffmpeg"],
		make: (project, options) => memory(projectNamed(project), options),
	},
};

/** They take long. */
const ONLY_IF_TOLD = ["memory", "supervisor"];

const USAGE = `usage: speed.js [--project P]... [--runs N] [--jobs N] [--thunks N] [MEASURE]...

${Object.entries(MEASURES)
	.map(
		([name, { about, projects }]) =>
			`${name.padEnd(10)} ${about}${projects.length > 0 ? ` (${projects.join(", ")})` : ""}`,
	)
	.join("\n")}

All but ${ONLY_IF_TOLD.join(" and ")} unless told. Projects: ${PROJECTS.map(({ name }) => name).join(", ")}.
A line: median ratio (least–greatest), both medians, number of pairs, what / peer.
`;

async function main(): Promise<number> {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: {
			project: { type: "string", multiple: true },
			runs: { type: "string", default: "3" },
			jobs: { type: "string", default: "2" },
			thunks: { type: "string", default: "2000" },
			help: { type: "boolean", default: false },
		},
	});
	const names =
		positionals.length > 0 ? positionals : Object.keys(MEASURES).filter((name) => !ONLY_IF_TOLD.includes(name));
	const unknown = names.find((name) => MEASURES[name] === undefined);
	if (values.help || unknown !== undefined) {
		process.stderr.write(unknown === undefined ? USAGE : `no measure is called ${unknown}\n\n${USAGE}`);
		return values.help ? 0 : 2;
	}
	requireGg();
	console.log(`${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}, Node.js ${process.version}`);
	const options: SpeedOptions = { runs: Number(values.runs), jobs: Number(values.jobs) };
	let failed = false;
	for (const name of names) {
		const measure = MEASURES[name];
		const projects = measure?.projects.length === 0 ? [""] : (values.project ?? measure?.projects ?? []);
		for (const project of projects) {
			try {
				const measured = await measure?.make(project, options, Number(values.thunks));
				if (measured !== undefined) console.log(describeMeasured(measured));
			} catch (error) {
				if (!(error instanceof BenchError)) throw error;
				failed = true;
				console.log(`${name} ${project}: failed, ${error.message}`);
			}
		}
	}
	return failed ? 1 : 0;
}

if (import.meta.filename === process.argv[1]) await mainOf(main);
