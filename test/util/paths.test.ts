import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCanonical } from "../../src/util/paths.js";

describe("the one name of a file", () => {
	let root: string;
	beforeEach(() => {
		root = realpathSync(mkdtempSync(join(tmpdir(), "gg-paths-")));
		for (const folder of ["w/sub", "w/dir", "v/sub", "v/inc"]) mkdirSync(join(root, folder), { recursive: true });
		symlinkSync("../v/sub", join(root, "w/link"));
	});
	afterEach(() => rmSync(root, { recursive: true, force: true }));

	const names = (paths: readonly string[]): { readonly to: string[]; readonly detours: Map<string, string> } => {
		const detours = new Map<string, string>();
		const canonical = makeCanonical(join(root, "w"), detours);
		return { to: paths.map((path) => canonical(path).replace(`${root}/`, "")), detours };
	};

	it("has no dots and no doubled slashes, and no way down and up again", () => {
		const { to } = names(["x.h", "./x.h", "sub//x.h", "sub/./x.h", "sub/../x.h", "../v/x.h", ".././/../x.h"]);
		assert.deepEqual(to, ["w/x.h", "w/x.h", "w/sub/x.h", "w/sub/x.h", "w/x.h", "v/x.h", names(["../../x.h"]).to[0]]);
	});

	it("follows the link that `..` leads back from, and no other", () => {
		assert.deepEqual(names(["link/../inc/x.h", "link/x.h", "sub/../link/x.h"]).to, [
			"v/inc/x.h",
			"w/link/x.h",
			"w/link/x.h",
		]);
	});

	it("is that of a file also where the shortened path leads nowhere", () => {
		rmSync(join(root, "w/dir"), { recursive: true });
		assert.deepEqual(names(["link/../sub/x.h"]).to, ["v/sub/x.h"]);
	});

	it("of what lies beyond a folder that is not there is the folder's", () => {
		assert.deepEqual(names(["none/../x.h", "sub/../none/more/../x.h"]).to, ["w/none", "w/sub/../none"]);
	});

	it("comes with the ways down and up that it leaves out, but for those from the working directory", () => {
		const { detours } = names(["../v/inc/x.h", ".//../x.h", "sub/../x.h", "link/../inc/x.h", "sub/../dir/../x.h"]);
		assert.deepEqual(
			[...detours],
			[
				["w/sub/..", "w"],
				["w/link/..", "v"],
				["w/sub/../dir/..", "w"],
			].map(([up, real]) => [`${root}/${up}`, `${root}/${real}`]),
		);
	});
});
