// Bundlers: a page that imports the client, as the package that `npm pack` makes and as the copied file pgtally.js, is built
// by each, and follows in a browser against the real server. So does the example of Next. Run by `tools/test --bundlers`.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Stage } from '../browser/stage.mjs';
import { unpack } from '../browser/workshop.mjs';

const execute = promisify(execFile);
const here = fileURLToPath(new URL('.', import.meta.url));
const made = process.env.PGTALLY_CLIENT ?? join(here, '../../build/release/server/web/pgtally.js');
const stage = new Stage();
let work; // inside this folder: bundlers look for node_modules in the folders above, and Turbopack follows no links
let page;
let faults = [];

before(async () => {
  await mkdir(join(here, '.work'), { recursive: true });
  work = await mkdtemp(join(here, '.work/'));
  await writeFile(join(work, 'package.json'), '{ "name": "work", "private": true, "type": "module" }');
  await mkdir(join(work, 'node_modules'));
  await unpack(join(work, 'node_modules'));
  await stage.begin();
});
after(async () => {
  await stage.end();
  await rm(join(here, '.work'), { recursive: true });
});
afterEach(async () => {
  await page?.close();
  assert.deepEqual(faults, []);
});

const run = (cwd, program, ...words) => execute(process.execPath, [join(here, 'node_modules', program), ...words], {
  cwd, env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
});

/** Each builds the page in `folder` into its folder `out`. */
const bundlers = {
  webpack: async (folder) => {
    await run(folder, 'webpack-cli/bin/cli.js', '--mode', 'production', '--entry', './main.js', '--output-path', 'out');
    await cp(join(folder, 'index.html'), join(folder, 'out/index.html'));
  },
  esbuild: async (folder) => {
    await execute(join(here, 'node_modules/.bin/esbuild'), ['main.js', '--bundle', '--minify', '--outfile=out/main.js'], { cwd: folder });
    await cp(join(folder, 'index.html'), join(folder, 'out/index.html'));
  },
  vite: (folder) => run(folder, 'vite/bin/vite.js', 'build', '--base', './', '--outDir', 'out'),
  parcel: (folder) => run(folder, 'parcel/lib/bin.js', 'build', 'index.html', '--no-cache', '--cache-dir', join(work, 'cache'), '--dist-dir', 'out', '--public-url', './'),
};

/** Makes the page that imports the client from `source`, and returns its folder. */
async function pageOf(name, source) {
  const folder = join(work, name);
  await cp(join(here, 'page'), folder, { recursive: true });
  if (source === 'package') return folder;
  await cp(made, join(folder, 'pgtally.js'));
  await cp(made.replace('pgtally.js', 'pgtally-elements.js'), join(folder, 'pgtally-elements.js'));
  const text = await readFile(join(folder, 'main.js'), 'utf8');
  await writeFile(join(folder, 'main.js'), text.replace("'pgtally'", "'./pgtally.js'").replace("'pgtally/elements.js'", "'./pgtally-elements.js'"));
  return folder;
}

async function open(address) {
  page = await stage.newPage();
  faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (said) => { if (['error', 'warning'].includes(said.type())) faults.push(said.text()); });
  await page.goto(address);
}

const favs = async () => Number((await stage.truth())['33']?.favs ?? 0);
const shows = (count) => page.waitForFunction((wanted) => document.querySelector('button').textContent === `♥ ${wanted}`, count);

async function follows() {
  await shows(await favs());
  await stage.sql("insert into tweet.activity (messageid, action) select 33, 'fav' from generate_series(1, 10)");
  const before_ = await favs();
  await shows(before_);
  await page.click('button');
  await shows(before_ + 1);
  assert.equal(await favs(), before_ + 1);
}

for (const [name, build] of Object.entries(bundlers)) {
  for (const source of ['package', 'file']) {
    test(`${name} builds a page with the ${source}, and the page follows`, async () => {
      const folder = await pageOf(`${name}-${source}`, source);
      await build(folder);
      await cp(join(folder, 'out'), join(stage.web, `${name}-${source}`), { recursive: true });
      await open(`${stage.address}${name}-${source}/`);
      await follows();
      await page.waitForFunction((wanted) => document.querySelector('live-counter')
        .shadowRoot?.querySelector('[part=number]')?.textContent.replaceAll(',', '') === String(wanted), await favs());
    });
  }
}

test('Next builds its example, whose server renders the number, and the page follows', async () => {
  const folder = join(work, 'next');
  await cp(join(here, '../../server/web/examples/next'), folder, { recursive: true, filter: (path) => !path.includes('node_modules') });
  process.env.NEXT_PUBLIC_PGTALLY = stage.address.slice(0, -1);
  await run(folder, 'next/dist/bin/next', 'build');
  const port = await freePort();
  const server = spawn(process.execPath, [join(here, 'node_modules/next/dist/bin/next'), 'start', '--port', String(port), '--hostname', '127.0.0.1'],
    { cwd: folder, stdio: 'ignore', env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' } });
  try {
    const address = `http://127.0.0.1:${port}/`;
    let html;
    while (html === undefined) {
      assert.equal(server.exitCode, null, 'next start ended');
      html = await fetch(address).then((answer) => answer.text(), () => new Promise((resolve) => { setTimeout(resolve, 50); }));
    }
    assert.ok(html.includes(`♥ ${await favs()}</button>`), html);
    await open(address);
    await follows();
  } finally {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
});

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
