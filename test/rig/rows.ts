import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { assertAllWays, type Files, Project, withoutSummary } from "./project.js";

/** The use of one tool: a recipe that runs in a folder of its own. */
export interface Row {
	readonly name: string;
	/** Programs on PATH, or absolute files: without them the row is left out, and a row of another name says so. */
	readonly needs?: readonly string[];
	readonly files: Files;
	/** Recipe lines, each of which begins with a tab; `@` is not needed. */
	readonly rule: string;
	/** Outputs of commands whose inputs nobody can know before they run: in a namespace they fail, and then run here. */
	readonly unknowable?: readonly string[];
	/** Files that already differ between two plain builds. */
	readonly ignore?: readonly string[];
}

/** True for a program on the tests' PATH, or a file. */
export function isThere(name: string): boolean {
	if (name.startsWith("/")) return fs.existsSync(name);
	return ["/usr/local/bin", "/usr/bin", "/bin"].some((folder) => fs.existsSync(path.join(folder, name)));
}

/**
 * One test of all rows together, each a folder with a makefile of its own: plain make, and then gg in every way, leave the
 * same tree. Rows whose tools are not installed are tests of their own that are skipped.
 */
export function rowsTest(title: string, rows: readonly Row[]): void {
	const chosen = rows.filter((row) => new RegExp(process.env["GG_TEST_ROWS"] ?? "").test(row.name));
	const here = chosen.filter((row) => row.needs?.every(isThere) !== false);
	for (const row of chosen.filter((row) => !here.includes(row)))
		it(`${title}: ${row.name} (${row.needs?.join(", ")} is not installed)`, function () {
			this.skip();
		});
	if (here.length === 0) return;
	it(`${title}: ${here.map((row) => row.name).join(", ")}`, async () => {
		const files: Record<string, string | Uint8Array> = {
			Makefile: `all: ${here.map((row) => `${row.name}/done`).join(" ")}\n${here
				.map((row) => `${row.name}/done: ; +@$(MAKE) --no-print-directory -C ${row.name} done\n`)
				.join("")}`,
		};
		for (const row of here) {
			files[`${row.name}/Makefile`] = `done:${row.rule}\n\ttouch done\n`;
			for (const [name, content] of Object.entries(row.files)) files[`${row.name}/${name}`] = content;
		}
		const ignore = here.flatMap((row) => (row.ignore ?? []).map((name) => `${row.name}/${name}`));
		const project = new Project(files);
		try {
			await assertAllWays(project, { steps: [["make"]], ignore, madeWarm: Number.POSITIVE_INFINITY });
			const unknowable = here.flatMap((row) => (row.unknowable ?? []).map((name) => `${row.name}/${name}`));
			await assertSandbox(project, ignore, unknowable);
		} finally {
			project.dispose();
		}
	});
}

async function assertSandbox(
	project: Project,
	ignore: readonly string[],
	unknowable: readonly string[],
): Promise<void> {
	const aside = project.aside();
	const ended = await project.gg(["build", "--sandbox", "make"]);
	assert.deepEqual(project.differences(aside, ignore), [], `sandbox: ${ended.stderr}`);
	assert.equal(ended.status, 0, withoutSummary(ended.stderr));
	const { stdout } = await project.gg(["explain", "--json"]);
	const { commands } = JSON.parse(stdout) as { commands: { how: string; reason: string; example: string }[] };
	assert.deepEqual(
		commands.filter(({ how, reason }) => how === "ran" && reason === "sandbox").map(({ example }) => example),
		unknowable,
		"what a thunk declares is all that it needs",
	);
}
