import { strict as assert } from "node:assert";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Toolchains, type ToolRequest } from "../../src/interpose/toolchains.js";
import { FileFacts } from "../../src/store/filefacts.js";
import { memoryStore } from "../../src/store/memory.js";
import type { Spawner } from "../../src/util/spawner.js";
import { testFolder } from "../rig/folder.js";
import { countingSpawner } from "../rig/spawner.js";

const GCC: ToolRequest = {
	driver: "/usr/bin/gcc",
	path: "/usr/bin:/bin",
	env: new Map(),
	helpers: [],
	toolFolders: [],
};

describe("a toolchain", function () {
	this.timeout(60_000);
	const folder = testFolder();

	function toolchains(spawner: Spawner): Toolchains {
		const facts = new FileFacts({
			projectIndex: join(folder.path, "project"),
			userIndex: join(folder.path, "user"),
			isSystem: () => true,
		});
		return new Toolchains({ facts, objects: memoryStore().objects, spawner, cacheDir: folder.path });
	}

	const remembered = (): string[] =>
		existsSync(join(folder.path, "toolchains")) ? readdirSync(join(folder.path, "toolchains")) : [];

	it("is remembered from one session to the next", async () => {
		const spawner = countingSpawner();
		const found = await toolchains(spawner).discover(Toolchains.key(GCC), GCC);
		assert.ok(found !== undefined && found.files.size > 5);
		const asked = spawner.runs;
		assert.ok(asked > 0);
		assert.equal((await toolchains(spawner).discover(Toolchains.key(GCC), GCC))?.tree, found.tree);
		assert.equal(spawner.runs, asked);
	});

	it("is not remembered from answers that were cut off, because gg ended or something killed the driver", async () => {
		const whole = countingSpawner();
		const ends = [
			{ kind: "not-started", errno: 32, what: "the spawner has ended" },
			{ status: 128 + 9, signal: 9 },
		] as const;
		for (const end of ends) {
			for (let at = 0; at < 3; at++) {
				let runs = 0;
				const spawner: Spawner = {
					...whole,
					run: (request) => {
						const { done, kill } = whole.run(request);
						return { kill, done: runs++ === at ? done.then((exit) => ({ ...exit, ...end }) as typeof exit) : done };
					},
				};
				const found = await toolchains(spawner).discover(Toolchains.key(GCC), GCC);
				if (runs <= at) continue;
				assert.equal(found, undefined);
				assert.deepEqual(remembered(), []);
			}
		}
	});

	it("that will probably be asked for is looked into ahead where nothing is remembered", async () => {
		const spawner = countingSpawner();
		const first = toolchains(spawner);
		first.expect(GCC);
		const key = Toolchains.key(GCC);
		await first.discover(key, GCC);
		assert.ok(first.known(key) !== undefined);
		const archiver = { ...GCC, driver: "/usr/bin/ar" };
		await first.expect(archiver);
		assert.ok(first.known(Toolchains.key(archiver)) !== undefined, "of another tool, too, while the first is at work");
		const asked = spawner.runs;
		await toolchains(spawner).expect({ ...GCC, path: "/bin:/usr/bin" });
		assert.equal(spawner.runs, asked);
	});
});
