import type { ForceOutcome, Forcer } from "../forcer/forcer.js";
import type { DescribedTool } from "../models/generic.js";
import type { SystemProbe } from "../models/ld-so.js";
import type { FileProbe } from "../models/types.js";
import type { Sink } from "../report/events.js";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalObjects } from "../store/local.js";
import type { Placeholders } from "../store/placeholders.js";
import type { Store } from "../store/types.js";
import type { Spawner } from "../util/spawner.js";
import type { ScanThreads } from "./scan-threads.js";
import type { ToolPaths } from "./tools.js";

export interface SessionOptions {
	/** `infer` leaves placeholders; `build` runs what it can here at once and defers what could run beside it. */
	readonly mode: "infer" | "build";
	readonly ggDir: string;
	/** The user's, for what projects share. */
	readonly cacheDir: string;
	readonly store: Store & { readonly objects: LocalObjects };
	readonly facts: FileFacts;
	readonly placeholders: Placeholders;
	readonly spawner: Spawner;
	readonly tools: ToolPaths;
	readonly probe: FileProbe & SystemProbe;
	/** Tools that the project describes itself. */
	readonly described: readonly DescribedTool[];
	readonly forcer: Forcer;
	/** Puts one output of a forced thunk at `path`, where a placeholder for it stands. */
	readonly placeAt: (path: string, outcome: ForceOutcome & { kind: "forced" }, tag: string) => void;
	readonly viewLibrary: string;
	/** Slots of all engines: a build with less parallelism of its own is worth deferring. */
	readonly slots: number;
	/** Whoever reads a placeholder waits until it is real. */
	readonly holdsReaders: () => boolean;
	/** True when thunks can run elsewhere. */
	readonly remote: boolean;
	/** Never runs a command in the shim's place if the forcer can: its executor shows it only what was declared. */
	readonly throughForcer: boolean;
	readonly sink: Sink;
	readonly traceFolder: string;
	/** Where sources are scanned. */
	readonly threads?: ScanThreads | undefined;
	/** The compiler's own scan of includes runs beside ours, and both are compared. */
	readonly verifyDeps: boolean;
	/** Keep in mind which commands were asked for. */
	readonly remembers?: boolean;
}

/** What of a command's output gg itself prints. */
export interface Shown {
	readonly stdout: boolean;
	readonly stderr: boolean;
}
