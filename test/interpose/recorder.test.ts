import { strict as assert } from "node:assert";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Case } from "../../src/interpose/case.js";
import { systemProbe } from "../../src/interpose/probe.js";
import { Recorder } from "../../src/interpose/recorder.js";
import { planCommand } from "../../src/models/index.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { openLocalStore } from "../../src/store/local.js";
import { Placeholders } from "../../src/store/placeholders.js";
import { testFolder } from "../rig/folder.js";
import { bareToolchain } from "../rig/include-request.js";

describe("the description of a command that has not run", () => {
	const folder = testFolder();
	const at = (name: string): string => join(folder.path, name);

	it("is none where a new file is no longer what was scanned", () => {
		mkdirSync(at(".gg"));
		const store = openLocalStore(at(".gg"));
		const facts = new FileFacts({ projectIndex: at("i/p"), userIndex: at("i/u"), isSystem: () => false });
		const placeholders = new Placeholders(at(".gg"));
		const recorder = new Recorder({
			ggDir: at(".gg"),
			store,
			facts,
			placeholders,
			probe: systemProbe,
			sink: () => {},
			mode: "build",
		});
		try {
			writeFileSync(at("a.c"), '#include "made.h"\n');
			writeFileSync(at("made.h"), "int made;\n");
			const argv = ["gcc", "-c", "a.c"];
			const command = { tool: "gcc", argv, cwd: folder.path, env: new Map<string, string>() };
			const plan = planCommand(command, systemProbe);
			if (plan.kind === "local") assert.fail(plan.detail);
			const toolchain = bareToolchain("/usr/bin/gcc");
			const request = { ...command, umask: 0o22 } as unknown as Case["request"];
			const c = { request, plan, real: "/usr/bin/gcc", path: "", argv, toolchain, started: 0 };
			const none = { absent: new Set<string>(), listed: new Map(), depfiles: [], links: new Map() };
			const made = { ...facts.get(at("made.h"))!, mtimeMs: Date.now() + 1000 };
			const describe = () =>
				recorder.describe(c, { ...none, reads: new Set([at("made.h")]), looked: new Map([[at("made.h"), made]]) });
			writeFileSync(at("made.h"), "int other;\n");
			assert.deepEqual(describe(), { reason: "changed-meanwhile", detail: at("made.h") });
			writeFileSync(at("made.h"), "int made;\n");
			assert.ok("hash" in describe());
		} finally {
			recorder.close();
			placeholders.close();
			store.close();
		}
	});
});
