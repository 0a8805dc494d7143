import { lstatSync } from "node:fs";
import type { ReapiOptions } from "../engines/reapi/client.js";
import { type Endpoint, parseEndpoint } from "../engines/reapi/endpoint.js";
import { openReapi, type ReapiEngine } from "../engines/reapi/engine.js";
import { UNREACHABLE } from "../engines/reapi/failures.js";
import { openRemoteStore } from "../engines/reapi/store.js";
import type { ResultStore } from "../engines/stored.js";
import { nativeRunner } from "../interpose/native.js";
import type { FileFacts } from "../store/filefacts.js";
import type { LocalStore } from "../store/local.js";
import type { ObjectHash } from "../thunk/hash.js";
import { UserError } from "../util/result.js";
import { VERSION } from "../util/version.js";
import { defaultAccess } from "./access.js";
import type { EngineChoice } from "./options.js";
import { give } from "./project.js";

export interface RemoteParts {
	readonly store: LocalStore;
	readonly facts: FileFacts;
	readonly modes: ReadonlyMap<ObjectHash, number>;
	/** gg-view.so. */
	readonly view: string;
	/** The user's, where the runner is kept. */
	readonly cacheDir: string;
	/** Seconds; 0 is none. */
	readonly timeout: number;
	readonly env: NodeJS.ProcessEnv;
	readonly say: (text: string) => void;
	/** Outputs stay on the server until somebody asks for them. */
	readonly keeps: boolean;
	/** Thunks may go on with what others came to before it is here. */
	readonly early?: boolean;
}

/** A server's cache without its execution; undefined, and said, where it cannot be reached. */
export async function openStore(text: string, parts: RemoteParts): Promise<ResultStore | undefined> {
	try {
		return await openNamed(text, parts);
	} catch (error) {
		if (!(error instanceof UserError) || error.failure.reason !== UNREACHABLE) throw error;
		parts.say(`no store is used: ${error.failure.message}\n`);
		return undefined;
	}
}

async function openNamed(text: string, parts: RemoteParts): Promise<ResultStore> {
	const endpoint = give(parseEndpoint(text, parts.env));
	const told = new Set<string>();
	const store = await openRemoteStore({
		...optionsFor(endpoint, 1, parts),
		access: endpoint.access ?? defaultAccess(parts.env),
		troubled({ message, hint }) {
			if (told.has(message)) return;
			told.add(message);
			parts.say(`the store is left alone for a while: ${message}\n${hint === undefined ? "" : `    ${hint}\n`}`);
		},
	});
	if (store.readOnlyBecause !== "" && endpoint.access === "read-write")
		parts.say(`nothing is sent to the store: ${store.readOnlyBecause}\n`);
	return store;
}

/** The engines that speak to servers: loaded only when one is asked for. */
export async function openRemote(choice: EngineChoice, parts: RemoteParts): Promise<ReapiEngine> {
	const endpoint = give(parseEndpoint(choice.argument, parts.env));
	if (endpoint.access !== undefined) {
		const message = "the parameter access is one of --store, not of an engine";
		throw new UserError({ reason: "bad-endpoint", message });
	}
	return openReapi(optionsFor(endpoint, choice.jobs, parts));
}

function optionsFor(endpoint: Endpoint, jobs: number, parts: RemoteParts): ReapiOptions {
	return { endpoint, jobs, keeps: parts.keeps, early: parts.early === true, ...inputsOf(parts) };
}

/** What every engine needs that sends inputs to other machines. */
export function inputsOf(parts: RemoteParts) {
	return {
		files: parts.facts,
		objects: parts.store.objects,
		modes: parts.modes,
		runner: give(nativeRunner(parts.cacheDir, parts.env, parts.say)),
		view: parts.view,
		timeoutMs: parts.timeout * 1000,
		version: VERSION,
		modeOfFile(path: string) {
			const s = lstatSync(path, { throwIfNoEntry: false });
			return s === undefined ? undefined : s.mode & 0o7777;
		},
	};
}
