import type { RefusalReason } from "./types.js";

/** Leaves a walk from any depth; caught by `Scanner.scan` alone, which makes it an answer. `where` is added on the way. */
export class Refusal {
	readonly reason: RefusalReason;
	readonly what: string;
	where: string | undefined;

	constructor(reason: RefusalReason, what: string, where?: string) {
		this.reason = reason;
		this.what = what;
		this.where = where;
	}
}
