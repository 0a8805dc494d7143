/** What a subcommand may use of the process; tests give their own. */
export interface Io {
	readonly env: NodeJS.ProcessEnv;
	readonly cwd: string;
	out(text: string): void;
	err(text: string): void;
}

/** One subcommand: its arguments without program and subcommand name, to an exit status. Throws UserError. */
export type Run = (args: readonly string[], io: Io) => Promise<number>;

export interface Subcommand {
	readonly run: Run;
	/** One line for `gg help`. */
	readonly about: string;
}
