// The package: its types, what is in it, and that it is what the server serves.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { buildSync } from 'esbuild';
import { makeWorkshop } from './workshop.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const client = fileURLToPath(new URL('../../server/web/client/', import.meta.url));
const { version, exports, dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(`${client}package.json`, 'utf8'));

let workshop;
before(async () => { workshop = await makeWorkshop(); });
after(() => { if (workshop) rmSync(workshop, { recursive: true }); });

function tsc(folder, ...words) {
  try {
    execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), ...words], { cwd: folder, encoding: 'utf8' });
  } catch ({ stdout }) {
    assert.fail(stdout);
  }
}

test('the types hold under tsc --strict', () => {
  tsc(here, '--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext', 'types/use.ts');
});

test('the examples and the types of the adapters hold under tsc --strict', () => {
  cpSync(join(here, 'types/adapters.ts'), join(workshop, 'types/adapters.ts'));
  tsc(workshop, '-p', '.');
});

test('each entry of the package can be imported, in Node too, with what it needs beside it', async () => {
  const named = { '.': 'connect', './react': 'useCounter', './svelte': 'counter', './vue': 'useCounter', './tanstack-db': 'pgtallyCollectionOptions' };
  for (const [entry, name] of Object.entries(named)) {
    const made = await import(join(workshop, 'node_modules/pgtally', exports[entry].default));
    assert.equal(typeof made[name], 'function', entry);
  }
  assert.deepEqual(Object.keys(exports).filter((entry) => !named[entry]), ['./elements.js']);
});

test('a bundle that is no module works with a url, and says so without one', () => {
  const contents = "import { connect } from './pgtally.js'; globalThis.connect = connect;";
  const { outputFiles: [{ text }] } = buildSync({ stdin: { contents, resolveDir: client }, bundle: true, format: 'iife', write: false, logLevel: 'silent' });
  const place = { URL, console, setTimeout, clearTimeout, queueMicrotask, WebSocket: class { close() {} } };
  runInNewContext(text, place);
  assert.throws(() => place.connect(), ({ message }) => message.includes('pass connect({ url })'));
  const connection = place.connect({ url: 'https://counters.example/v1/ws' });
  assert.equal(connection.state.state, 'connecting');
  connection.close();
});

test('the examples use the versions that the tests use', () => {
  const { devDependencies: tested } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  const used = JSON.parse(readFileSync(join(workshop, 'package.json'), 'utf8'));
  for (const [name, wanted] of Object.entries({ ...used.dependencies, ...used.devDependencies })) {
    if (name !== 'pgtally') assert.equal(wanted, tested[name], name);
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
  for (const needed of Object.keys(peerDependencies)) assert.equal(peerDependenciesMeta[needed].optional, true, needed);
});

test('what the package exports is there, and its version is the server\'s', () => {
  for (const { types, default: module } of Object.values(exports)) {
    assert.ok(existsSync(new URL(types, `file://${client}`)) && existsSync(new URL(module, `file://${client}`)));
  }
  const project = readFileSync(new URL('../../CMakeLists.txt', import.meta.url), 'utf8');
  assert.equal(version, /project\(pgtally VERSION ([\d.]+)/.exec(project)[1]);
});
