/** Features of random projects: libraries and programs. */
import { body, compile, type Feature, number, using, using0 } from "./compiles.js";
import type { Sketch, Unit } from "./sketch.js";

/** Some that can be linked into what is meant; one is made if there is none. */
function parts(s: Sketch, most: number, fit: (unit: Unit) => boolean, pic: boolean): Unit[] {
	while (!s.units.some(fit)) compile(s, { pic });
	const fitting = s.units.filter(fit);
	const found = s.rng.some(fitting, most);
	return found.length > 0 ? found : [s.rng.pick(fitting)];
}

const isObject = (unit: Unit): boolean => unit.kind === "object";
/** All that it needs is position independent, too. */
const isPic = (unit: Unit): boolean => unit.pic && unit.needs.every(isPic);
const files = (units: readonly Unit[]): string => units.map(({ file }) => file).join(" ");

function archive(s: Sketch): void {
	const objects = parts(s, 4, isObject, false);
	const name = s.name("a");
	const file = `${s.id}/lib${name}.a`;
	const list = files(objects);
	const thin = s.rng.chance(0.12);
	const recipe = s.rng.pick<readonly string[]>([
		[`$(AR) rcs $@ ${list}`],
		["rm -f $@", `ar cr $@ ${list}`, "ranlib $@"],
		["rm -f $@", `$(AR) cq $@ ${list}`, "$(RANLIB) $@"],
		[`ar rcsD $@ ${list}`],
		[`ar -rc $@ ${list}`, "ar -s $@"],
		[`gcc-ar rcs $@ ${list}`],
		[`gcc-ar rc $@ ${list}`, "gcc-ranlib $@"],
		["rm -f $@", ...objects.map((object) => `ar r $@ ${object.file} 2>/dev/null`)],
		[`ar rcs $@ ${list}`, `ar t $@ > $@.list`],
		[`ar rcs $@ ${list}`, `ar d $@ nothing.o`, "ranlib -D $@"],
		[`printf '%s\\n' ${list} > $@.rsp`, "ar rcs $@ @$@.rsp"],
		[`ar rcs $@ ${list}`, `nm -s $@ > $@.syms`],
		[`(echo CREATE $@; for o in ${list}; do echo ADDMOD $$o; done; echo SAVE; echo END) | ar -M`],
		[`ar rcs $@.tmp ${list} && mv -f $@.tmp $@`],
		[`ar crU $@ ${list}`, `ar rcsD $@.2 ${list}`, "mv $@.2 $@"],
		[`ar rcs $@ ${list}`, `mkdir -p $@.x && cd $@.x && ar x ../$(notdir $@)`],
	]);
	s.rule(
		file,
		objects.map((object) => object.file),
		["@mkdir -p $(@D)", ...(thin ? [`rm -f $@; ar rcsT $@ ${list}`] : recipe)],
	);
	const needs = s.closure(objects).filter((unit) => !objects.includes(unit));
	s.units.push({
		kind: "archive",
		symbol: objects[0]!.symbol,
		file: s.made(file),
		pic: objects.every(isPic),
		cxx: objects.some(({ cxx }) => cxx),
		needs,
	});
	s.goal(file);
}

/** `ld -r`, by the linker or by a compiler. */
function partial(s: Sketch): void {
	const objects = parts(s, 3, isObject, false);
	const file = `${s.id}/${s.name("r")}.o`;
	const list = files(objects);
	s.rule(
		file,
		objects.map((object) => object.file),
		[
			"@mkdir -p $(@D)",
			s.rng.pick([
				`ld -r -o $@ ${list}`,
				`$(LD) -r ${list} -o $@`,
				`$(CC) -r -nostdlib -o $@ ${list}`,
				`$(CC) -nostdlib -no-pie -Wl,-r -o $@ ${list}`,
				`ld -r -x -o $@ ${list} -Map $@.map`,
				`ld.gold -r -o $@ ${list}`,
				`ld -r ${list} -o $@.tmp && mv $@.tmp $@`,
			]),
		],
	);
	s.made(file);
	s.goal(file);
	const needs = s.closure(objects).filter((unit) => !objects.includes(unit));
	// Its members may not come in a second time, so nothing else uses it.
	if (needs.length === 0 && objects.length === 1) {
		s.rule(
			`${file}.prog`,
			[file],
			[
				`echo 'int ${objects[0]!.symbol}(void); int puts(const char *); int main(void) { puts("1"); return !${objects[0]!.symbol}(); }' > ${file}.c`,
				`$(CXX) -x c ${file}.c -x none ${file} -o $@`,
			],
		);
		s.programs.push(s.made(`${file}.prog`));
		s.goal(`${file}.prog`);
	}
}

function shared(s: Sketch): void {
	const objects = parts(s, 3, (unit) => isObject(unit) && isPic(unit), true);
	const all = s.closure(objects);
	const own = all.filter(({ kind }) => kind !== "shared");
	const name = s.name("so");
	const versioned = s.rng.chance(0.4);
	const file = `${s.id}/lib${name}.so${versioned ? ".1.2" : ""}`;
	const script = s.source(
		`${s.id}/${name}.map`,
		`V1 { global: ${own.map(({ symbol }) => `${symbol};`).join(" ")} local: *; };\n`,
	);
	const flags = s.rng.some(
		[
			"-Wl,--no-undefined",
			`-Wl,--version-script=${script}`,
			"-Wl,-Map=$@.map",
			"-Wl,-O1",
			"-Wl,-z,relro,-z,now",
			"-Wl,--hash-style=gnu",
			"-Wl,--build-id=none",
			"-Wl,-Bsymbolic",
			"-s",
		],
		3,
	);
	if (versioned) flags.push(`-Wl,-soname,lib${name}.so.1`);
	const driver = all.some(({ cxx }) => cxx) ? "$(CXX)" : "$(CC)";
	const prerequisites = [...all.map((unit) => unit.file), script];
	s.rule(file, prerequisites, [
		"@mkdir -p $(@D)",
		`${driver} -shared -fPIC ${flags.join(" ")} -o $@ ${files(all)}`,
		...(versioned
			? [`ln -sf lib${name}.so.1.2 ${s.id}/lib${name}.so.1`, `cd ${s.id} && ln -sf lib${name}.so.1 lib${name}.so`]
			: []),
	]);
	const needs = all.filter(({ kind }) => kind === "shared");
	s.units.push({ kind: "shared", symbol: objects[0]!.symbol, file: s.made(file), pic: true, cxx: false, needs });
	s.goal(file);
}

/** What a program is linked from: an archive or library, and none of its members beside it. */
function linkable(s: Sketch, most: number): Unit[] {
	const picked = s.closure(parts(s, most, () => true, false));
	const symbols = new Set<string>();
	const good = picked.every(({ symbol }) => !symbols.has(symbol) && symbols.add(symbol));
	return good ? picked : s.closure(parts(s, 1, ({ kind, needs }) => kind === "object" && needs.every(isObject), false));
}

function main(s: Sketch, units: readonly Unit[], cxx: boolean): { text: string; use: ReturnType<typeof using> } {
	const use = using(s, 2);
	const c = cxx ? 'extern "C" ' : "";
	const calls = units.filter(({ kind }) => kind !== "archive" || true);
	const text = `${use.includes}${calls.map(({ symbol }) => `${c}int ${symbol}(void);\n`).join("")}${c}int printf(const char *, ...);\nint main(void) {\n\tprintf("%d\\n", ${[use.sum, ...calls.map(({ symbol }) => `${symbol}()`)].join(" + ")});\n\treturn 0;\n}\n`;
	return { text, use };
}

function program(s: Sketch): void {
	const units = linkable(s, 4);
	const cxx = units.some((unit) => unit.cxx) || s.rng.chance(0.1);
	const { text, use } = main(s, units, cxx);
	const name = s.name("prog");
	const source = s.source(`${s.id}/${name}.${cxx ? "cc" : "c"}`, text);
	const driver = cxx ? "$(CXX)" : s.rng.pick(["$(CC)", "$(CC)", "cc", "gcc", "/usr/bin/cc"]);
	const file = s.rng.chance(0.2) ? name : `${s.id}/${name}`;
	const flags = s.rng
		.some(
			[
				"-Wl,-Map=$@.map",
				"-Wl,--gc-sections",
				"-Wl,--as-needed",
				"-g",
				"-O1",
				"-Wl,--build-id=sha1",
				"-s",
				"-Wl,-O1",
				"-Wl,--sort-common",
				"-rdynamic",
				"-pthread",
				"-fuse-ld=gold",
				"-fuse-ld=bfd",
				"-no-pie",
				"-Wl,--dependency-file=$@.dep",
				"-Wl,--cref,-Map,$@.cref",
				"-Wl,--trace-symbol=main",
				"-Wl,-t",
			],
			3,
		)
		.join(" ");
	const shared = units.filter(({ kind }) => kind === "shared");
	const byName = (unit: Unit): string => {
		const match = /^(.*)\/lib(.*?)\.(?:so|a)$/.exec(unit.file);
		return match === null || s.rng.chance(0.5) ? unit.file : `-L${match[1]} -l${match[2]}`;
	};
	const rest = units.map((unit) => (unit.kind === "object" ? unit.file : byName(unit))).join(" ");
	const libraries = s.rng.pick([
		rest,
		rest,
		`-Wl,--start-group ${rest} -Wl,--end-group`,
		`-Wl,--whole-archive ${rest} -Wl,--no-whole-archive`.replace(/.*/s, (text) =>
			units.some(({ kind }) => kind === "archive") ? rest : text,
		),
		`${rest} -lm`,
	]);
	const run =
		shared.length === 0
			? []
			: [
					...new Set(shared.map((unit) => `-Wl,-rpath,$(CURDIR)/${unit.file.slice(0, unit.file.lastIndexOf("/"))}`)),
				].map((flag) => `'${flag}'`);
	const tail = `${run.join(" ")} ${flags}`;
	const inc = use.flags.join(" ");
	const prerequisites = [source, ...use.prerequisites, ...units.map((unit) => unit.file)];
	const recipe = s.rng.pick<readonly string[]>([
		[`${driver} ${inc} -o $@ ${source} ${libraries} ${tail}`],
		[`${driver} ${inc} -c ${source} -o $@.o`, `${driver} -o $@ $@.o ${libraries} ${tail}`],
		[`${driver} ${inc} -c ${source} -o $@.o`, `${driver} $@.o ${libraries} ${tail} -o $@`, "rm -f $@.o"],
		[`${driver} ${inc} ${source} ${libraries} ${tail} -o $@.tmp && mv $@.tmp $@`],
		[
			`printf '%s\\n' ${source} ${units.map(({ file: name }) => name).join(" ")} > $@.rsp`,
			`${driver} ${inc} -o $@ @$@.rsp ${tail}`,
		],
		[`${driver} -MMD -MF $@.d ${inc} -o $@ ${source} ${libraries} ${tail}`],
	]);
	s.rule(file, prerequisites, ["@mkdir -p $(@D)", ...recipe]);
	s.programs.push(s.made(file));
	s.goal(file);
}

/** Compiled and linked at once, from several sources, under the default name. */
function defaultName(s: Sketch): void {
	const one = s.name("d");
	const folder = `${s.id}/dn`;
	s.source(`${folder}/${one}.c`, body(s, { symbol: one, calls: [], cxx: false }, using0(s)));
	s.source(`${folder}/main.c`, `int ${one}(void);\nint main(void) { return ${one}() == ${number(s)}; }\n`);
	const flags = s.rng.pick(["", "-g", "-s", "-O2 -Wall", "-MMD"]);
	s.rule(
		`${folder}/a.out`,
		[`${folder}/${one}.c`, `${folder}/main.c`],
		[`cd ${folder} && $(CC) ${flags} main.c ${one}.c`],
	);
	s.made(`${folder}/a.out`);
	s.goal(`${folder}/a.out`);
}

/** A folder with a makefile of its own, which may be built by another gg. */
function recursive(s: Sketch): void {
	const folder = `${s.id}/rec`;
	const symbol = s.name("rec");
	const count = 1 + s.rng.below(3);
	const names = Array.from({ length: count }, (_, i) => `${symbol}_${i}`);
	for (const [i, name] of names.entries()) {
		const next = names[i + 1];
		s.source(
			`${folder}/${name}.c`,
			`#include "own.h"\n${next === undefined ? "" : `int ${next}(void);\n`}int ${name}(void);\nint ${name}(void) { return OWN + ${next === undefined ? "1" : `${next}()`}; }\n`,
		);
	}
	s.source(`${folder}/own.h`, `#define OWN ${number(s)}\n`);
	s.file(
		`${folder}/Makefile`,
		`OBJS = ${names.map((name) => `${name}.o`).join(" ")}\nlib${symbol}.a: $(OBJS)\n\t$(AR) rcs $@ $(OBJS)\n%.o: %.c own.h\n\t$(CC) $(CFLAGS) -c $<\n`,
	);
	const nested = s.rng.chance(0.25);
	const make = `${nested ? "$(GGRUN) " : ""}$(MAKE)${s.rng.pick([" -s", "", " CFLAGS=-g", " --no-print-directory"])} -C ${folder}`;
	s.text.push(`.PHONY: ${s.id}_rec`);
	const archive = s.made(`${folder}/lib${symbol}.a`);
	s.rule(
		`${s.id}_rec`,
		[],
		[
			s.rng.pick([
				make,
				`+${make}`,
				`@${make}`,
				`for d in ${folder}; do ${make.replace(folder, () => "$$d")} || exit 1; done`,
			]),
		],
	);
	s.rule(archive, [`${s.id}_rec`], ["@:"]);
	s.units.push({ kind: "archive", symbol: names[0]!, file: archive, pic: false, cxx: false, needs: [] });
	s.goal(archive);
}

export const LINKS: readonly Feature[] = [
	{ name: "archive", weight: 5, add: archive },
	{ name: "partial", weight: 2, add: partial },
	{ name: "shared", weight: 4, add: shared },
	{ name: "program", weight: 7, add: program },
	{ name: "default-name", weight: 2, add: defaultName },
	{ name: "recursive", weight: 3, add: recursive },
];
