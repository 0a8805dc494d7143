/** Features of random projects: headers, and commands of compilers and assemblers. */
import { type Header, type Sketch, type Unit, word } from "./sketch.js";

export interface Feature {
	readonly name: string;
	readonly weight: number;
	/** It cannot be had without failing commands. */
	readonly requires?: "failures";
	readonly add: (s: Sketch) => void;
}

/** A number that an edit changes. */
const number = (s: Sketch): string => `7${s.rng.below(1000)}`;

function guarded(s: Sketch, body: string): string {
	if (s.rng.chance(0.4)) return `#pragma once\n${body}`;
	const guard = s.name("guard");
	return `#ifndef ${guard}\n#define ${guard}\n${body}#endif\n`;
}

/** A few headers that include each other, in folders that are found in different ways. */
function headers(s: Sketch): void {
	const folder = s.rng.pick([s.id, `${s.id}/inc`, `${s.id}/sp ace`, `${s.id}/sub/../inc2`]);
	const real = folder.replace("sub/../", "");
	const flag = s.rng.pick(["-I", "-I ", "-iquote ", "-isystem ", "-idirafter "]);
	if (folder !== real) s.file(`${s.id}/sub/keep`, "");
	const made: Header[] = [];
	for (let i = 0; i < 1 + s.rng.below(4); i++) {
		const macro = s.name("M");
		const name = `${macro}.h`;
		const others = s.rng.some(made, 2).map(({ include }) => `#include "${include}"\n`);
		const optional = s.rng.chance(0.3)
			? `#if __has_include("${s.id}_none.h")\n#include "${s.id}_none.h"\n#endif\n`
			: "";
		const inline = s.rng.chance(0.4) ? `static inline int ${macro}_f(void) { return ${number(s)}; }\n` : "";
		s.source(`${real}/${name}`, guarded(s, `${others.join("")}${optional}#define ${macro} ${number(s)}\n${inline}`));
		const flags = [`${flag}${word(folder)}`];
		if (s.rng.chance(0.2)) flags.unshift("-Inot/there");
		made.push({ path: `${real}/${name}`, include: name, flags, macro, generated: false });
	}
	if (s.rng.chance(0.25)) {
		s.links.set(`${s.id}_link`, real);
		made.push(...made.map((header) => ({ ...header, flags: [`-I${s.id}_link`] })));
	}
	s.headers.push(...made);
}

interface Using {
	readonly includes: string;
	readonly flags: string[];
	readonly prerequisites: string[];
	readonly sum: string;
}

function using(s: Sketch, most = 3): Using {
	const picked = s.rng.some(s.headers, most);
	const computed = s.rng.chance(0.15);
	return {
		includes: picked
			.map(({ include }, i) =>
				computed ? `#define INC${i} "${include}"\n#include INC${i}\n` : `#include "${include}"\n`,
			)
			.join(""),
		flags: [...new Set(picked.flatMap(({ flags }) => flags))],
		prerequisites: picked.filter(({ generated }) => generated).map(({ path }) => path),
		sum: [number(s), ...picked.map(({ macro }) => macro)].join(" + "),
	};
}

const DIALECTS = [
	"",
	"",
	"-g",
	"-O2",
	"-O1 -g",
	"-Wall",
	"-Wall -Wextra -O2",
	"-g3",
	"-std=gnu11",
	"-pipe",
	"-fno-common",
	"-m64 -mtune=generic",
	"-fdata-sections -ffunction-sections",
	"-DX=1 -UX",
	"-fverbose-asm",
	"'-ffile-prefix-map=$(CURDIR)=.'",
	"-frandom-seed=1 -flto -ffat-lto-objects",
	"-gz",
	"-w",
];

/** The text of a unit, which uses headers and calls other units. */
function body(s: Sketch, unit: { symbol: string; calls: readonly Unit[]; cxx: boolean }, use: Using): string {
	const { symbol, calls, cxx } = unit;
	const c = cxx ? 'extern "C" ' : "";
	const declared = calls.map((called) => `${c}int ${called.symbol}(void);\n`).join("");
	const system = s.rng.chance(0.15)
		? `#include <${s.rng.pick(["stddef.h", "string.h", "stdint.h", "limits.h"])}>\n`
		: "";
	const template = cxx
		? `template <int N> struct T${symbol} { static int f() { return N + T${symbol}<N - 1>::f(); } };\ntemplate <> struct T${symbol}<0> { static int f() { return 1; } };\n`
		: "";
	const unused = s.rng.chance(0.2) ? "\tint unused_one;\n" : "";
	const macro = s.rng.chance(0.15) ? `\tstatic const char *at = __FILE__;\n\tif (!at[0]) return ${"__LINE__"};\n` : "";
	const sum = [use.sum, ...calls.map((called) => `${called.symbol}()`), ...(cxx ? [`T${symbol}<3>::f()`] : [])].join(
		" + ",
	);
	return `${system}${use.includes}${declared}${template}${c}int ${symbol}(void);\n${c}int ${symbol}(void) {\n${unused}${macro}\treturn ${sum};\n}\n`;
}

/** One source and the command, of many kinds, that makes an object of it. */
export function compile(s: Sketch, options: { pic?: boolean; calls?: boolean; most?: number } = {}): Unit {
	const cxx = s.rng.chance(0.25);
	const pic = options.pic ?? s.rng.chance(0.3);
	const symbol = s.name("u");
	const callable = s.units.filter((unit) => !pic || unit.pic);
	const calls = options.calls === false ? [] : s.rng.some(callable, 2);
	const use = using(s, options.most);
	const extension = cxx ? s.rng.pick(["cc", "cpp", "cxx", "C"]) : "c";
	const folder = s.rng.pick([s.id, s.id, `${s.id}/a b`, ".", `${s.id}/src`]);
	const source = s.source(
		`${folder === "." ? "" : `${folder}/`}${symbol}.${extension}`,
		body(s, { symbol, calls, cxx }, use),
	);
	const cc = compiler(s, cxx);
	const flags = [...use.flags, s.rng.pick(DIALECTS), ...(pic ? ["-fPIC"] : [])].filter((flag) => flag !== "");
	const object = `${s.rng.pick([`${s.id}/`, `${s.id}/out/`, ""])}${symbol}.o`;
	way(s)(s, { cc, flags, source, object, prerequisites: use.prerequisites });
	const unit: Unit = { kind: "object", symbol, file: s.made(object), pic, cxx, needs: calls };
	s.units.push(unit);
	s.goal(object);
	return unit;
}

function compiler(s: Sketch, cxx: boolean): string {
	const plain = cxx ? "$(CXX)" : "$(CC)";
	if (s.rng.chance(0.75)) return plain;
	const name = cxx ? "g++" : "gcc";
	return s.rng.pick([
		name,
		`${name}-12`,
		`x86_64-linux-gnu-${name}`,
		`env LC_MESSAGES=C ${name}`,
		`nice -n 0 ${name}`,
		`/usr/bin/${name}`,
		cxx ? "c++" : "cc",
		`command ${name}`,
	]);
}

interface Compiling {
	readonly cc: string;
	readonly flags: readonly string[];
	readonly source: string;
	readonly object: string;
	readonly prerequisites: readonly string[];
}

type Way = (s: Sketch, compiling: Compiling) => void;

const mkdir = (object: string): string =>
	object.includes("/") ? `@mkdir -p ${object.slice(0, object.lastIndexOf("/"))}` : "@:";

/** A rule whose first line makes the folder. */
function rule(s: Sketch, c: Compiling, lines: (line: string, source: string) => readonly string[]): void {
	s.rule(
		c.object,
		[c.source, ...c.prerequisites],
		[mkdir(c.object), ...lines(`${c.cc} ${c.flags.join(" ")}`, word(c.source))],
	);
}

const stem = (object: string): string => object.replace(/\.o$/, "");

/** Ways to write a rule for one object. */
const WAYS: readonly { readonly weight: number; readonly requires?: "failures"; readonly way: Way }[] = [
	{ weight: 6, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`exec ${cc.replace("command ", "")} -c ${src} -o $@`]) },
	{ weight: 2, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -o $@ -c ${src}`]) },
	{
		weight: 5,
		way: (s, c) => {
			const style = s.rng.pick([
				"-MMD -MP",
				"-MD",
				`-MMD -MF ${stem(c.object)}.d`,
				`-MD -MP -MF ${stem(c.object)}.d -MT $@`,
				`-Wp,-MMD,${stem(c.object)}.d`,
				`-MMD -MQ $@ -MF ${stem(c.object)}.d`,
			]);
			rule(s, c, (cc, src) => [`${cc} ${style} -c ${src} -o $@`]);
			s.text.push(`-include ${stem(c.object)}.d`, "");
		},
	},
	{
		// automake's.
		weight: 2,
		way: (s, c) => {
			const tmp = `${stem(c.object)}.Tpo`;
			rule(s, c, (cc, src) => [`${cc} -MT $@ -MD -MP -MF ${tmp} -c -o $@ ${src} && mv -f ${tmp} ${stem(c.object)}.Po`]);
			s.text.push(`-include ${stem(c.object)}.Po`, "");
		},
	},
	{ weight: 2, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@.tmp`, "mv -f $@.tmp $@"]) },
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@.tmp && cp -p $@.tmp $@ && rm -f $@.tmp`]),
	},
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -S ${src} -o $@.s`, "$(CC) -c $@.s -o $@"]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -S ${src} -o $@.s`, "as $@.s -o $@", "rm -f $@.s"]) },
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`${cc} -S ${src} -o $@.s`, "sed -i 's/^# .*//' $@.s", "as -o $@ $@.s"]),
	},
	{
		weight: 1,
		way: (s, c) => {
			const preprocessed = `$@${/\.c$/.test(c.source) ? ".i" : ".ii"}`;
			rule(s, c, (cc, src) => [`${cc} -E ${src} > ${preprocessed}`, `${cc} -c ${preprocessed} -o $@`]);
		},
	},
	{
		weight: 1,
		way: (s, c) => {
			const preprocessed = `$@${/\.c$/.test(c.source) ? ".i" : ".ii"}`;
			rule(s, c, (cc, src) => [`${cc} -E ${src} -o ${preprocessed}`, `${cc} -fpreprocessed -c ${preprocessed} -o $@`]);
		},
	},
	{ weight: 2, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -Wall -c ${src} -o $@ 2>$@.log`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -Wall -c ${src} -o $@ 2>&1 | cat`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@ || { echo failed; exit 1; }`]) },
	{
		weight: 1,
		way: (s, c) =>
			rule(s, c, (cc, src) => [`${cc} -fno-such-flag -c ${src} -o $@ 2>/dev/null || ${cc} -c ${src} -o $@`]),
	},
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`if ${cc} -c ${src} -o $@; then echo made $@; else exit 1; fi`]),
	},
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`, `test -s $@ || exit 1`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`( ${cc} -c ${src} -o $@ )`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`{ ${cc} -c ${src} -o $@; } && touch -r $@ $@.stamp`]) },
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`for i in 1; do ${cc} -DLOOP=$$i -c ${src} -o $@ || exit 1; done`]),
	},
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`sh -c "${cc} -c '${src.replaceAll("'", "")}' -o $@"`]) },
	{
		weight: 1,
		way: (s, c) =>
			rule(s, c, (cc, src) => [`set -e; V=1 ${cc.replace(/^(command|exec) /, "")} -c ${src} -o $@; : done`]),
	},
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`+${cc} -c ${src} -o $@`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`umask 027; ${cc} -c ${src} -o $@`]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`, "chmod 640 $@"]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`, "touch $@"]) },
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`${cc} -DFIRST -c ${src} -o $@`, `${cc} -DSECOND -g -c ${src} -o $@`]),
	},
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`, "ln -f $@ $@.hard"]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@.1`, "ln -sf $(notdir $@).1 $@"]) },
	{ weight: 1, way: (s, c) => rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@ -save-temps=obj`]) },
	{
		weight: 2,
		way: (s, c) => {
			const response = s.file(`${s.id}/${s.name("rsp")}`, `${c.flags.join("\n")}\n-c\n`);
			rule(s, { ...c, flags: [] }, (cc, src) => [`${cc} @${response} ${src} -o $@`]);
		},
	},
	{
		weight: 1,
		way: (s, c) => rule(s, c, (cc, src) => [`printf '%s\\n' '-DR=1' -c > $@.rsp`, `${cc} @$@.rsp ${src} -o $@`]),
	},
	{
		// Out of the tree: the directory is another, and so is every relative name.
		weight: 2,
		way: (s, c) => {
			const out = `${s.id}/${s.name("obj")}`;
			const flags = c.flags.map((flag) => flag.replace(/^(-(?:I|iquote|isystem|idirafter) ?)('?)(?!\/)/, "$1$2../../"));
			rule(s, { ...c, flags }, (cc, src) => [
				`@mkdir -p ${out}`,
				`cd ${out} && ${cc} -c ${word(`../../${src.replaceAll("'", "")}`)} -o ../../$@`,
			]);
		},
	},
	{
		// The name of the object is the source's.
		weight: 2,
		way: (s, c) => {
			const out = `${s.id}/${s.name("def")}`;
			const flags = c.flags.map((flag) => flag.replace(/^(-(?:I|iquote|isystem|idirafter) ?)('?)(?!\/)/, "$1$2../../"));
			const base = c.source.slice(c.source.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
			rule(s, { ...c, flags }, (cc, src) => [
				`@mkdir -p ${out}`,
				`cd ${out} && ${cc} -c ${word(`../../${src.replaceAll("'", "")}`)} && mv ${base}.o ../../$@`,
			]);
		},
	},
	{
		// Dependencies by a command of their own, as manuals of make have it.
		weight: 1,
		way: (s, c) => {
			const depfile = `${stem(c.object)}.mk`;
			s.rule(
				depfile,
				[c.source, ...c.prerequisites],
				[
					mkdir(depfile),
					`@${c.cc} -MM ${c.flags.filter((flag) => !flag.includes("-g")).join(" ")} ${word(c.source)} | sed 's,^[^:]*:,${c.object} $@:,' > $@`,
				],
			);
			rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@`]);
			s.text.push(`-include ${depfile}`, "");
		},
	},
	{
		weight: 1,
		way: (s, c) =>
			rule(s, { ...c, cc: c.cc }, (cc, src) => [
				`cat ${src} | ${cc} -x ${c.source.endsWith(".c") ? "c" : "c++"} -c -o $@ -`,
			]),
	},
	{
		weight: 1,
		requires: "failures",
		way: (s, c) => rule(s, c, (cc, src) => [`-${cc} -c ${s.id}_nowhere.c -o $@`, `${cc} -c ${src} -o $@`]),
	},
	{
		weight: 1,
		way: (s, c) =>
			rule(s, c, (cc, src) => [`${cc} -c ${src} -o $@.new`, "cmp -s $@.new $@ || cp $@.new $@", "rm -f $@.new"]),
	},
];

function way(s: Sketch): Way {
	const possible = WAYS.filter(({ requires }) => requires === undefined || s.limits[requires]);
	let left = s.rng.below(possible.reduce((sum, { weight }) => sum + weight, 0));
	for (const { weight, way } of possible) {
		left -= weight;
		if (left < 0) return way;
	}
	throw new Error("Internal error: weights");
}

/** Several sources in one command: objects under default names, all in the current directory. */
function several(s: Sketch): void {
	const units: Unit[] = [];
	const sources: string[] = [];
	const use = using(s, 1);
	for (let i = 0; i < 2 + s.rng.below(2); i++) {
		const symbol = s.name("s");
		sources.push(s.source(`${s.id}/${symbol}.c`, body(s, { symbol, calls: [], cxx: false }, use)));
		units.push({ kind: "object", symbol, file: `${symbol}.o`, pic: false, cxx: false, needs: [] });
	}
	const objects = units.map(({ file }) => s.made(file));
	const stamp = `${s.id}/stamp`;
	s.rule(
		stamp,
		[...sources, ...use.prerequisites],
		[`$(CC) ${use.flags.join(" ")} -c ${sources.join(" ")}`, "touch $@"],
	);
	for (const object of objects) s.rule(object, [stamp], []);
	s.units.push(...units);
	s.goal(...objects);
}

/** A pattern rule, perhaps with a chain of intermediate files that make deletes. */
function pattern(s: Sketch): void {
	const folder = `${s.id}/p`;
	const chain = s.rng.chance(0.5);
	const objects: string[] = [];
	for (let i = 0; i < 1 + s.rng.below(3); i++) {
		const symbol = s.name("p");
		const text = body(
			s,
			{ symbol, calls: [], cxx: false },
			{ includes: "", flags: [], prerequisites: [], sum: number(s) },
		);
		s.source(`${folder}/${symbol}.${chain ? "in" : "c"}`, text);
		objects.push(s.made(`${folder}/${symbol}.o`));
		s.units.push({ kind: "object", symbol, file: `${folder}/${symbol}.o`, pic: false, cxx: false, needs: [] });
	}
	if (chain) {
		s.text.push(
			`${folder}/%.c: ${folder}/%.in ; ${s.rng.pick(["cp $< $@", "sed 's/return/return 1 +/' $< > $@", "cat $< > $@"])}`,
			"",
		);
		if (s.rng.chance(0.3)) s.text.push(`.SECONDARY: ${objects.map((name) => name.replace(/o$/, "c")).join(" ")}`, "");
	}
	s.text.push(
		s.rng.pick([
			`${folder}/%.o: ${folder}/%.c ; $(CC) -g -c $< -o $@`,
			`${folder}/%.o: ${folder}/%.c\n\t$(COMPILE.c) $(OUTPUT_OPTION) $<`,
			"",
			`${folder}/%.o ${folder}/%.lst: ${folder}/%.c ; $(CC) -Wa,-aln=${folder}/$*.lst -c $< -o ${folder}/$*.o`,
		]),
		"",
	);
	s.goal(...objects);
}

/** Sources found by VPATH, objects elsewhere. */
function vpath(s: Sketch): void {
	const symbol = s.name("v");
	const place = s.rng.pick([`${s.id}/vp`, `${s.id}/deep/er`]);
	s.source(`${place}/${symbol}.c`, body(s, { symbol, calls: [], cxx: false }, using0(s)));
	s.text.push(`vpath ${symbol}.c nowhere:${place}`, "");
	s.rule(`${s.id}/${symbol}.o`, [`${symbol}.c`], [`@mkdir -p ${s.id}`, "$(CC) $(CFLAGS) -c $< -o $@"]);
	s.units.push({ kind: "object", symbol, file: s.made(`${s.id}/${symbol}.o`), pic: false, cxx: false, needs: [] });
	s.goal(`${s.id}/${symbol}.o`);
}

const using0 = (s: Sketch): Using => ({ includes: "", flags: [], prerequisites: [], sum: number(s) });

/** Hand-written assembler, with files that only the assembler reads. */
function assembler(s: Sketch): void {
	const symbol = s.name("asm");
	const folder = s.id;
	const data = s.source(`${folder}/${symbol}.bin`, `data ${number(s)}\n`);
	const include = s.source(`${folder}/${symbol}.inc`, `.macro answer\n\tmovl $${number(s)}, %eax\n.endm\n`);
	const preprocessed = s.rng.chance(0.5);
	const text = `\t.include "${include}"\n\t.text\n\t.globl ${symbol}\n\t.type ${symbol}, @function\n${symbol}:\n\tanswer\n\tret\n\t.size ${symbol}, .-${symbol}\n\t.section .rodata\n\t.incbin "${data}"\n\t.section .note.GNU-stack,"",@progbits\n`;
	const source = s.source(
		`${folder}/${symbol}.${preprocessed ? "S" : "s"}`,
		preprocessed ? `#define UNUSED 1\n${text}` : text,
	);
	const object = s.made(`${folder}/${symbol}.o`);
	const command = s.rng.pick(
		preprocessed
			? [
					"$(CC) -c $< -o $@",
					"$(CC) -g -c -o $@ $<",
					"$(CC) -MMD -c $< -o $@",
					"$(CC) -x assembler-with-cpp -c $< -o $@",
				]
			: [
					"as $< -o $@",
					"as -g -o $@ $<",
					"as --64 -I. $< -o $@",
					"as --MD $@.d $< -o $@",
					"$(CC) -c $< -o $@",
					"$(AS) -o $@ $<",
					`as -al=${folder}/${symbol}.lst -o $@ $<`,
				],
	);
	s.rule(object, [source, data, include], [command]);
	s.units.push({ kind: "object", symbol, file: object, pic: true, cxx: false, needs: [] });
	s.goal(object);
}

/** Compilers that answer questions while make reads the makefile. */
function questions(s: Sketch): void {
	const name = s.name("Q").toUpperCase();
	s.text.push(
		s.rng.pick([
			`${name} := $(shell $(CC) -dumpmachine)`,
			`${name} := $(shell $(CC) -fno-such-option -c -x c /dev/null -o /dev/null 2>/dev/null && echo yes || echo no)`,
			`${name} := $(shell echo 'int x;' | $(CC) -x c - -c -o ${s.id}.probe.o && echo yes; rm -f ${s.id}.probe.o)`,
			`${name} := $(shell $(CC) -print-file-name=libgcc.a | sed 's,.*/,,')`,
			`${name} := $(shell $(CC) -E -dM - </dev/null | grep -c __GNUC__)`,
			`${name} := $(shell $(CC) -Wl,--version 2>/dev/null | head -n 1)`,
		]),
		"",
	);
	s.rule(`${s.id}/answer`, [], [`@mkdir -p ${s.id}`, `echo '$(${name})' > $@`]);
	s.goal(`${s.id}/answer`);
}

export const COMPILES: readonly Feature[] = [
	{ name: "headers", weight: 6, add: headers },
	{ name: "compile", weight: 10, add: (s) => void compile(s) },
	{ name: "several", weight: 2, add: several },
	{ name: "pattern", weight: 3, add: pattern },
	{ name: "vpath", weight: 2, add: vpath },
	{ name: "assembler", weight: 3, add: assembler },
	{ name: "questions", weight: 2, add: questions },
];

export { body, number, using, using0 };
