import { lstatSync } from "node:fs";
import { parseEndpoint } from "../engines/reapi/endpoint.js";
import { openReapi, type ReapiEngine } from "../engines/reapi/engine.js";
import { nativeRunner } from "../interpose/native.js";
import type { FileFacts } from "../store/filefacts.js";
import type { Store } from "../store/types.js";
import type { ObjectHash } from "../thunk/hash.js";
import type { EngineChoice } from "./options.js";
import { give } from "./project.js";
import { VERSION } from "./version.js";

export interface RemoteParts {
	readonly store: Store;
	readonly facts: FileFacts;
	readonly modes: ReadonlyMap<ObjectHash, number>;
	/** The user's, where the runner is kept. */
	readonly cacheDir: string;
	/** Seconds; 0 is none. */
	readonly timeout: number;
	readonly env: NodeJS.ProcessEnv;
	readonly say: (text: string) => void;
}

/** The engines that speak to servers: loaded only when one is asked for. */
export async function openRemote(choice: EngineChoice, parts: RemoteParts): Promise<ReapiEngine> {
	const endpoint = give(parseEndpoint(choice.argument, parts.env));
	return openReapi({
		endpoint,
		jobs: choice.jobs,
		files: parts.facts,
		objects: parts.store.objects,
		modes: parts.modes,
		runner: give(nativeRunner(parts.cacheDir, parts.env, parts.say)),
		timeoutMs: parts.timeout * 1000,
		version: VERSION,
		modeOfFile(path) {
			const s = lstatSync(path, { throwIfNoEntry: false });
			return s === undefined ? undefined : s.mode & 0o7777;
		},
	});
}
