import type { ScanSetup } from "../../src/scan/types.js";

/** gcc's C without a macro of its own. */
export const PLAIN: ScanSetup = {
	flavour: "gcc",
	language: "c",
	quoteDirs: [],
	bracketDirs: [
		{ path: "inc", system: false },
		{ path: "/sys", system: true },
	],
	predefines: "",
	forced: [],
	implicit: [],
	canonicalSystemHeaders: true,
	mapsFileNames: false,
	dialect: {
		trigraphs: false,
		digraphs: true,
		cplusplus: false,
		lineComments: true,
		dollarInNames: true,
		digitSeparators: false,
		rawStrings: true,
		elifdef: true,
		vaOpt: true,
	},
	knows: new Set(["__has_include", "__has_attribute"]),
	feature: () => undefined,
};
