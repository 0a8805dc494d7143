import { strict as assert } from "node:assert";
import { userInfo } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../../src/cli/project.js";
import { UserError } from "../../src/util/result.js";

describe("the user's cache", () => {
	it("is the folder that is named, else one of the user's own, wherever gg is started", () => {
		assert.equal(cacheDirectory({ GG_CACHE_DIR: "/c", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/c");
		assert.equal(cacheDirectory({ GG_CACHE_DIR: "", XDG_CACHE_HOME: "/x", HOME: "/h" }), "/x/gg");
		assert.equal(cacheDirectory({ XDG_CACHE_HOME: "x", HOME: "/h" }), "/h/.cache/gg");
		for (const HOME of [undefined, "", "h", "."])
			assert.equal(cacheDirectory({ ...(HOME === undefined ? {} : { HOME }) }), join(userInfo().homedir, ".cache/gg"));
	});

	it("is no folder that depends on where gg is started", () => {
		assert.throws(
			() => cacheDirectory({ GG_CACHE_DIR: "c", HOME: "/h" }),
			(error) =>
				error instanceof UserError && error.failure.message === 'GG_CACHE_DIR is "c", which is not an absolute path',
		);
	});
});
