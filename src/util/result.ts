/** A failure that a user can meet: what went wrong, in words, and what to do. `reason` is a literal for code. */
export interface Failure<Reason extends string = string> {
	readonly reason: Reason;
	readonly message: string;
	readonly hint?: string;
}

export type Result<T, E = Failure> =
	| { readonly ok: true; readonly value: T }
	| { readonly ok: false; readonly error: E };

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
	return { ok: true, value };
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
	return { ok: false, error };
}

/** Carries a Failure through code that has nothing to add to it; only `cli/` catches it, and prints it. */
export class UserError extends Error {
	readonly failure: Failure;
	constructor(failure: Failure) {
		super(failure.message);
		this.failure = failure;
	}
}
