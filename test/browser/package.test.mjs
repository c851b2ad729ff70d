// The package: its types, what is in it, and that it is what the server serves.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

const here = fileURLToPath(new URL('.', import.meta.url));
const client = fileURLToPath(new URL('../../server/web/client/', import.meta.url));
const { version, exports, dependencies } = JSON.parse(readFileSync(`${client}package.json`, 'utf8'));

test('the types hold under tsc --strict', () => {
  const words = ['node_modules/typescript/bin/tsc', '--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', 'types/use.ts'];
  try {
    execFileSync(process.execPath, words, { cwd: here, encoding: 'utf8' });
  } catch ({ stdout }) {
    assert.fail(stdout);
  }
});

test('npm pack has every module, the types and the README, and nothing else', () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--offline'], { cwd: client, encoding: 'utf8' }));
  const names = files.map(({ path }) => path);
  const modules = names.filter((name) => name.endsWith('.js'));
  for (const name of modules) {
    for (const [, imported] of readFileSync(client + name, 'utf8').matchAll(/ from '(\.[^']*)'/g)) {
      assert.ok(existsSync(new URL(imported, `file://${client}${name}`)), `${name} imports ${imported}`);
      assert.ok(modules.includes(fileURLToPath(new URL(imported, `file://${client}${name}`)).slice(client.length)), imported);
    }
  }
  assert.ok(names.includes('README.md') && names.includes('package.json'));
  assert.deepEqual(names.filter((name) => !/\.(js|d\.ts|md|json)$/.test(name)), []);
  assert.equal(dependencies, undefined);
});

test('what the package exports is there, and its version is the server\'s', () => {
  for (const { types, default: module } of Object.values(exports)) {
    assert.ok(existsSync(new URL(types, `file://${client}`)) && existsSync(new URL(module, `file://${client}`)));
  }
  const project = readFileSync(new URL('../../CMakeLists.txt', import.meta.url), 'utf8');
  assert.equal(version, /project\(pgtally VERSION ([\d.]+)/.exec(project)[1]);
});
