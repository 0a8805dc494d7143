import { withoutAdvice } from "../../util/aws.js";
import { type Failure, UserError } from "../../util/result.js";
import type { LambdaAddress } from "./address.js";
import {
	CreateFunctionCommand,
	DeleteFunctionCommand,
	GetFunctionConfigurationCommand,
	LambdaClient,
	PutFunctionConcurrencyCommand,
	Runtime,
	UpdateFunctionCodeCommand,
	UpdateFunctionConfigurationCommand,
} from "./lambda-client.js";

/** What a function is to be. */
export interface Deployment {
	readonly role: string;
	readonly arch: "x64" | "arm64";
	readonly memoryMb: number;
	readonly timeoutSeconds: number;
	readonly tmpMb: number;
	/** Instances that are kept for it, and that it has at most; undefined: what the account has. */
	readonly concurrency: number | undefined;
	readonly storageUri: string;
	/** The bundle, as a ZIP file. */
	readonly zip: Uint8Array;
}

export interface Deployed {
	readonly runtime: string;
	readonly arch: string;
	readonly memoryMb: number;
	readonly timeoutSeconds: number;
	readonly tmpMb: number;
	readonly state: string;
	readonly bytes: number;
}

/** Called with each call that changes something, before it is made; secrets are left out. */
export type Told = (call: string, input: Readonly<Record<string, unknown>>) => void;

export interface DeployOptions {
	readonly address: LambdaAddress;
	readonly told: Told;
	/** Tell what would be called, and call nothing that changes anything. */
	readonly dryRun: boolean;
	/** Resolves after so many milliseconds. */
	readonly pause: (ms: number) => Promise<void>;
}

const POLL_MS = 500;
const POLLS = 240;
const HIDDEN = "(not shown)";

/** The service's names of its Node.js runtimes that the SDK knows, the newest first. */
export function runtimes(): string[] {
	const version = (name: string): number => Number(/^nodejs(\d+)\.x$/.exec(name)?.[1] ?? 0);
	return Object.values<string>(Runtime)
		.filter((name) => version(name) >= 20)
		.sort((a, b) => version(b) - version(a));
}

/** One function of one region. Every method rejects with a UserError that says what the service said. */
export class FunctionAdmin {
	readonly #o: DeployOptions;
	readonly #client: LambdaClient;

	constructor(options: DeployOptions) {
		this.#o = options;
		const { region, endpoint } = options.address;
		this.#client = withoutAdvice(
			() =>
				new LambdaClient({
					...(region === "" ? {} : { region }),
					...(endpoint === "" ? {} : { endpoint }),
					requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
				}),
		);
	}

	close(): void {
		this.#client.destroy();
	}

	/** Undefined when there is none. */
	async look(): Promise<Deployed | undefined> {
		try {
			const c = await this.#client.send(new GetFunctionConfigurationCommand({ FunctionName: this.#name }));
			return {
				runtime: c.Runtime ?? "",
				arch: c.Architectures?.[0] === "arm64" ? "arm64" : "x64",
				memoryMb: c.MemorySize ?? 0,
				timeoutSeconds: c.Timeout ?? 0,
				tmpMb: c.EphemeralStorage?.Size ?? 512,
				state: c.LastUpdateStatus === "InProgress" || c.State === "Pending" ? "pending" : (c.State ?? "").toLowerCase(),
				bytes: c.CodeSize ?? 0,
			};
		} catch (error) {
			if ((error as Error).name === "ResourceNotFoundException") return undefined;
			throw this.#failure(error);
		}
	}

	/** Makes the function, or brings code and settings of one that is there up to date. */
	async deploy(d: Deployment): Promise<"made" | "updated"> {
		const there = await this.look();
		if (there === undefined) {
			await this.#create(d);
			await this.#ready();
		} else {
			await this.update(d.zip, d.arch);
			await this.#byNewest("UpdateFunctionConfiguration", settings(this.#name, d), (input) =>
				this.#client.send(new UpdateFunctionConfigurationCommand(input)),
			);
			await this.#ready();
		}
		if (d.concurrency !== undefined)
			await this.#call(
				"PutFunctionConcurrency",
				{ FunctionName: this.#name, ReservedConcurrentExecutions: d.concurrency },
				(input) => this.#client.send(new PutFunctionConcurrencyCommand(input)),
			);
		return there === undefined ? "made" : "updated";
	}

	async update(zip: Uint8Array, arch: "x64" | "arm64"): Promise<void> {
		const input = { FunctionName: this.#name, Architectures: [archName(arch)], ZipFile: zip };
		await this.#call("UpdateFunctionCode", input, (i) => this.#client.send(new UpdateFunctionCodeCommand(i)));
		await this.#ready();
	}

	async destroy(): Promise<void> {
		await this.#call("DeleteFunction", { FunctionName: this.#name }, (input) =>
			this.#client.send(new DeleteFunctionCommand(input)),
		);
	}

	get #name(): string {
		return this.#o.address.name;
	}

	async #create(d: Deployment): Promise<void> {
		const input = {
			...settings(this.#name, d),
			Handler: "index.handler",
			Architectures: [archName(d.arch)],
			Description: "Runs thunks of gg",
			Code: { ZipFile: d.zip },
		};
		await this.#byNewest("CreateFunction", input, (i) => this.#client.send(new CreateFunctionCommand(i)));
	}

	/** With the newest runtime that the region has. */
	async #byNewest<I extends object>(
		name: string,
		input: I,
		send: (input: I & { readonly Runtime: Runtime }) => Promise<unknown>,
	): Promise<void> {
		const rest = runtimes();
		for (let runtime = rest.shift(); runtime !== undefined; runtime = rest.shift()) {
			try {
				return await this.#call(name, { ...input, Runtime: runtime as Runtime }, send);
			} catch (error) {
				const isUnknown = error instanceof UserError && /runtime/i.test(error.message) && rest.length > 0;
				if (!isUnknown) throw error;
			}
		}
	}

	async #call<I extends object>(name: string, input: I, send: (input: I) => Promise<unknown>): Promise<void> {
		this.#o.told(name, shown(input));
		if (this.#o.dryRun) return;
		try {
			await send(input);
		} catch (error) {
			throw this.#failure(error);
		}
	}

	/** A change takes the service some seconds, in which it refuses the next one. */
	async #ready(): Promise<void> {
		if (this.#o.dryRun) return;
		for (let i = 0; i < POLLS; i++) {
			const state = (await this.look())?.state;
			if (state === "active") return;
			if (state === "failed") throw new UserError(failed(`the service could not bring ${this.#name} up`));
			await this.#o.pause(POLL_MS);
		}
		throw new UserError(failed(`${this.#name} is still not ready`, "look again later: gg lambda status"));
	}

	#failure(error: unknown): UserError {
		if (error instanceof UserError) return error;
		const { name, message } = error as Error;
		const code = (error as { readonly code?: string }).code;
		return new UserError(adminFailure(this.#name, code ?? name, message));
	}
}

const archName = (arch: "x64" | "arm64"): "x86_64" | "arm64" => (arch === "x64" ? "x86_64" : "arm64");

function settings(name: string, d: Deployment) {
	return {
		FunctionName: name,
		Role: d.role,
		MemorySize: d.memoryMb,
		Timeout: d.timeoutSeconds,
		EphemeralStorage: { Size: d.tmpMb },
		Environment: { Variables: { GG_STORAGE_URI: d.storageUri } },
	};
}

/** Without the code's bytes, and without what may hold a password. */
function shown(input: object): Record<string, unknown> {
	return JSON.parse(
		JSON.stringify(input, (key, value: unknown) => {
			if (value instanceof Uint8Array) return `(${value.length} bytes)`;
			return key === "GG_STORAGE_URI" && String(value).includes("@") ? HIDDEN : value;
		}),
	) as Record<string, unknown>;
}

const CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";

function failed(message: string, hint?: string): Failure {
	return { reason: "lambda", message, ...(hint === undefined ? {} : { hint }) };
}

function adminFailure(name: string, code: string, message: string): Failure {
	const said = message
		.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")
		.trim()
		.slice(0, 300);
	switch (code) {
		case "AccessDeniedException":
			return failed(
				`the credentials may not do this to ${name} (${said})`,
				"allow them lambda:* on this function, and iam:PassRole on its role",
			);
		case "UnrecognizedClientException":
		case "InvalidSignatureException":
			return failed(`the service does not accept the credentials (${code})`, `${CREDENTIALS}, and check the clock`);
		case "CredentialsProviderError":
			return failed("there are no credentials for AWS Lambda", CREDENTIALS);
		case "ExpiredTokenException":
			return failed("the credentials have expired", "sign in again");
		case "ResourceNotFoundException":
			return failed(`there is no function ${name}`, "gg lambda deploy makes it");
		case "CodeStorageExceededException":
			return failed("the account has no room for more code", "remove functions, or versions, that are not needed");
		default:
	}
	if (/region (?:is missing|not accepted)/i.test(said))
		return failed("no region is set", "give --region, or set AWS_REGION");
	if (/role.*(?:cannot be assumed|assumed by lambda)/i.test(said))
		return failed(
			"the role cannot be assumed by Lambda",
			"its trust policy must name lambda.amazonaws.com; a new role takes some seconds",
		);
	return failed(`the service refuses (${code}: ${said})`);
}
