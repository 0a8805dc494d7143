/** The program of a thread that scans sources (scan-threads.ts). */

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Scanner } from "../scan/scanner.js";
import { FileFacts, systemPredicate } from "../store/filefacts.js";
import { loadAddon } from "../util/addon.js";
import type { FromThread, ThreadSetup, ToThread } from "./scan-threads.js";
import { IncludesWriter } from "./scan-wire.js";
import { type KnownCompiler, type Scanned, SourceScanner } from "./source-scan.js";

type Compiler = KnownCompiler & { readonly features: Map<string, number> };

function serve(port: MessagePort, setup: ThreadSetup): void {
	if (setup.addon !== undefined) loadAddon(setup.addon);
	const facts = new FileFacts({ ...setup.indexes, isSystem: systemPredicate(setup.root) });
	const scanner = new SourceScanner({ facts, ggDir: setup.ggDir, core: (files) => new Scanner(files) });
	const writer = new IncludesWriter();
	const compilers = new Map<number, Compiler>();
	const answer = (id: number, scanned: Scanned): FromThread => {
		if (scanned.kind !== "scanned") return { id, ...scanned };
		return { id, kind: "scanned", found: writer.write(scanned.found) };
	};
	port.on("message", (message: ToThread) => {
		switch (message.kind) {
			case "compiler": {
				const { compiler } = message;
				const known = compilers.get(compiler.id);
				// Setups that were made of it go on asking the same object.
				if (known === undefined) compilers.set(compiler.id, { ...compiler, features: new Map(compiler.features) });
				else for (const [question, value] of compiler.features) known.features.set(question, value);
				break;
			}
			case "scan":
				port.postMessage(answer(message.id, scanner.scan(compilers.get(message.compiler)!, message.job)));
				break;
			case "close":
				scanner.close();
				port.close();
		}
	});
}

if (parentPort !== null) serve(parentPort, workerData as ThreadSetup);
