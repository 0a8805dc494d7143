#!/bin/sh
# Installs what gg needs beside Node.js and a C compiler, and makes dist/. `setup.sh test` installs what the tests need too.
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
say() { echo "gg: $*" >&2; }
command -v node >/dev/null 2>&1 || { say "Node.js 20.19 or newer is needed, and there is no \`node\` on PATH"; exit 1; }
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' || {
	say "Node.js 20.19 or newer is needed; this is $(node --version)"
	exit 1
}
mkdir -p "$root/dist" 2>/dev/null || { say "cannot write to $root: the first start must be made by its owner"; exit 1; }
# One setup at a time: parallel first starts wait for it.
exec 9>"$root/dist/.lock"
if command -v flock >/dev/null 2>&1; then flock 9; fi
if [ "$1" = test ]; then
	missing="$root/node_modules/mocha"
	flags=
else
	[ -f "$root/dist/gg.js" ] && [ -z "$(find "$root/src" "$root/package-lock.json" "$root/scripts/bundle.mjs" -newer "$root/dist/gg.js" -print -quit)" ] && exit 0
	missing="$root/node_modules/esbuild"
	# What the tests installed stays.
	if [ -d "$root/node_modules/mocha" ]; then flags=; else flags=--omit=dev; fi
fi
if [ ! -d "$missing" ] || [ "$root/package-lock.json" -nt "$root/node_modules/.package-lock.json" ]; then
	say "first use: installing packages (npm ci) ..."
	(cd "$root" && npm ci $flags --no-audit --no-fund --loglevel=error >&2) || {
		say "npm ci failed (above); check the network and run it again"
		exit 1
	}
	touch "$root/node_modules/.package-lock.json"
fi
[ "$1" = test ] && exit 0
say "first use: building gg ..."
node "$root/scripts/bundle.mjs" || { say "the build failed (above)"; exit 1; }
say "ready"
