import { statSync } from "node:fs";
import type { ThunkPlan } from "../models/types.js";

/**
 * The plan without PWD where that leads elsewhere than to the working directory, as it does after `make -C`: compilers and
 * assemblers then take no notice of it (libiberty's getpwd, LLVM's current_path).
 */
export function withoutStalePwd(plan: ThunkPlan, cwd: string, env: ReadonlyMap<string, string>): ThunkPlan {
	if (plan.family === "generic" || !plan.envNames.includes("PWD")) return plan;
	const pwd = env.get("PWD") ?? "";
	if (pwd.startsWith("/")) {
		try {
			const [named, meant] = [statSync(pwd), statSync(cwd)];
			if (named.ino === meant.ino && named.dev === meant.dev) return plan;
		} catch {
			// It leads nowhere.
		}
	}
	return { ...plan, envNames: plan.envNames.filter((name) => name !== "PWD") };
}
