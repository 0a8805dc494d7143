/** Which engine a thunk is for, and how soon. */
import type { Engine } from "../engines/types.js";
import type { ExecutionFailure, Place } from "../executor/types.js";
import type { Thunk } from "../thunk/types.js";
import type { Pool } from "./slots.js";
import type { ForceFailure } from "./types.js";

/** Engines that took a thunk and could not run it, and why. */
export type Declines = Map<Engine, ExecutionFailure>;

/** Engines that run `thunk` and have not declined it: fallbacks only where no other does. */
export function takersAmong(
	groups: readonly (readonly Pool[])[],
	thunk: Thunk,
	declined: Declines,
): readonly Pool[] | ForceFailure {
	const refusals: string[] = [];
	for (const group of groups) {
		const takers = group.filter(({ engine }) => {
			const why = declined.get(engine)?.message ?? engine.refuses(thunk);
			if (why !== "") refusals.push(`${engine.name}: ${why}`);
			return why === "";
		});
		if (takers.length > 0) return takers;
	}
	const [last] = [...declined.values()].slice(-1);
	if (last !== undefined && declined.size === refusals.length) return last;
	return {
		reason: "no-engine",
		message: `no engine takes this thunk (${refusals.join("; ")})`,
		hint: "add --fallback-engine local",
	};
}

/** What has had to wait for others is what the rest waits for: it goes before all that could have begun at once. */
export function weightOf(asked: Thunk, engine: Engine): number {
	if (engine.weigh === undefined) return 0;
	return asked.thunks.length > 0 ? Number.MAX_VALUE : engine.weigh(asked);
}

/** How long a thunk will take, as far as an engine can tell; undefined where one that takes it does not say. */
export function weighAmong(pools: readonly Pool[], thunk: Thunk): number | undefined {
	const takers = pools.filter(({ engine }) => engine.refuses(thunk) === "");
	const [first] = takers;
	return takers.every(({ engine }) => engine.weigh !== undefined) ? first?.engine.weigh?.(thunk) : undefined;
}

/** Why an engine ran what others had been asked to run. */
export function withReason(place: Place | undefined, declined: Declines): Place | undefined {
	const [first] = declined;
	if (first === undefined) return place;
	const why = `${first[0].name} did not: ${first[1].message}`;
	return { ...(place ?? { remembered: false, at: "here" }), why };
}
