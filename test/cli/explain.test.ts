import { strict as assert } from "node:assert";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CommandEvent, Event } from "../../src/report/events.js";
import { Journal } from "../../src/report/journal.js";
import { testCli } from "../rig/cli.js";

const T = `T${"A".repeat(43)}0000000b`;

describe("gg explain", () => {
	const cli = testCli();
	beforeEach(() => void cli.gg(["init"]));

	const command = (output: string, how: CommandEvent["how"], more: Partial<CommandEvent> = {}): CommandEvent => ({
		kind: "command",
		tool: "gcc",
		argv: ["gcc", "-c", "a b.c", "-o", output],
		cwd: cli.path,
		outputs: [cli.at(output)],
		how,
		reason: "",
		detail: "",
		thunk: T,
		status: 0,
		ms: 1,
		...more,
	});
	const record = (...events: Event[]): void => {
		const journal = new Journal(cli.at(".gg"));
		for (const event of events) journal.add(event);
		journal.flush();
	};
	const sample = (): void =>
		record(
			command("a.o", "ran"),
			command("b.o", "cached"),
			command("c.o", "cached"),
			command("d.o", "local", { reason: "several-outputs", detail: "-save-temps", thunk: "" }),
			{ kind: "thunk", thunk: T, how: "ran", outputs: [cli.at("a.o")], ms: 12.4 },
			{ kind: "warning", failure: { reason: "x", message: "something was odd" } },
		);

	it("says what happened to a target, and why", () => {
		sample();
		const line = (name: string): string => `    cd ${cli.path} && gcc -c 'a b.c' -o ${name}`;
		assert.equal(cli.good("explain", "b.o"), `b.o: cached: taken from the store (thunk ${T})\n${line("b.o")}`);
		assert.equal(
			cli.good("explain", "d.o", "a.o"),
			[
				"d.o: ran here without a thunk: several-outputs (-save-temps)",
				line("d.o"),
				`a.o: ran here and was recorded as thunk ${T}`,
				line("a.o"),
				`a.o: thunk ${T} ran, 12 ms`,
			].join("\n"),
		);
	});

	it("knows targets by any path", () => {
		sample();
		mkdirSync(cli.at("sub"));
		const ran = cli.gg(["explain", "../b.o"], { cwd: cli.at("sub") });
		assert.match(ran.out, /^\.\.\/b\.o: cached: /);
		assert.match(cli.good("explain", cli.at("b.o")), /b\.o: cached: /);
		assert.match(cli.good("explain", "./sub/../b.o"), /b\.o: cached: /);
	});

	it("counts without a target", () => {
		sample();
		assert.equal(
			cli.good("explain"),
			[
				"commands:",
				"  2 cached (such as b.o)",
				"  1 ran (such as a.o)",
				"  1 local: several-outputs (such as d.o)",
				"thunks:",
				"  1 ran (such as a.o)",
				"warning: something was odd",
			].join("\n"),
		);
	});

	it("names what is far away by its path", () => {
		record(command("x", "local", { reason: "query", outputs: ["/dev/null"] }));
		assert.equal(cli.good("explain"), "commands:\n  1 local: query (such as /dev/null)");
	});

	it("prints JSON", () => {
		sample();
		assert.deepEqual(JSON.parse(cli.good("explain", "--json", "b.o")), [command("b.o", "cached")]);
		const { commands } = JSON.parse(cli.good("explain", "--json")) as { commands: unknown[] };
		assert.deepEqual(commands[0], { how: "cached", reason: "", count: 2, example: "b.o" });
		assert.deepEqual(cli.gg(["explain", "--json", "none"]), { status: 1, signal: null, out: "[]\n", err: "" });
	});

	it("says what is wrong", () => {
		assert.equal(
			cli.bad("explain"),
			`gg-explain: no build is recorded in ${join(cli.path, ".gg")}\n    run one: gg build make\n`,
		);
		sample();
		assert.equal(cli.bad("explain", "x.o"), "gg-explain: no command of the last build that gg saw writes x.o\n");
		assert.equal(
			cli.bad("explain", "-q"),
			"gg-explain: there is no option q\n    `gg explain --help` lists the options\n",
		);
	});
});
