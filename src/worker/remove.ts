import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";

/** Removes a folder and what an action has made in it, though that be without permissions, or deeper than a path can name. */
export function removeTree(folder: string): void {
	try {
		rmSync(folder, { recursive: true, force: true });
		return;
	} catch {
		// These go from folder to folder, where Node goes by the whole path.
	}
	spawnSync("chmod", ["-R", "u+rwX", "--", folder], { stdio: "ignore" });
	spawnSync("rm", ["-rf", "--", folder], { stdio: "ignore" });
}
