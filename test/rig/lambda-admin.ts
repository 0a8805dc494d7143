/** The part of AWS Lambda's API that makes and changes one function: what it is told it keeps, and the code it unpacks. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync } from "fflate";

interface Answer {
	readonly status: number;
	readonly answer: unknown;
	/** Of an error. */
	readonly type?: string;
}

type Settings = Record<string, unknown>;

const NAME = "gg-lambda-function";

export class LambdaAdmin {
	readonly asked: string[] = [];
	readonly #folder: string;
	readonly #without: readonly string[];
	/** The file that holds the handler; empty: there is no function. */
	bundle: string;
	zip: Buffer = Buffer.alloc(0);
	#settings: Settings = {};
	/** Looks that still find a change under way. */
	#pending = 0;

	constructor(o: { readonly folder: string; readonly bundle?: string; readonly without?: readonly string[] }) {
		this.#folder = o.folder;
		this.#without = o.without ?? [];
		this.bundle = o.bundle ?? "";
	}

	get environment(): Record<string, string> {
		return (this.#settings["Environment"] as { Variables?: Record<string, string> } | undefined)?.Variables ?? {};
	}

	answer(method: string, url: string, body: Buffer): Answer {
		const path = url.replace(/\?.*$/, "").replace(/\/$/, "");
		const call = `${method} ${path.replace(/^\/\d{4}-\d\d-\d\d\/functions/, "").replace(`/${NAME}`, "/NAME")}`.trim();
		this.asked.push(call);
		const input = body.length === 0 ? {} : (JSON.parse(body.toString()) as Settings);
		if (call === "POST") return this.#create(input);
		if (this.bundle === "")
			return { status: 404, answer: { Message: "Function not found" }, type: "ResourceNotFoundException" };
		switch (call) {
			case "GET /NAME/configuration":
				return this.#told();
			case "PUT /NAME/code":
				if (this.#pending > 0)
					return { status: 409, answer: { Message: "in progress" }, type: "ResourceConflictException" };
				this.#unpack(String(input["ZipFile"]));
				this.#settings = { ...this.#settings, Architectures: input["Architectures"] };
				return this.#told();
			case "PUT /NAME/configuration":
				this.#settings = { ...this.#settings, ...input };
				return this.#told();
			case "PUT /NAME/concurrency":
				return { status: 200, answer: input };
			case "DELETE /NAME":
				this.bundle = "";
				return { status: 204, answer: "" };
			default:
				return { status: 400, answer: { Message: `no such call: ${call}` }, type: "InvalidRequestContentException" };
		}
	}

	#create(input: Settings): Answer {
		const bad = (Message: string): Answer => ({
			status: 400,
			answer: { Message },
			type: "InvalidParameterValueException",
		});
		if (this.#without.includes(String(input["Runtime"])))
			return bad(`Value ${input["Runtime"]} at 'runtime' failed to satisfy constraint`);
		if (String(input["Role"]).endsWith("/other"))
			return bad("The role defined for the function cannot be assumed by Lambda.");
		const { Code, ...settings } = input;
		this.#settings = settings;
		this.#unpack(String((Code as Settings)["ZipFile"]));
		return this.#told();
	}

	#unpack(zip: string): void {
		this.zip = Buffer.from(zip, "base64");
		const files = unzipSync(this.zip);
		this.bundle = join(this.#folder, `code${this.asked.length}.cjs`);
		writeFileSync(this.bundle, files["index.js"]!);
		this.#pending = 2;
	}

	#told(): Answer {
		this.#pending -= 1;
		const state = this.#pending > 0 ? { State: "Pending", LastUpdateStatus: "InProgress" } : { State: "Active" };
		return { status: 200, answer: { FunctionName: NAME, CodeSize: 1, ...this.#settings, ...state } };
	}
}
