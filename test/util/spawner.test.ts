import { strict as assert } from "node:assert";
import { startSpawner } from "../../src/util/spawner.js";

describe("a spawner that cannot be started", () => {
	it("answers that nothing was started, before and after that is known, and can be closed", async () => {
		const spawner = startSpawner("/nonexistent/gg-spawner");
		const request = { path: "/bin/true", argv: ["true"], env: [], cwd: "/", stdio: "capture" } as const;
		for (let i = 0; i < 2; i++) assert.equal((await spawner.run(request).done).kind, "not-started");
		await spawner.close();
	});
});
