import { channelTo } from "../engines/reapi/client.js";
import { type Endpoint, parseEndpoint } from "../engines/reapi/endpoint.js";
import { failureOf } from "../engines/reapi/failures.js";
import { CODE, RETRIES, RemoteError } from "../reapi/errors.js";
import { METHODS, type WorkerStatus } from "../reapi/messages.js";
import { VERSION } from "../util/version.js";
import { parse } from "./parse.js";
import { give } from "./project.js";
import type { Run } from "./types.js";

const SPEC = {
	name: "workers",
	usage:
		"gg workers [options] [ENDPOINT…]\n\nShows what workers are doing: who answers, what runs and waits, how often the cache knew the answer. Without\nendpoints, 127.0.0.1:8980. Ends with 1 if one of them does not answer.",
	options: { json: { type: "boolean", describe: "print JSON" } },
} as const;

type Seen = { readonly target: string } & (
	| { readonly state: "alive"; readonly ms: number; readonly status: WorkerStatus }
	/** A server of another make. */
	| { readonly state: "answers"; readonly ms: number }
	| { readonly state: "down"; readonly why: string }
);

const DEFAULT = "127.0.0.1:8980";
const ASK_MS = 5_000;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const texts = parsed.rest.length > 0 ? parsed.rest : [DEFAULT];
	const endpoints = texts.map((text) => give(parseEndpoint(text.replace(/^(?:reapi|remote)=/, ""), io.env)));
	const seen = await Promise.all(endpoints.map(look));
	if (parsed.flags.json === true) io.out(`${JSON.stringify(seen, null, 1)}\n`);
	else for (const line of table(seen)) io.out(`${line}\n`);
	return seen.every((s) => s.state !== "down") ? 0 : 1;
};

async function look(endpoint: Endpoint): Promise<Seen> {
	const { target, instance } = endpoint;
	// Who does not answer at once is to be shown as that.
	const channel = await channelTo(endpoint, VERSION, { ...RETRIES, attempts: 1 });
	const limits = { deadlineMs: Math.min(ASK_MS, endpoint.deadline * 1000) };
	try {
		// The first call also makes the connection.
		await channel.unary(METHODS.getCapabilities, { instanceName: instance }, limits);
		const started = performance.now();
		const ms = (): number => Math.round(performance.now() - started);
		try {
			const status = await channel.unary(METHODS.status, {}, limits);
			return { target, state: "alive", ms: ms(), status };
		} catch (error) {
			if (error instanceof RemoteError && error.code === CODE.UNIMPLEMENTED)
				return { target, state: "answers", ms: ms() };
			throw error;
		}
	} catch (error) {
		const { message } = failureOf(endpoint, error);
		return {
			target,
			state: "down",
			why: message.startsWith(`${target}: `) ? message.slice(target.length + 2) : message,
		};
	} finally {
		channel.close();
	}
}

function table(seen: readonly Seen[]): string[] {
	const rows = [["worker", "answers", "running", "queue", "known", "kept"], ...seen.map(cells)];
	const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => (row.length > 2 ? row[i]!.length : 0))));
	widths[0] = Math.max(...rows.map((row) => row[0]!.length));
	return rows.map((row) =>
		row
			.map((cell, i) => cell.padEnd(widths[i]!))
			.join("  ")
			.trimEnd(),
	);
}

function cells(s: Seen): string[] {
	if (s.state === "down") return [s.target, `down: ${s.why}`];
	if (s.state === "answers") return [s.target, `${s.ms} ms`, "(no gg worker: it tells no more)"];
	const { jobs, running, queued, hits, misses, blobs, bytes } = s.status;
	const asked = hits + misses;
	return [
		s.target,
		`${s.ms} ms`,
		`${running} of ${jobs}`,
		String(queued),
		asked === 0 ? "-" : `${Math.round((100 * hits) / asked)} %`,
		`${(bytes / 2 ** 20).toFixed(1)} MB in ${blobs}`,
	];
}
