import type { ThunkPlan } from "../models/types.js";
import type { ShimRequest } from "./protocol.js";
import type { Toolchain } from "./toolchains.js";

/** A command on its way through the session. */
export interface Case {
	readonly request: ShimRequest;
	readonly plan: ThunkPlan;
	readonly real: string;
	readonly path: string;
	readonly argv: readonly string[];
	readonly toolchain: Toolchain;
	readonly started: number;
}
