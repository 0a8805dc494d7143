/** Features of random projects: what is made of outputs, generators, and habits of makefiles. */
import { compile, type Feature, number } from "./compiles.js";
import type { Header, Sketch } from "./sketch.js";

/** An output of an earlier feature; one is made if there is none. */
function output(s: Sketch, fit: (file: string) => boolean = () => true): string {
	if (!s.outputs.some(fit)) compile(s);
	return s.rng.pick(s.outputs.filter(fit));
}

function runnable(s: Sketch): string {
	if (s.programs.length > 0) return s.rng.pick(s.programs);
	const name = s.name("gen");
	s.source(
		`${s.id}/${name}.c`,
		`int printf(const char *, ...);\nint main(void) { printf("%d\\n", ${number(s)}); return 0; }\n`,
	);
	s.rule(`${s.id}/${name}`, [`${s.id}/${name}.c`], ["$(CC) -o $@ $<"]);
	s.programs.push(s.made(`${s.id}/${name}`));
	s.goal(`${s.id}/${name}`);
	return `${s.id}/${name}`;
}

/** A header or a source that a command of the build writes. */
function generator(s: Sketch): void {
	const macro = s.name("G");
	const seed = s.source(`${s.id}/${macro}.txt`, `${number(s)}\n`);
	const ways: [readonly string[], readonly string[]][] = [
		[[seed], [`sed 's/^/#define ${macro} /' ${seed} > $@`]],
		[[seed], [`awk '{ print "#define ${macro} " $$1 }' ${seed} > $@`]],
		[
			[seed],
			[`@echo "#define ${macro} $$(cat ${seed})" > $@.tmp`, "@cmp -s $@.tmp $@ || cp $@.tmp $@", "@rm -f $@.tmp"],
		],
		[[seed, `${s.id}/gen.sh`], [`./${s.id}/gen.sh ${macro} < ${seed} > $@`]],
		[
			[seed],
			[`/usr/bin/python3 -c 'import sys; print("#define ${macro}", int(open(sys.argv[1]).read()))' ${seed} > $@`],
		],
		[[], [`echo '#define ${macro} 71' > $@`, `echo '#define ${macro}_2 72' >> $@`]],
	];
	const program = s.rng.chance(0.45) ? runnable(s) : undefined;
	if (program !== undefined) {
		ways.splice(
			0,
			ways.length,
			[[program], [`./${program} > $@.val`, `echo "#define ${macro} $$(cat $@.val)" > $@`]],
			[[program], [`( printf '#define ${macro} '; ./${program} ) > $@`]],
			[[program], [`v=$$(./${program}) && echo "#define ${macro} $$v" > $@`]],
		);
		ways.push(
			[[program], [`echo "#define ${macro} $$(wc -c < ${program})" > $@`]],
			[[program], [`nm ${program} | awk 'END { print "#define ${macro} " NR }' > $@`]],
			[[program], [`echo "#define ${macro} 0x$$(od -An -tx1 -N1 -j40 ${program} | tr -d ' ')" > $@`]],
		);
	}
	s.file(`${s.id}/gen.sh`, '#!/bin/sh\nread -r value\necho "#define $1 $value"\n');
	const [prerequisites, recipe] = s.rng.pick(ways);
	const path = `${s.id}/${s.rng.pick(["", "gen/"])}${macro}.h`;
	s.rule(path, prerequisites, ["@mkdir -p $(@D)", ...recipe]);
	const header: Header = {
		path,
		include: `${macro}.h`,
		flags: [`-I${path.slice(0, path.lastIndexOf("/"))}`],
		macro,
		generated: true,
	};
	s.headers.push(header);
	s.goal(path);
	if (s.rng.chance(0.5)) {
		const symbol = s.name("gs");
		const source = `${s.id}/${symbol}.c`;
		s.rule(source, [path], [`{ cat ${path}; echo 'int ${symbol}(void) { return ${macro}; }'; } > $@`]);
		s.rule(`${s.id}/${symbol}.o`, [source], ["$(CC) -c -o $@ $<"]);
		s.units.push({ kind: "object", symbol, file: s.made(`${s.id}/${symbol}.o`), pic: false, cxx: false, needs: [] });
		s.goal(`${s.id}/${symbol}.o`);
	}
}

/** Programs that were built are run in the build. */
function runs(s: Sketch): void {
	const program = runnable(s);
	const file = `${s.id}/${s.name("ran")}.txt`;
	const path = program.includes("/") ? program : `./${program}`;
	s.rule(
		file,
		[program],
		[
			"@mkdir -p $(@D)",
			s.rng.pick([
				`${path} > $@`,
				`./${program} | cat > $@`,
				`LC_ALL=C ${path} > $@ 2>&1`,
				`if ./${program} >/dev/null; then echo good > $@; else echo bad > $@; fi`,
				`cd $(@D) && ../${program} > $(notdir $@)`,
				`cp ${program} $@.copy && ./$@.copy > $@`,
				`sh -c 'exec ./${program}' > $@`,
			]),
		],
	);
	s.goal(file);
}

/** Tools of binutils on what was linked or compiled. */
function binutils(s: Sketch): void {
	const from = output(s, (file) => /\.o$|prog|\.so/.test(file));
	const to = `${s.id}/${s.name("b")}`;
	const commands: (readonly string[])[] = [
		[`cp ${from} $@`, "strip $@"],
		[`cp ${from} $@`, "strip -g $@", `nm ${from} > $@.nm || true`],
		[`strip -o $@ ${from}`],
		[`strip --strip-debug -o $@ ${from}`, "touch $@"],
		[`objcopy --only-keep-debug ${from} $@.debug`, `objcopy --strip-debug --add-gnu-debuglink=$@.debug ${from} $@`],
		[`objcopy -S ${from} $@`],
		[`cp -p ${from} $@`, "objcopy -R .comment $@"],
		[`objcopy --weaken --prefix-symbols=x_ ${from} $@`, "objcopy --add-section .more=Makefile $@ $@.2"],
		[`objcopy -I binary -O elf64-x86-64 -B i386 ${from} $@`, "chmod 640 $@"],
		[`cp ${from} $@ && chmod 700 $@ && objcopy --only-keep-debug $@ $@.2 && chmod g-x $@.2`],
		[`objcopy -O binary -j .text ${from} $@`],
		[`nm ${from} > $@ || echo none > $@`],
		[`nm -g ${from} | sort > $@`],
		[`install -m 644 ${from} $@`],
	];
	if (/prog|\.so/.test(from))
		commands.push([`install -s -m 755 ${from} $@`], [`install -D -s ${from} $@.d/bin`, "cp $@.d/bin $@"]);
	commands.push(
		[`size ${from} > $@`],
		[`readelf -SW ${from} > $@`],
		[`objdump -d ${from} > $@`],
		[`strings ${from} > $@`],
	);
	s.rule(to, [from], ["@mkdir -p $(@D)", ...s.rng.pick(commands)]);
	s.made(to);
	s.goal(to);
}

/** Programs that gg has no idea of read what was made. */
function reader(s: Sketch): void {
	const from = output(s);
	const to = `${s.id}/${s.name("read")}`;
	const python = `/usr/bin/python3 -c 'import sys,hashlib; print(hashlib.md5(open(sys.argv[1],"rb").read()).hexdigest())'`;
	s.rule(
		to,
		[from],
		[
			"@mkdir -p $(@D)",
			...s.rng.pick<readonly string[]>([
				[`cat ${from} > $@`],
				[`cat ${from} ${from} > $@`, `cmp ${from} $@ >> $@.cmp || true`],
				[`sha256sum ${from} > $@`],
				[`sha256sum < ${from} > $@`],
				[`tar --mtime=@0 --sort=name -cf $@ ${from}`],
				[
					`tar --mtime=@0 -C ${from.includes("/") ? from.slice(0, from.lastIndexOf("/")) : "."} -cf - ${from.slice(from.lastIndexOf("/") + 1)} | gzip -n > $@`,
				],
				[`wc -c ${from} > $@`],
				[`wc -c < ${from} > $@`],
				[`od -tx1 ${from} | tail -n 3 > $@`],
				[`${python} ${from} > $@`],
				[`awk 'END { print NR }' ${from} > $@`],
				[`dd if=${from} of=$@ bs=16 count=2 status=none`],
				[`gzip -nc ${from} > $@`],
				[`cp ${from} $@`, "echo more >> $@"],
				[`cp ${from} $@`, "printf x | dd of=$@ bs=1 seek=8 conv=notrunc status=none"],
				[`perl -e 'print -s shift' ${from} > $@`],
				[`stat -c %s ${from} > $@`],
				[`while read -r x; do :; done < ${from}; echo read > $@`],
				[`test -s ${from} && echo full > $@`],
				[`if cmp -s ${from} /dev/null; then echo same; else echo differ; fi > $@`],
				[`split -b 512 ${from} $@.part`, "cat $@.part* > $@", "rm -f $@.part*"],
				[`grep -c ELF ${from} > $@ || true`],
				[`find ${from} -size +0c > $@`],
			]),
		],
	);
	s.goal(to);
}

/** Copies, moves and links, which are neither reading nor writing. */
function copies(s: Sketch): void {
	const from = output(s);
	const to = `${s.id}/${s.name("c")}`;
	const up = s.id.replaceAll(/[^/]+/g, "..");
	s.rule(
		to,
		[from],
		[
			"@mkdir -p $(@D)",
			...s.rng.pick<readonly string[]>([
				[`cp ${from} $@`],
				[`cp -p ${from} $@`],
				[`cp -a ${from} $@`],
				[`cp ${from} $@.tmp && mv -f $@.tmp $@`],
				[`ln -f ${from} $@`],
				[`ln -sf ${up}/${from} $@`],
				[`cp ${from} $@`, "chmod 711 $@"],
				[`install -m 600 ${from} $@`],
				[`mkdir -p $@.dir && cp ${from} $@.dir/x && mv $@.dir/x $@ && rmdir $@.dir`],
				[`cp ${from} $@`, `cp ${from} $@.2; rm -f $@.2`],
				[`rm -f $@; cp -l ${from} $@`],
				[`test -f ${from} && cp -u ${from} $@`],
			]),
		],
	);
	s.goal(to);
}

/** Rules that are seldom written. */
function habits(s: Sketch): void {
	const symbol = s.name("h");
	const source = s.source(
		`${s.id}/${symbol}.c`,
		`int ${symbol}(void);\nint ${symbol}(void) { return ${number(s)}; }\n`,
	);
	const object = `${s.id}/${symbol}.o`;
	s.text.push(
		s.rng.pick([
			`${object}:: ${source} ; $(CC) -c $< -o $@\n${object}:: ${source} ; touch $@`,
			`.PHONY: ${s.id}_always\n${s.id}_always:\n${object}: ${source} ${s.id}_always ; $(CC) -c $< -o $@`,
			`${object}: ${source} | ${s.id}/dir ; $(CC) -c $< -o $@\n${s.id}/dir: ; mkdir $@`,
			`${object} ${s.id}/twin.o &: ${source} ; $(CC) -c $< -o ${object}; $(CC) -g -c $< -o ${s.id}/twin.o`,
			`.DELETE_ON_ERROR:\n${object}: ${source} ; $(CC) -c $< -o $@`,
			`define ${symbol}_recipe\n$(CC) -S $< -o $@.s\n$(CC) -c $@.s -o $@\nrm -f $@.s\nendef\n${object}: ${source} ; $(${symbol}_recipe)`,
			`${object}: CFLAGS += -g\n${object}: ${source} ; $(CC) $(CFLAGS) -c $< -o $@`,
			`${object}: ${source}\n\t@echo '  CC  $@'; $(CC) -c $< -o $@`,
			`${object}: ${source}\n\t$(CC) -c $< \\\n\t\t-o $@ \\\n\t\t-DA='"x y"' '-DB=a b' -DC=\\"q\\"`,
			`${object}: ${source}\n\texport LANG=C; \\\n\t$(CC) -c $< -o $@ && \\\n\techo done`,
			`${object}: SHELL = /bin/bash\n${object}: ${source} ; $(CC) -c $< -o $@ &> $@.log`,
			`${object}: ${source}\n\t$(CC) -c $< -o $@ & wait`,
			`${object}: ${source}\n\t@trap 'rm -f $@.lock' 0; touch $@.lock; $(CC) -c $< -o $@`,
			`${object}: ${source}\n\t@f=$<; $(CC) -c "$$f" -o "$@"`,
			`${object}: ${source}\n\t@eval '$(CC) -c $< -o $@'`,
			`${object}: ${source}\n\ttime -p $(CC) -c $< -o $@ 2>/dev/null`,
			`${object}: ${source}\n\t$(CC) -c $< -o $@ >/dev/null 2>&1 </dev/null`,
			`${object}: ${source}\n\tbash -c '$(CC) -c $< -o $@; exit $$?'`,
			`${object}: ${source}\n\techo $< | xargs -n 1 $(CC) -o $@ -c`,
			`${object}: ${source}\n\tfind ${s.id} -name '${symbol}.c' -exec $(CC) -c {} -o $@ ';'`,
			`${object}: ${source}\n\t/usr/bin/python3 -c 'import subprocess,sys; sys.exit(subprocess.call(sys.argv[1:]))' $(CC) -c $< -o $@`,
			`${object}: ${source}\n\tperl -e 'exit(system(@ARGV) >> 8)' $(CC) -c $< -o $@`,
		]),
		"",
	);
	s.units.push({ kind: "object", symbol, file: s.made(object), pic: false, cxx: false, needs: [] });
	s.goal(object);
}

/** Outputs that are written, read and removed within a recipe, appended to, or written twice. */
function transient(s: Sketch): void {
	const symbol = s.name("t");
	const source = s.source(`${s.id}/${symbol}.c`, `int ${symbol} = ${number(s)};\nint main(void) { return 0; }\n`);
	const to = `${s.id}/${symbol}`;
	const recipes: (readonly string[])[] = [
		["$(CC) -c $< -o $@.o && $(CC) -o $@ $@.o && rm -f $@.o"],
		["$(CC) -c $< -o $@.o", "ar rcs $@.a $@.o", "rm -f $@.o", "mv $@.a $@"],
		["$(CC) -c $< -o $@", "$(CC) -g -o $@ $<"],
		["$(CC) -c $< -o $@", ": > $@"],
		["$(CC) -c $< -o $@", "rm $@", "$(CC) -c $< -o $@"],
		["$(CC) -o $@ $<", "strip $@", "ln -sf $(notdir $@) $@.link"],
		["$(CC) -o $@ $<", "rm -f $@.old; mv $@ $@.old; cp $@.old $@"],
		["d=$$(mktemp -d) && $(CC) -c $< -o $$d/x.o && cp $$d/x.o $@ && rm -r $$d"],
		["$(CC) -g -c $< -o $@", "ln -f $@ $@.name", "strip -g $@.name"],
		["$(CC) -S $< -o $@", "ln -f $@ $@.name", "$(CC) -S -g $< -o $@.name"],
		["$(CC) -g -c $< -o $@", "ln -sf $(notdir $@) $@.link", "objcopy --strip-debug $@.link"],
		["$(CC) -g -c $< -o $@.o", "ln -f $@.o $@.name", "ar rcs $@ $@.name", "ln -f $@ $@.a", "ranlib $@.a"],
		["$(CC) -g -o $@ $<", "ln -f $@ $@.name", "$(CC) -o $@ $<", "objcopy -S $@.name $@.name2"],
		["mkdir -p $@.d; $(CC) -c $< -o $@.d/x.o; mv $@.d $@.e; cp $@.e/x.o $@; rm -r $@.e"],
	];
	recipes.push(
		["$(CC) -c $< -o $@", "echo tail >> $@"],
		["$(CC) -c $< -o $@.1", "$(CC) -g -c $< -o $@.2", "cat $@.1 $@.2 > $@"],
		["$(CC) -S $< -o $@.s", "grep -v ident $@.s > $@.2.s", "$(CC) -c $@.2.s -o $@"],
		["$(CC) -c $< -o $@", "truncate -s 100 $@"],
	);
	s.rule(to, [source], [...s.rng.pick(recipes)]);
	s.goal(to);
}

/** What commands have read is another file by the next command, with a date as old as before. */
function shifting(s: Sketch): void {
	const name = s.name("v");
	const at = `${s.id}/${name}`;
	for (const [variant, value] of [
		["a", 71],
		["b", 72],
	] as const)
		s.file(`${at}/${variant}/v.h`, `#define V ${value}\n`);
	const [header, become] = s.rng.pick<[string, (variant: string) => readonly string[]]>([
		["v.h", (v) => [`ln -sf ${v}/v.h ${at}/v.h`]],
		["v.h", (v) => [`ln -f ${at}/${v}/v.h ${at}/v.h`]],
		["v.h", (v) => [`cp -p ${at}/${v}/v.h ${at}/v.h`]],
		["v.h", (v) => [`rm -f ${at}/v.h`, `cp -p ${at}/${v}/v.h ${at}/v.h`]],
		["v.h", (v) => [`cp -p ${at}/${v}/v.h ${at}/v.h.new`, `mv ${at}/v.h.new ${at}/v.h`]],
		["v.h", (v) => [`cat ${at}/${v}/v.h > ${at}/v.h; touch -r ${at}/${v}/v.h ${at}/v.h`]],
		["cur/v.h", (v) => [`ln -sfn ${v} ${at}/cur`]],
		["cur/v.h", (v) => [`rm -rf ${at}/cur`, `cp -pr ${at}/${v} ${at}/cur`]],
	]);
	s.file(`${at}/x.c`, `#include "${header}"\nint ${name} = V;\n`);
	const flags = s.rng.pick(["", "-MMD ", "-g "]);
	const recipe = Array.from({ length: 2 + s.rng.below(5) }, (_, i) => [
		...become(s.rng.pick(["a", "b"])),
		`$(CC) ${flags}-c ${at}/x.c -o ${at}/${i}.o`,
	]).flat();
	const end = s.rng.pick([[], [`rm -r ${at}/${header.split("/")[0]}`], [`ar rcs ${at}/all.a ${at}/*.o`]]);
	s.rule(`${at}/done`, [`${at}/x.c`], [...recipe, ...end, "touch $@"]);
	s.goal(`${at}/done`);
}

/** Commands that fail. */
function failing(s: Sketch): void {
	const name = s.name("x");
	const bad = s.source(`${s.id}/${name}.c`, `int ${name} = ;\n`);
	const to = `${s.id}/${name}`;
	const survivors = [
		[`-$(CC) -c ${bad} -o $@.o`, "echo went on > $@"],
		[`$(CC) -c ${bad} -o $@.o 2>$@.log || echo failed > $@`],
		[`! $(CC) -c ${bad} -o $@.o`, "touch $@"],
		[`$(CC) -c ${bad} -o $@.o; echo $$? > $@`],
		[`if $(CC) -c ${bad} -o $@.o 2>/dev/null; then exit 1; fi; touch $@`],
		["-ar x nothing.a", "-strip nothing", "touch $@"],
		[`-$(CC) -o $@ ${s.id}/nothing.o`, "touch $@"],
	];
	const fatal = [
		[`$(CC) -c ${bad} -o $@`],
		[`$(CC) -c ${bad} -o $@`, "echo never"],
		[`echo partial > $@; $(CC) -c ${bad} -o $@.o`],
		["ar rcs $@ nothing.o"],
		[`$(CC) -o $@ ${s.id}/nothing.o -lnothing`],
	];
	const dies = s.rng.chance(0.35);
	if (dies) s.fails = true;
	s.rule(to, [bad], s.rng.pick(dies ? fatal : survivors));
	s.goal(to);
}

/** Chosen apart from the others, so that a seed's other features are what they were before these came. */
export const LATER: readonly Feature[] = [{ name: "shifting", weight: 1, add: shifting }];

export const RECIPES: readonly Feature[] = [
	{ name: "generator", weight: 5, add: generator },
	{ name: "runs", weight: 2, add: runs },
	{ name: "binutils", weight: 4, add: binutils },
	{ name: "reader", weight: 6, add: reader },
	{ name: "copies", weight: 3, add: copies },
	{ name: "habits", weight: 5, add: habits },
	{ name: "transient", weight: 3, add: transient },
	{ name: "failing", weight: 2, requires: "failures", add: failing },
];
