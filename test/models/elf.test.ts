import assert from "node:assert/strict";
import { parseElf, readElf, sameTarget } from "../../src/models/elf.js";
import { fakeElf } from "./fake-machine.js";

const FULL = {
	interp: "/lib64/ld-linux-x86-64.so.2",
	soname: "libä.so.1",
	needed: ["libc.so.6", "libm.so.6"],
	rpath: "/a:/b",
	runpath: "$ORIGIN/../lib",
};

describe("the ELF reader", () => {
	for (const bits of [32, 64] as const) {
		for (const endian of ["little", "big"] as const) {
			it(`reads what a ${bits}-bit ${endian}-endian file says of itself`, () => {
				const read = parseElf(fakeElf({ ...FULL, bits, endian, machine: 40, type: 2 }));
				assert.deepEqual(read, {
					ok: true,
					value: { ...FULL, bits, endian, machine: 40, type: 2, flags: 0 },
				});
			});
		}
	}

	it("finds nothing to load in a relocatable object", () => {
		const read = parseElf(fakeElf({ type: 1, machine: 62 }));
		assert.ok(read.ok);
		assert.deepEqual([read.value.needed, read.value.soname, read.value.interp], [[], undefined, undefined]);
	});

	it("reads only headers and names of a large file", () => {
		const file = Buffer.concat([fakeElf({ ...FULL, soname: "x".repeat(300) }), Buffer.alloc(1 << 20)]);
		let total = 0;
		const read = readElf("/big", (_path, offset, length) => {
			const bytes = file.subarray(offset, offset + length);
			total += bytes.length;
			return bytes;
		});
		assert.ok(read.ok);
		assert.equal(read.value.soname, "x".repeat(300));
		assert.ok(total < 8192, `${total} bytes`);
	});

	it("refuses what is not ELF", () => {
		for (const bytes of [Buffer.alloc(0), Buffer.from("\x7fEL"), Buffer.from("#!/bin/sh\n")]) {
			assert.deepEqual(parseElf(bytes), { ok: false, error: "not-elf" });
		}
		assert.deepEqual(
			readElf("/absent", () => undefined),
			{ ok: false, error: "not-elf" },
		);
	});

	it("survives every truncation and every changed byte", () => {
		const whole = fakeElf(FULL);
		for (let length = 4; length < whole.length; length++) {
			const cut = parseElf(whole.subarray(0, length));
			if (cut.ok) assert.ok(cut.value.needed.length <= 2);
		}
		for (let at = 4; at < whole.length; at++) {
			for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
				const changed = Buffer.from(whole);
				changed[at] = value;
				const read = parseElf(changed);
				assert.ok(read.ok || read.error === "malformed");
			}
		}
	});

	it("refuses tables that lie outside the file", () => {
		const file = fakeElf(FULL);
		file.writeBigUInt64LE(2n ** 63n, 32);
		assert.deepEqual(parseElf(file), { ok: false, error: "malformed" });
		const many = fakeElf(FULL);
		many.writeUInt16LE(0xffff, 56);
		assert.deepEqual(parseElf(many), { ok: false, error: "malformed" });
	});

	it("keeps targets apart by machine, size and byte order", () => {
		const target = (elf: Parameters<typeof fakeElf>[0]) => {
			const read = parseElf(fakeElf(elf));
			assert.ok(read.ok);
			return read.value;
		};
		assert.ok(sameTarget(target({ machine: 62 }), target({ machine: 62, type: 1 })));
		assert.ok(!sameTarget(target({ machine: 62 }), target({ machine: 3 })));
		assert.ok(!sameTarget(target({ bits: 64 }), target({ bits: 32 })));
		assert.ok(!sameTarget(target({ endian: "big" }), target({ endian: "little" })));
	});
});
