import { strict as assert } from "node:assert";
import { rememberSystem, systemProbe } from "../../src/interpose/probe.js";

describe("what is remembered of the machine's files", () => {
	/** A probe that counts the questions to it. */
	function counting() {
		const asked: string[] = [];
		const probe = {
			...systemProbe,
			stat: (path: string) => {
				asked.push(path);
				return path.endsWith("none") ? undefined : ("file" as const);
			},
			read: (path: string, offset: number, length: number) => {
				asked.push(path);
				return Buffer.alloc(length, offset);
			},
		};
		return { asked, probe: rememberSystem(probe, (path) => path.startsWith("/usr/lib/")) };
	}

	it("is asked once about the system, also where nothing is", () => {
		const { asked, probe } = counting();
		for (let i = 0; i < 2; i++) {
			assert.equal(probe.stat("/usr/lib/a"), "file");
			assert.equal(probe.stat("/usr/lib/none"), undefined);
			assert.equal(probe.stat("/usr/lib/gcc/12/../../a"), "file");
		}
		assert.deepEqual(asked, ["/usr/lib/a", "/usr/lib/none", "/usr/lib/gcc/12/../../a"]);
	});

	it("is asked each time about all other files, by whatever name", () => {
		const { asked, probe } = counting();
		for (const path of ["/home/a", "/home/a", "/usr/lib/../../home/a", "/usr/lib/../../home/a"]) probe.stat(path);
		assert.equal(asked.length, 4);
	});

	it("tells pieces of a file apart, and keeps no large ones", () => {
		const { asked, probe } = counting();
		for (const [offset, length] of [
			[0, 4],
			[1, 4],
			[0, 4],
			[0, 1 << 20],
			[0, 1 << 20],
		] as const) {
			assert.deepEqual(probe.read("/usr/lib/a", offset, length), Buffer.alloc(length, offset));
		}
		assert.equal(asked.length, 4);
	});
});
