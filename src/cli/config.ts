import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescribedTool } from "../models/generic.js";
import { fillIn, parseDescription } from "../models/generic-description.js";
import { errorCode } from "../util/files.js";
import { err, type Failure, ok, type Result } from "../util/result.js";

/** A project's own settings; the shape is also in gg.schema.json, for editors. */
export interface Config {
	readonly tools: readonly DescribedTool[];
	/** NAME[=ARGS] of each engine, for builds whose command line and environment name none. */
	readonly engines: readonly string[];
}

export const CONFIG_NAME = "gg.json";
const HINT = 'README.md, "Tools of your own", shows what gg.json may hold; gg.schema.json lets an editor check it';

/** Reads `gg.json` in the project's root, if there is one. */
export function readConfig(root: string): Result<Config> {
	const file = join(root, CONFIG_NAME);
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		if (errorCode(error) === "ENOENT") return ok({ tools: [], engines: [] });
		return err(failure(`${file} cannot be read: ${errorCode(error)}`));
	}
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		return err(failure(`${file} is no JSON: ${error instanceof Error ? error.message : String(error)}`));
	}
	const config = parseConfig(value, root);
	return config.ok ? config : err(failure(`${file}: ${config.error}`));
}

function failure(message: string): Failure {
	return { reason: "config", message, hint: HINT };
}

export function parseConfig(value: unknown, root: string): Result<Config, string> {
	if (!isObject(value)) return err("it must be an object");
	for (const key of Object.keys(value)) {
		if (!/^(?:tools|engines|\$schema)$/.test(key))
			return err(`${key} is not known: there are tools, engines and $schema`);
	}
	const engines = value["engines"] ?? [];
	if (!Array.isArray(engines) || !engines.every((engine) => typeof engine === "string" && engine !== ""))
		return err("engines must be a list of texts");
	if (value["tools"] === undefined) return ok({ tools: [], engines });
	if (!Array.isArray(value["tools"])) return err("tools must be a list");
	const tools: DescribedTool[] = [];
	for (const [i, item] of value["tools"].entries()) {
		const tool = parseTool(item, root);
		if (!tool.ok) return err(`tools[${i}]${tool.error}`);
		tools.push(tool.value);
	}
	return ok({ tools, engines });
}

const KEYS = ["command", "env", "inputs", "outputs", "reads"];

function parseTool(item: unknown, root: string): Result<DescribedTool, string> {
	const fields = typeof item === "string" ? { command: item } : item;
	if (!isObject(fields)) return err(" must be a description, or an object with one as its command");
	const strange = Object.keys(fields).find((key) => !KEYS.includes(key));
	if (strange !== undefined) return err(`.${strange} is not known: there are ${KEYS.join(", ")}`);
	const { command, reads = "traced" } = fields;
	if (typeof command !== "string") return err('.command must be a description, such as "tool -o=@outfile @infile"');
	const description = parseDescription(command);
	if (!description.ok) return err(`${typeof item === "string" ? "" : ".command"}: ${description.error}`);
	if (reads !== "traced" && reads !== "declared") return err('.reads must be "traced" or "declared"');
	const lists: Record<string, readonly string[] | undefined> = {};
	for (const key of ["env", "inputs", "outputs"]) {
		const list = fields[key];
		if (list === undefined) continue;
		if (!Array.isArray(list) || !list.every((word) => typeof word === "string" && word !== ""))
			return err(`.${key} must be a list of texts`);
		lists[key] = list as string[];
	}
	const outputs = lists["outputs"] ?? [];
	for (const template of outputs) {
		const any = {
			infiles: ["a"],
			outfiles: [],
			values: new Map([...description.value.options.keys()].map((n) => [n, "a"])),
		};
		const filled = fillIn(template, any);
		if (typeof filled === "string")
			return err(`.outputs: ${filled}, which is no option of the command and no part of an infile`);
	}
	const writes = [...description.value.options.values(), ...description.value.operands].includes("outfile");
	if (reads === "declared" && !writes && outputs.length === 0)
		return err(": reads is declared, and nothing says what it writes");
	return ok({ description: description.value, outputs, inputs: lists["inputs"] ?? [], reads, env: lists["env"], root });
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
