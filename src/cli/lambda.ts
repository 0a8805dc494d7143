import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseLambda } from "../engines/lambda/address.js";
import { type Deployment, FunctionAdmin, type Told } from "../engines/lambda/deploy.js";
import { HELLO_MS } from "../engines/lambda/engine.js";
import { lambdaInvoker } from "../engines/lambda/invoker.js";
import { installation } from "../interpose/native.js";
import { PROTOCOL } from "../lambda/payload.js";
import { openStorageAt, storageName } from "../storage/open.js";
import { UserError } from "../util/result.js";
import { VERSION } from "../util/version.js";
import { parse } from "./parse.js";
import { give, usageError } from "./project.js";
import { takeAccess } from "./results.js";
import type { Io, Run } from "./types.js";

const SPEC = {
	name: "lambda",
	usage:
		"gg lambda deploy|status|update|destroy [options]\n\nThe function on AWS Lambda that `--engine lambda` invokes: deploy makes it, or changes one that is there; update sends\nthis gg's code alone; status asks it what it is; destroy removes it. Credentials are found as by every AWS tool.",
	options: {
		role: { type: "string", describe: "the role that it runs as, an ARN (default: GG_LAMBDA_ROLE)" },
		region: { type: "string", describe: "where (default: AWS_REGION, or what the profile says)" },
		function: { type: "string", describe: "its name (default: gg-lambda-function)" },
		endpoint: { type: "string", describe: "URL of a service that is not Amazon's" },
		store: { type: "string", describe: "the storage backend that it uses (default: GG_STORAGE_URI)" },
		memory: { type: "number", default: 2048, describe: "MB, from 128 to 10240; processors come with memory" },
		timeout: { type: "number", default: 300, describe: "seconds that one invocation may take, up to 900" },
		tmp: { type: "number", default: 1024, describe: "MB of its /tmp, from 512 to 10240" },
		arch: { type: "string", choices: ["x64", "arm64"], describe: "x64 or arm64 (default: this machine's)" },
		concurrency: { type: "number", describe: "instances reserved for it, which is also their limit" },
		"dry-run": { alias: "n", type: "boolean", describe: "print each call that changes something, and make none" },
	},
} as const;

const ACTIONS = ["deploy", "status", "update", "destroy"] as const;
type Action = (typeof ACTIONS)[number];
/** The region may be in no list of ours; the account has twelve digits. */
const ROLE = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;

export const run: Run = async (args, io) => {
	const parsed = await parse(SPEC, args, io);
	if (parsed === undefined) return 0;
	const { flags, rest } = parsed;
	const action = ACTIONS.find((name) => name === rest[0]);
	if (action === undefined || rest.length > 1) throw usageError("lambda", `name one of ${ACTIONS.join(", ")}`);
	const query = new URLSearchParams();
	if (flags.function !== undefined) query.set("function", flags.function);
	if (flags.endpoint !== undefined) query.set("endpoint", flags.endpoint);
	const address = give(parseLambda(`${flags.region ?? ""}?${query}`));
	const dryRun = flags["dry-run"] === true;
	const told: Told = (call, input) => {
		if (dryRun) io.out(`${call} ${JSON.stringify(input, null, 1)}\n`);
		else io.err(`gg: ${call} ${address.name}\n`);
	};
	const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));
	const admin = new FunctionAdmin({ address, told, dryRun, pause });
	try {
		return await act(action, admin, { address, flags, io, dryRun });
	} finally {
		admin.close();
	}
};

interface Flags {
	readonly role?: string | undefined;
	readonly store?: string | undefined;
	readonly memory: number;
	readonly timeout: number;
	readonly tmp: number;
	readonly arch?: string | undefined;
	readonly concurrency?: number | undefined;
}

interface Asked {
	readonly address: Parameters<typeof lambdaInvoker>[0];
	readonly flags: Flags;
	readonly io: Io;
	readonly dryRun: boolean;
}

async function act(action: Action, admin: FunctionAdmin, asked: Asked): Promise<number> {
	const { address, flags, io, dryRun } = asked;
	switch (action) {
		case "deploy": {
			const deployment = await deploymentOf(flags, io);
			const done = await admin.deploy(deployment);
			if (dryRun) return 0;
			io.out(`${address.name} is ${done}\n`);
			return status(admin, asked);
		}
		case "update": {
			const there = await admin.look();
			if (there === undefined) throw absent(address.name);
			await admin.update(await bundle(), there.arch === "arm64" ? "arm64" : "x64");
			return dryRun ? 0 : status(admin, asked);
		}
		case "destroy":
			await admin.destroy();
			if (!dryRun) io.out(`${address.name} is gone\n`);
			return 0;
		case "status":
			return status(admin, asked);
	}
}

async function status(admin: FunctionAdmin, { address, io }: Asked): Promise<number> {
	const there = await admin.look();
	if (there === undefined) throw absent(address.name);
	const { runtime, arch, memoryMb, timeoutSeconds, tmpMb, bytes, state } = there;
	io.out(
		`${address.name}: ${state}, ${runtime} on ${arch}, ${memoryMb} MB of memory, ${tmpMb} MB of /tmp, ${timeoutSeconds} s, ${bytes} bytes\n`,
	);
	const invoker = lambdaInvoker(address, 1);
	try {
		const hello = { protocol: PROTOCOL, version: VERSION, action: "", blobs: "", blocks: [], objects: [] };
		const invoked = await invoker.invoke(Buffer.from(JSON.stringify(hello)), HELLO_MS);
		if (invoked.kind !== "reply") {
			io.err(`gg: it does not answer: ${invoked.message}\n`);
			return 1;
		}
		const { version = "", protocol = 0, storage = "" } = invoked.reply as Record<string, unknown>;
		io.out(`it is gg ${version}, and keeps files in ${storage === "" ? "no storage backend" : storage}\n`);
		if (protocol === PROTOCOL) return 0;
		io.err(`gg: this is gg ${VERSION}, which speaks otherwise\n    gg lambda update\n`);
		return 1;
	} finally {
		invoker.close();
	}
}

function absent(name: string): UserError {
	return new UserError({
		reason: "lambda",
		message: `there is no function ${name}`,
		hint: "gg lambda deploy makes it",
	});
}

async function deploymentOf(flags: Flags, io: Io): Promise<Deployment> {
	const role = flags.role ?? io.env["GG_LAMBDA_ROLE"] ?? "";
	if (role === "")
		throw new UserError({
			reason: "no-role",
			message: "the function needs a role",
			hint: "give --role, or set GG_LAMBDA_ROLE, to an ARN like arn:aws:iam::123456789012:role/gg; it needs AWSLambdaBasicExecutionRole, and to read and write the bucket",
		});
	if (!ROLE.test(role))
		throw new UserError({
			reason: "bad-role",
			message: `${JSON.stringify(role)} is no ARN of a role`,
			hint: "the form is arn:aws:iam::123456789012:role/NAME",
		});
	const between = (name: "memory" | "timeout" | "tmp", least: number, most: number): number => {
		const n = flags[name];
		if (Number.isInteger(n) && n >= least && n <= most) return n;
		throw usageError("lambda", `--${name} takes a whole number from ${least} to ${most}`);
	};
	const { concurrency } = flags;
	if (concurrency !== undefined && (!Number.isInteger(concurrency) || concurrency < 0))
		throw usageError("lambda", "--concurrency takes a whole number");
	return {
		role,
		arch: flags.arch === "arm64" || (flags.arch === undefined && process.arch === "arm64") ? "arm64" : "x64",
		memoryMb: between("memory", 128, 10_240),
		timeoutSeconds: between("timeout", 1, 900),
		tmpMb: between("tmp", 512, 10_240),
		concurrency,
		storageUri: await storageFor(flags.store ?? io.env["GG_STORAGE_URI"] ?? ""),
		zip: await bundle(),
	};
}

/** Keys of Amazon's own S3 are not given to the function: its role reads the bucket. */
async function storageFor(text: string): Promise<string> {
	// Who may write results is for each build to say.
	const { uri } = takeAccess(text);
	if (uri === "" || uri.startsWith("reapi="))
		throw new UserError({
			reason: "no-storage-uri",
			message: "the function needs a storage backend",
			hint: "set GG_STORAGE_URI, or give --store, to an S3 bucket or a Redis server",
		});
	await give(await openStorageAt(uri, "--store")).close();
	if (storageName(uri).startsWith("s3:") && !uri.includes("endpoint=")) return uri.replace(/^s3:\/\/[^/@]*@/, "s3://");
	return uri;
}

/** The same bytes wherever and whenever it is made from the same code. */
async function bundle(): Promise<Uint8Array> {
	const file = join(installation(), "dist/lambda.js");
	if (!existsSync(file))
		throw new UserError({ reason: "lambda", message: `${file} is missing`, hint: "install gg again" });
	const { zipSync } = await import("fflate");
	// The format knows no time before, and takes it for local.
	const mtime = new Date(1980, 0, 1);
	return zipSync({ "index.js": [readFileSync(file), { mtime, level: 9, os: 3, attrs: 0o644 << 16 }] });
}
