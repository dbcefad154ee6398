// SPDX-License-Identifier: Apache-2.0
// readfile.js PATH SECONDS: reads a token by readFile and readFileSync, which believe st_size, and
// checks that it is whole (tests/servers/checked.py has the structure). Prints reads, wrong ones, and
// how many tokens there were.
'use strict';

const fs = require('fs');

const FORM = /^[a-z]{3}\.([0-9]{8})\.[0-9]{13}\.([A-Z]+)\.([0-9a-f]{8})$/;

function sum(text) {
	let value = 0x811c9dc5;

	for (let i = 0; i < text.length; i++)
		value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
	return value.toString(16).padStart(8, '0');
}

function isWhole(text) {
	const parts = FORM.exec(text);

	if (!parts || sum(text.slice(0, -9)) !== parts[3])
		return false;
	const counter = Number(parts[1]);
	const letter = String.fromCharCode(65 + counter % 26);
	return parts[2] === letter.repeat(64 + counter * 97 % 2000);
}

async function main(path, seconds) {
	const tokens = new Set(), end = Date.now() + seconds * 1000;
	let reads = 0, wrong = 0;

	while (Date.now() < end) {
		const texts = [fs.readFileSync(path, 'utf8'), await fs.promises.readFile(path, 'utf8')];

		for (const text of texts) {
			reads++;
			if (isWhole(text))
				tokens.add(text);
			else if (wrong++ === 0)
				console.error(`not a whole token: ${text.length} ${text.slice(0, 60)}`);
		}
	}
	console.log(`${reads} reads, ${wrong} wrong, ${tokens.size} tokens`);
}

main(process.argv[2], Number(process.argv[3])).catch(error => {
	console.log(`reads failed: ${error}`);
	process.exitCode = 1;
});
